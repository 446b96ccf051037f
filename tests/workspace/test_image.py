"""The environment of an image holds what runs and leaves out what does not."""

from pathlib import Path

import pytest

from scripts import image

PACKAGES = "lib/python3.11/site-packages"
KEPT = (
    "django/conf/locale/__init__.py",
    "django/conf/locale/en/formats.py",
    "astropy/tests/runner.py",
    "bowerbird_fuse/native/opens.c",
    "bowerbird_hub/pages/page.html",
    "bowerbird_hub-0.1.0.dist-info/RECORD",
    "babel/locale-data/en.dat",
    "babel/locale-data/root.dat",
    "pyarrow/lib.so",
)
LEFT_OUT = (
    "django/conf/locale/de/formats.py",
    "django/conf/locale/es/formats.py",
    "django/contrib/gis/shortcuts.py",
    "astropy/io/tests/test_fits.py",
    "numpy/core.c",
    "babel/locale-data/de.dat",
    "babel/locale-data/es.dat",
    "pyarrow/_flight.so",
)


@pytest.fixture
def environment(tmp_path):
    for name in (*KEPT, *LEFT_OUT):
        file = tmp_path / PACKAGES / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def test_what_nobody_needs_in_an_image_is_left_out(environment: Path):
    image.leave_out(environment, image.UNUSED)
    left = {str(file.relative_to(environment / PACKAGES)) for file in environment.rglob("*") if file.is_file()}
    assert left == set(KEPT)


def test_our_packages_are_found_where_a_checkout_has_them(environment: Path):
    image.link_members(environment)
    assert (environment / "hub/bowerbird_hub/pages/page.html").exists()
    assert not Path(environment / "hub/bowerbird_hub").readlink().is_absolute()
    assert sorted(place.name for place in environment.iterdir()) == ["fuse", "hub", "lib"]
