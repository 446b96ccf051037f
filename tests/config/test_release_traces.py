"""What is noticed of a release's files: whatever is added, replaced or removed below it, and nothing behind a link."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird_config.ingests.making import table_traces
from bowerbird_config.ingests.traces import trace
from bowerbird_config.table_order import TableOrder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    place = tmp_path / "release"
    (place / "images" / "deep").mkdir(parents=True)
    (place / "images" / "deep" / "a.fits").write_bytes(b"x")
    return place


def asked(release: Path) -> TableOrder:
    return TableOrder.model_validate({"releases": [{"collection": "sky", "release": "dr1", "directory": str(release)}]})


def write_in_place(deep: Path) -> None:
    with (deep / "a.fits").open("r+b") as file:
        file.write(b"yy")


def put_another_there(deep: Path) -> None:
    before = (deep / "a.fits").stat()
    (deep / "new").write_bytes(b"y")
    os.utime(deep / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (deep / "new").replace(deep / "a.fits")


@pytest.mark.parametrize(
    "change",
    [
        lambda deep: (deep / "b.fits").write_bytes(b"y"),
        lambda deep: (deep / "a.fits").unlink(),
        lambda deep: (deep / "below").mkdir(),
        write_in_place,
        put_another_there,
    ],
)
def test_a_change_below_the_top_directory_is_noticed(change: Callable[[Path], object], release: Path) -> None:
    before = table_traces(asked(release))
    assert table_traces(asked(release)) == before
    change(release / "images" / "deep")
    assert table_traces(asked(release)) != before


def test_what_lies_behind_a_link_is_not_looked_at(release: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (release / "out").symlink_to(tmp_path / "other")
    (release / "loop").symlink_to(release)
    before = table_traces(asked(release))
    (tmp_path / "other" / "b.fits").write_bytes(b"y")
    assert table_traces(asked(release)) == before


def test_of_many_files_the_upper_ones_are_looked_at(release: Path) -> None:
    for number in range(10):
        (release / "images" / "deep" / f"{number}.fits").touch()
    lines = list(trace(release, 4))
    assert len(lines) == 5
    assert any("deep" in line for line in lines)
    assert list(trace(release.with_name("none"))) == [f"{release.with_name('none')} is not there"]
