"""A store of a space keeps what every store promises, and counts as a scan does."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_fuse.meter import Meter, Word, open_memory
from bowerbird_fuse.stores.space import ENTRY_BYTES, Room, SpaceStore
from bowerbird_fuse.tally import tally

from tests.fuse.store_contract import Fill, WritableStore

ROOM_BYTES = 64 * ENTRY_BYTES


@pytest.fixture
def space(tmp_path: Path) -> Iterator[SpaceStore]:
    memory = open_memory()
    store = SpaceStore(os.open(tmp_path, os.O_PATH), Room(Meter(memory), ROOM_BYTES))
    yield store
    store.close()
    os.close(memory)


class TestSpaceStore(WritableStore):
    """The contract."""

    @pytest.fixture
    def store(self, space: SpaceStore) -> SpaceStore:
        return space

    @pytest.fixture
    def fill(self, tmp_path: Path) -> Fill:
        def fill(files: dict[str, bytes]) -> None:
            for path, content in files.items():
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_bytes(content)

        return fill


def counted(space: SpaceStore) -> int:
    """What the meter says; it must be what a scan finds, and what is still open besides."""
    found = tally(space.root)
    assert space.room.meter.used == found.used + space.room.meter.total(Word.HELD)
    assert space.room.meter.total(Word.TRASH) == found.trash
    return found.used


def write(space: SpaceStore, name: bytes, size: int) -> None:
    with space.pin(b"") as top, top.create(name, os.O_WRONLY | os.O_TRUNC, 0o600) as file:
        file.write(0, b"x" * size)


def test_everything_that_is_made_and_taken_away_is_counted(space: SpaceStore) -> None:
    with space.pin(b"") as top:
        top.mkdir(b"d", 0o755)
        top.symlink(b"l", b"anywhere")
        top.mknod(b"p", 0o010644, 0)
        write(space, b"f", 5000)
        assert counted(space) == 4 * ENTRY_BYTES + 8 + 5000
        with top.child(b"d") as into, top.child(b"f") as file:
            into.link(b"g", file)
            assert counted(space) == 5 * ENTRY_BYTES + 8 + 5000
            top.unlink(b"f")
            assert counted(space) == 4 * ENTRY_BYTES + 8 + 5000
            into.rename(b"g", top, b"h", 0)
        write(space, b"i", 300)
        top.rename(b"h", top, b"i", 0)
        assert counted(space) == 4 * ENTRY_BYTES + 8 + 5000
        top.rename(b"i", top, b"l", 2)
        assert counted(space) == 4 * ENTRY_BYTES + 8 + 5000
        top.unlink(b"l")
        top.unlink(b"i")
        top.unlink(b"p")
        top.rmdir(b"d")
    assert counted(space) == 0


def test_sizes_are_counted_whichever_way_they_change(space: SpaceStore) -> None:
    write(space, b"f", 1000)
    with space.pin(b"f") as entry:
        entry.truncate(9000)
        assert counted(space) == ENTRY_BYTES + 9000
        with entry.open(os.O_RDWR) as file:
            file.resize(100)
            file.write(50, b"x" * 100)
            assert counted(space) == ENTRY_BYTES + 150
        with entry.open(os.O_WRONLY | os.O_APPEND) as file:
            file.write(0, b"x" * 50)
        assert counted(space) == ENTRY_BYTES + 200
        with entry.open(os.O_WRONLY | os.O_TRUNC):
            assert counted(space) == ENTRY_BYTES
    write(space, b"f", 40)
    write(space, b"f", 30)
    assert counted(space) == ENTRY_BYTES + 30


def test_what_is_unlinked_while_open_counts_until_it_is_closed(space: SpaceStore) -> None:
    with space.pin(b"") as top, top.create(b"f", os.O_RDWR, 0o600) as file:
        file.write(0, b"x" * 1000)
        with top.child(b"f") as entry, entry.open(os.O_RDONLY):
            top.unlink(b"f")
            assert space.room.meter.used == 1000
            file.write(1000, b"x" * 500)
            assert counted(space) == 0
            assert space.room.meter.used == 1500
        assert space.room.meter.used == 1500
    assert counted(space) == 0
    assert space.room.meter.used == 0


Doing = Callable[[SpaceStore], object]


def _to_file(act: Callable[..., object]) -> Doing:
    def doing(space: SpaceStore) -> None:
        with space.pin(b"full") as entry, entry.open(os.O_RDWR) as file:
            act(file)

    return doing


def _at_top(act: Callable[..., object]) -> Doing:
    def doing(space: SpaceStore) -> None:
        with space.pin(b"") as top:
            act(top)

    return doing


def _link(space: SpaceStore) -> None:
    with space.pin(b"") as top, top.child(b"full") as file:
        top.link(b"new", file)


GROWING: dict[str, Doing] = {
    "write": _to_file(lambda file: file.write(file.stat().st_size - 5, b"x" * 6)),
    "truncate up": _to_file(lambda file: file.resize(file.stat().st_size + 1)),
    "create": _at_top(lambda top: top.create(b"new", os.O_WRONLY, 0o600)),
    "mkdir": _at_top(lambda top: top.mkdir(b"new", 0o700)),
    "symlink": _at_top(lambda top: top.symlink(b"new", b"x")),
    "mknod": _at_top(lambda top: top.mknod(b"new", 0o010600, 0)),
    "link": _link,
}


@pytest.mark.parametrize("doing", GROWING.values(), ids=GROWING)
def test_full_space_takes_nothing_and_loses_nothing(space: SpaceStore, doing: Doing) -> None:
    write(space, b"full", ROOM_BYTES - ENTRY_BYTES)
    with pytest.raises(OSError, match="full") as refused:
        doing(space)
    assert refused.value.errno == errno.EDQUOT
    assert counted(space) == ROOM_BYTES
    with space.pin(b"") as top:
        assert top.names() == [b"full"]
        assert top.look(b"full").st_size == ROOM_BYTES - ENTRY_BYTES


def test_what_is_there_can_be_changed_in_a_space_that_is_too_full(space: SpaceStore) -> None:
    write(space, b"f", 9000)
    space.room.hard = 0
    with space.pin(b"f") as entry:
        with pytest.raises(OSError, match="full"):
            entry.set_xattr(b"user.a", b"x")
        with entry.open(os.O_RDWR) as file:
            assert file.write(100, b"new") == 3
            assert file.read(100, 3) == b"new"
            file.resize(50)
    assert counted(space) == ENTRY_BYTES + 50
    with space.pin(b"") as top:
        top.rename(b"f", top, b"g", 0)
        top.unlink(b"g")
    assert counted(space) == 0


def test_attributes_of_a_file_have_the_room_of_one_entry(space: SpaceStore) -> None:
    write(space, b"f", 1)
    with space.pin(b"f") as entry:
        entry.set_xattr(b"user.a", b"x" * 1500)
        entry.set_xattr(b"user.b", b"x" * 1500)
        entry.set_xattr(b"user.b", b"y" * 2000)
        with pytest.raises(OSError, match="no more room") as refused:
            entry.set_xattr(b"user.c", b"x" * 1500)
        assert refused.value.errno == errno.ENOSPC


def test_figures_are_those_of_the_space(space: SpaceStore) -> None:
    write(space, b"f", ENTRY_BYTES * 9)
    with space.pin(b"") as top:
        figures = top.statvfs()
        assert (figures.f_frsize, figures.f_blocks, figures.f_bavail) == (ENTRY_BYTES, 64, 54)
        space.room.hard = None
        assert top.statvfs().f_blocks == os.statvfs(f"/proc/self/fd/{space.root}").f_blocks
