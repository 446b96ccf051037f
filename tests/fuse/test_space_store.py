"""A store of a space keeps what every store promises, and counts as a scan does."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_fuse.charge import ENTRY_BYTES
from bowerbird_fuse.meter import Meter, Word, open_memory
from bowerbird_fuse.stores.space import Room, SpaceEntry, SpaceStore
from bowerbird_fuse.stores.trash import Trash
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
    folder, _, name = name.rpartition(b"/")
    with space.pin(folder) as top, top.create(name, os.O_WRONLY | os.O_TRUNC, 0o600) as file:
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


class Clock:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 3600.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(space: SpaceStore) -> Clock:
    """The clock of the space's trash, which is on; whatever a test makes is an hour old already."""
    clock = Clock()
    space.room.trash = Trash(space, "ann", on=True, clock=clock)
    return clock


def below(space: SpaceStore) -> list[str]:
    """What lies in the space, each file with its path, without the names of the trash's folders."""
    top = Path(os.readlink(f"/proc/self/fd/{space.root}"))
    found = [path.relative_to(top).parts for path in top.rglob("*") if not path.is_dir() or path.is_symlink()]
    return sorted("/".join(p for n, p in enumerate(parts) if not (n == 1 and parts[0] == ".trash")) for parts in found)


def remove(space: SpaceStore, path: bytes) -> None:
    folder, _, name = path.rpartition(b"/")
    with space.pin(folder) as parent:
        parent.unlink(name)


@pytest.mark.usefixtures("clock")
def test_deleted_file_lies_in_the_trash_under_its_path(space: SpaceStore) -> None:
    with space.pin(b"") as top:
        top.mkdir(b"d", 0o750)
    write(space, b"d/f", 100)
    used = counted(space)
    remove(space, b"d/f")
    assert below(space) == [".trash/d/f"]
    assert counted(space) == used + 3 * ENTRY_BYTES
    assert space.room.meter.wanted == 2 * ENTRY_BYTES
    trash = Path(os.readlink(f"/proc/self/fd/{space.root}")) / ".trash"
    (folder,) = trash.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\dZ_ann", folder.name)
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o750
    with space.pin(os.fsencode(f".trash/{folder.name}/d")) as source, space.pin(b"d") as into:
        source.rename(b"f", into, b"f", 0)
    assert below(space) == ["d/f"]
    counted(space)


@pytest.mark.usefixtures("clock")
def test_replaced_file_lies_in_the_trash_and_the_new_one_in_its_place(space: SpaceStore) -> None:
    write(space, b"old", 100)
    write(space, b"new", 200)
    for name in (b"new", b"new"):
        with space.pin(b"") as top:
            top.rename(name, top, b"old", 0)
        write(space, b"new", 300)
    assert below(space) == [".trash/old", ".trash/old.~1~", "new", "old"]
    counted(space)


@pytest.mark.usefixtures("clock")
def test_what_is_deleted_in_the_trash_is_gone(space: SpaceStore) -> None:
    write(space, b"f", 100)
    remove(space, b"f")
    (where,) = Path(os.readlink(f"/proc/self/fd/{space.root}")).glob(".trash/*/f")
    remove(space, os.fsencode(f".trash/{where.parent.name}/f"))
    assert below(space) == []
    counted(space)


@pytest.mark.parametrize("path", ["empty", "a.lock", ".~a.ipynb", "a-journal", "__pycache__/a.pyc", "young"])
def test_what_programs_make_and_delete_in_passing_is_not_kept(space: SpaceStore, clock: Clock, path: str) -> None:
    if "/" in path:
        with space.pin(b"") as top:
            top.mkdir(path.partition("/")[0].encode(), 0o700)
    write(space, path.encode(), 0 if path == "empty" else 10)
    clock.ahead = 1.0 if path == "young" else clock.ahead
    remove(space, path.encode())
    assert below(space) == []
    counted(space)


def test_repository_does_not_fill_the_trash_with_its_own_history(space: SpaceStore, clock: Clock) -> None:
    with space.pin(b"") as top:
        top.mkdir(b".git", 0o700)
    write(space, b".git/index", 10)
    write(space, b".git/index.new", 10)
    with space.pin(b".git") as git:
        git.rename(b"index.new", git, b"index", 0)
    assert below(space) == [".git/index"]
    remove(space, b".git/index")
    assert below(space) == [".trash/.git/index"]


def test_oldest_goes_when_room_is_needed_and_all_of_it_in_time(space: SpaceStore, clock: Clock) -> None:
    for name in (b"a", b"b", b"c"):
        write(space, name, 10 * ENTRY_BYTES)
        remove(space, name)
        clock.ahead += 100
    write(space, b"big", 30 * ENTRY_BYTES)
    assert below(space) == [".trash/b", ".trash/c", "big"]
    counted(space)
    with pytest.raises(OSError, match="full"):
        write(space, b"bigger", 40 * ENTRY_BYTES)
    assert below(space) == ["big", "bigger"]
    remove(space, b"big")
    trash = Trash(space, "ann", on=False, clock=clock)
    trash.expire(1000)
    assert below(space) == [".trash/big", "bigger"]
    clock.ahead += 1001
    trash.expire(1000)
    assert below(space) == ["bigger"]
    counted(space)


def test_what_is_read_in_the_trash_stays_there_and_is_counted_until_it_is_closed(space: SpaceStore, clock: Clock) -> None:
    top = Path(os.readlink(f"/proc/self/fd/{space.root}"))
    (top / "d/e").mkdir(parents=True)
    for name in (b"d/e/read", b"d/e/other", b"d/more"):
        write(space, name, ENTRY_BYTES)
        remove(space, name)
    (read,) = top.glob(".trash/*/d/e/read")
    trash = Trash(space, "ann", on=False, clock=clock)
    with space.pin(bytes(read.relative_to(top))) as entry, entry.open(os.O_RDONLY):
        trash.make_room(lambda: False)
        assert below(space) == [".trash/d/e/read"]
        assert space.room.meter.total(Word.TRASH) == tally(space.root).trash > ENTRY_BYTES
    trash.make_room(lambda: False)
    assert below(space) == []


def test_large_trash_is_listed_once_however_often_room_is_made(space: SpaceStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[bytes] = []
    names = SpaceEntry.names

    def list_and_tell(entry: SpaceEntry) -> list[bytes]:
        listed.append(entry.path)
        return names(entry)

    monkeypatch.setattr(SpaceEntry, "names", list_and_tell)
    for number in range(25):
        write(space, f"old{number:02}".encode(), ENTRY_BYTES)
    clock.ahead += 100
    for number in range(25):
        remove(space, f"old{number:02}".encode())
    for number in range(25):
        write(space, f"new{number:02}".encode(), ENTRY_BYTES)
    assert below(space)[0] == ".trash/old19"
    assert len(listed) == len(set(listed)) == 2, "the trash and its one folder"
    # What went there since the last listing is found all the same.
    clock.ahead += 100
    for number in range(25):
        remove(space, f"new{number:02}".encode())
    write(space, b"big", 60 * ENTRY_BYTES)
    assert below(space) == ["big"]
    counted(space)


@pytest.mark.usefixtures("clock")
def test_trash_follows_no_link(space: SpaceStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").touch()
    top = Path(os.readlink(f"/proc/self/fd/{space.root}"))
    write(space, b"f", 10)
    (top / ".trash").symlink_to(outside)
    remove(space, b"f")
    assert os.listdir(outside) == ["precious"]
    (top / ".trash").unlink()
    write(space, b"g", 10)
    remove(space, b"g")
    (folder,) = (top / ".trash").iterdir()
    (folder / "link").symlink_to(outside)
    assert space.room.trash is not None
    space.room.trash.make_room(lambda: False)
    assert os.listdir(top / ".trash") == []
    assert os.listdir(outside) == ["precious"]


def test_figures_are_those_of_the_space(space: SpaceStore) -> None:
    write(space, b"f", ENTRY_BYTES * 9)
    with space.pin(b"") as top:
        figures = top.statvfs()
        assert (figures.f_frsize, figures.f_blocks, figures.f_bavail) == (ENTRY_BYTES, 64, 54)
        space.room.hard = None
        assert top.statvfs().f_blocks == os.statvfs(f"/proc/self/fd/{space.root}").f_blocks
