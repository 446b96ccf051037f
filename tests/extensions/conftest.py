"""Views of `/data` for the tests, of one who may read everything and of one of another team, and an image to cut from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extensions.real_lab import PYTHON, Lab, real_lab
from tests.extensions.skies import Mosaic
from tests.extensions.views import make_view
from tests.support.sessions import forget


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is kept of answers and jobs lies in the test's own folder."""
    forget()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    forget()


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The view of a member of the team that owns the proprietary release."""
    root = make_view(tmp_path / "data")
    monkeypatch.setenv("BOWERBIRD_DATA", str(root))
    return root


@pytest.fixture
def other_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The view of somebody of another team, to whom that release is announced."""
    root = make_view(tmp_path / "data", member=False)
    monkeypatch.setenv("BOWERBIRD_DATA", str(root))
    return root


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small image of one field."""
    return Mosaic().write(tmp_path / "mosaic.fits")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all tests that need one."""
    if not PYTHON.exists():
        pytest.skip("needs the lab environment: ./bowerbird test makes it")
    with real_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found
