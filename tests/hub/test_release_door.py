"""The hub hands directories of releases to the services, and to nobody else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.platform import Platform
from bowerbird_hub.release_door import ReleaseDoor
from bowerbird_services.identity import Away
from bowerbird_services.release_files import Directories, NoFile, hub_directories, open_file

from tests.support.platforms import described


def _door(tmp_path: Path, reader: int) -> ReleaseDoor:
    releases = {name: {"title": name, "public": True} for name in ("dr2", "gone")} | {"dr1": {"title": "dr1", "teams": ["craft"]}}
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org"}}
    collections = {"sky": {"title": "Sky", "releases": releases}}
    platform = Platform.model_validate(
        described(teams=teams, collections=collections, storage={"releases": {"sky/dr2": str(tmp_path / "elsewhere")}})
    )
    return ReleaseDoor(tmp_path / "run" / "releases.sock", lambda: platform, tmp_path / "releases", readers=(reader,), group=None)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Directories]:
    for place in (tmp_path / "releases" / "sky" / "dr1", tmp_path / "elsewhere", tmp_path / "releases" / "other" / "dr1"):
        place.mkdir(parents=True)
        (place / "file.txt").write_text(place.name)
    (tmp_path / "run").mkdir()
    door = _door(tmp_path, os.geteuid())
    door.open()
    yield hub_directories(tmp_path / "run" / "releases.sock")
    door.close()
    assert list((tmp_path / "run").iterdir()) == []


def _read(directories: Directories, collection: str, release: str, path: str = "file.txt") -> str:
    file = open_file(directories, collection, release, path)
    try:
        return os.pread(file.descriptor, 100, 0).decode()
    finally:
        file.close()


def test_releases_are_read_where_they_lie(opened: Directories) -> None:
    assert _read(opened, "sky", "dr1") == "dr1"
    assert _read(opened, "sky", "dr2") == "elsewhere"


@pytest.mark.parametrize(
    ("collection", "release"), [("sky", "dr9"), ("other", "dr1"), ("sky", "gone"), ("sky", ".."), ("..", "sky"), ("", "")]
)
def test_what_is_no_release_is_not_handed_over(opened: Directories, collection: str, release: str) -> None:
    with pytest.raises(NoFile):
        _read(opened, collection, release)


def test_others_get_nothing(tmp_path: Path) -> None:
    (tmp_path / "releases" / "sky" / "dr1").mkdir(parents=True)
    door = _door(tmp_path, os.geteuid() + 1)
    door.open()
    try:
        with pytest.raises((NoFile, Away)):
            hub_directories(tmp_path / "run" / "releases.sock")("sky", "dr1")
    finally:
        door.close()
    with pytest.raises(Away):
        hub_directories(tmp_path / "run" / "releases.sock")("sky", "dr1")
