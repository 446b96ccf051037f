"""The shelf: what lies there is never missing, whenever its user is killed, and only what the next one may have is taken."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_fuse import wire
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.shelf import Shelf


@pytest.fixture
def remains() -> Iterator[Remains]:
    remains = Remains.make("test")
    yield remains
    remains.close()


def shelf_of(remains: Remains) -> Shelf:
    """One worker's use of it."""
    return Shelf(os.dup(remains.front), os.dup(remains.back))


def open_files(folder: Path, *names: str) -> dict[str, int]:
    for name in names:
        (folder / name).write_text(name)
    return {name: os.open(folder / name, os.O_RDONLY) for name in names}


def taken(remains: Remains, *roots: Path) -> dict[str, str]:
    """What the next worker finds: by name, what is in the file."""
    shelf = shelf_of(remains)
    found = shelf.inherit([str(root) for root in roots])
    contents = {name.decode(): os.pread(fd, 100, 0).decode() for name, fd in found.items()}
    wire.close_all(found.values())
    shelf.close()
    return contents


def test_what_is_kept_outlives_each_user(remains: Remains, tmp_path: Path) -> None:
    files = open_files(tmp_path, "one", "two", "three", "four")
    first = shelf_of(remains)
    for name in ("one", "two", "three"):
        first.put(name.encode(), files[name])
    first.put(b"one", files["four"])
    first.drop(b"two")
    first.drop(b"never there")
    assert first.names == {b"one", b"three"}
    first.close()
    wire.close_all(files.values())
    for _ in range(3):
        assert taken(remains, tmp_path) == {"one": "four", "three": "three"}


def test_few_things_are_closed_at_once_and_many_soon(remains: Remains, tmp_path: Path) -> None:
    file = open_files(tmp_path, "one")["one"]
    held = Path("/proc/self/fd")
    shelf = shelf_of(remains)
    before = len(list(held.iterdir()))
    for number in range(3000):
        shelf.put(b"%d" % number, file)
        if number >= 200:
            shelf.drop(b"%d" % (number - 200))
    assert len(shelf.names) == 200
    assert len(list(held.iterdir())) == before
    shelf.close()
    os.close(file)
    found = taken(remains, tmp_path)
    assert len(found) <= 200 * 8 / 7 + 1
    assert {str(number) for number in range(2800, 3000)} <= set(found)


@pytest.mark.parametrize("step", range(6))
def test_killed_in_the_middle_of_a_turn_it_has_lost_nothing(remains: Remains, tmp_path: Path, step: int) -> None:
    files = open_files(tmp_path, "one", "two", "three")
    shelf = shelf_of(remains)
    for name, fd in files.items():
        shelf.put(name.encode(), fd)
    turn = shelf._turn()
    for _, (ticket, found, fds) in zip(range(step), turn, strict=False):
        shelf._lay(ticket, found, fds)
    del turn
    shelf.close()
    wire.close_all(files.values())
    assert taken(remains, tmp_path) == {name: name for name in files}


def test_what_lies_elsewhere_is_not_taken_whoever_laid_it_there(remains: Remains, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine2").mkdir()
    files = open_files(tmp_path / "mine", "one") | open_files(tmp_path / "mine2", "two") | {"root": os.open("/", os.O_PATH)}
    shelf = shelf_of(remains)
    for name, fd in files.items():
        shelf.put(name.encode(), fd)
    wire.close_all(files.values())
    shelf.close()
    with open(os.devnull) as nothing, socket.socket(fileno=os.dup(remains.front)) as hostile:
        socket.send_fds(hostile, [b"short"], [nothing.fileno()])
        hostile.send(b"x" * 5000)
    assert taken(remains, tmp_path / "mine", Path("/")) == {"one": "one"}
    assert taken(remains, tmp_path / "mine2") == {}
