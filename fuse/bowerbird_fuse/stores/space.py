"""A space: a store in a directory of this machine that keeps to a quota, and keeps for a while what is deleted in it.

What counts is the size of each file and of what a link says, and ENTRY_BYTES for each name, whatever the disk takes for
them: so room is asked for before it is written to, and a page that a program mapped is never without room. Extended
attributes of a file have the room of one entry, as on ext4. The charge is taken first and given back where the disk refuses.
"""

# ruff: noqa: D102  # stores/base.py says what each method promises

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from bowerbird_config.beneath import open_beneath

from bowerbird_fuse.charge import ENTRY_BYTES, is_trash, size_of
from bowerbird_fuse.meter import Meter
from bowerbird_fuse.stores.base import Entry
from bowerbird_fuse.stores.posix import PosixEntry, PosixFile, PosixStore
from bowerbird_fuse.tally import tally

_EXCHANGE = 2
_KEEP_SIZE, _PUNCH_HOLE, _COLLAPSE, _INSERT = 0x01, 0x02, 0x08, 0x20


class Keeps(Protocol):
    """What keeps for a while what is deleted, and yields when room is needed."""

    def keep_deleted(self, parent: "SpaceEntry", name: bytes, st: os.stat_result) -> bool:
        """Take what is being deleted; tell whether it was taken."""

    def keep_replaced(self, parent: "SpaceEntry", name: bytes, st: os.stat_result) -> bool:
        """Take, by a second name, what is about to be replaced; tell whether it was taken."""

    def make_room(self, enough: Callable[[], bool]) -> None:
        """Delete what it keeps until there is enough room."""


class Room:
    """The room of one space as one view uses it; `hard` is the limit in bytes, None where there is none, `soft` only told."""

    def __init__(self, meter: Meter, hard: int | None = None) -> None:
        self.meter = meter
        self.hard = hard
        self.soft: int | None = None
        self.trash: Keeps | None = None
        # Has what is open of an inode beside Python counted in `opened`.
        self.claim: Callable[[int], object] | None = None
        self.opened: Counter[int] = Counter()
        self.unnamed: set[int] = set()

    def take(self, size: int) -> None:
        """Charge that many bytes; EDQUOT where they are more than the space has."""
        if size == 0:
            return
        self.meter.add(size)
        if not self.fits() and self.trash:
            self.trash.make_room(self.fits)
        if not self.fits():
            self.meter.add(-size)
            raise OSError(errno.EDQUOT, "the space is full")

    def fits(self) -> bool:
        """Tell whether all that is charged is within the limit."""
        return self.hard is None or self.meter.used <= self.hard

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Charge bytes for what is made now; nothing is charged where it fails."""
        self.take(size)
        try:
            yield
        except BaseException:  # whatever stopped it, nothing was made that could be charged
            self.meter.add(-size)
            raise

    def is_open(self, inode: int) -> bool:
        """Tell whether this view has it open."""
        if self.claim is not None:
            self.claim(inode)
        return self.opened[inode] > 0

    def lost_name(self, st: os.stat_result, trash: bool) -> None:
        """Give back what a name was charged that is gone; `st` is from before, and the last name gives back the file too."""
        freed, held = ENTRY_BYTES, 0
        if st.st_nlink <= 1 and not stat.S_ISDIR(st.st_mode):
            if self.opened[st.st_ino]:
                # Its bytes stay on the disk until it is closed.
                self.unnamed.add(st.st_ino)
                held = size_of(st)
            else:
                freed += size_of(st)
        self.meter.add(-freed, trash=-(freed + held) if trash else 0, held=held)

    def grew(self, inode: int, size: int, trash: bool) -> None:
        """Take note where what was taken (or given back) for an open file belongs."""
        if inode in self.unnamed:
            self.meter.add(held=size)
        elif trash:
            self.meter.add(trash=size)

    def closes(self, inode: int, fd: int) -> None:
        """Take note that an open file is about to be closed; one without a name gives its room back with the last."""
        left = self.opened.pop(inode) - 1
        if left:
            self.opened[inode] = left
        elif inode in self.unnamed:
            self.unnamed.discard(inode)
            size = os.fstat(fd).st_size
            self.meter.add(-size, held=-size)


class SpaceEntry(PosixEntry):
    """A pinned entry of a space; `path` is where it was found."""

    def __init__(self, fd: int, room: Room, path: bytes) -> None:
        super().__init__(fd)
        self.room = room
        self.path = path

    @property
    def in_trash(self) -> bool:
        """Tell whether what lies in this directory lies in the trash."""
        return is_trash(self.path)

    def below(self, name: bytes) -> bytes:
        """Return the path of what has that name in this directory."""
        return self.path + b"/" + name if self.path else name

    def again(self) -> "SpaceEntry":
        return SpaceEntry(os.dup(self.fd), self.room, self.path)

    def child(self, name: bytes) -> "SpaceEntry":
        return SpaceEntry(open_beneath(self.fd, name, os.O_PATH), self.room, self.below(name))

    def open(self, flags: int) -> "SpaceFile":
        before = self.stat().st_size if flags & os.O_TRUNC else 0
        file = SpaceFile(super().open(flags).fd, self.room, self.path, flags)
        if before:
            self._resized(before, 0)
        return file

    def create(self, name: bytes, flags: int, mode: int) -> "SpaceFile":
        try:
            return self._create(name, flags | os.O_EXCL, mode)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
        before = self.look(name).st_size if flags & os.O_TRUNC else 0
        file = SpaceFile(super().create(name, flags, mode).fd, self.room, self.below(name), flags)
        if before:
            file._resized(before, 0)
        return file

    def _create(self, name: bytes, flags: int, mode: int) -> "SpaceFile":
        self.room.take(ENTRY_BYTES)
        try:
            fd = super().create(name, flags, mode).fd
        except BaseException:  # whatever stopped it, there is no entry to charge
            self.room.meter.add(-ENTRY_BYTES)
            raise
        self._entered(ENTRY_BYTES)
        return SpaceFile(fd, self.room, self.below(name), flags)

    def _look(self, name: bytes) -> os.stat_result | None:
        try:
            return self.look(name)
        except FileNotFoundError:
            return None

    def _entered(self, size: int) -> None:
        if self.in_trash:
            self.room.meter.add(trash=size)

    def mknod(self, name: bytes, mode: int, device: int) -> None:
        with self.room.taken(ENTRY_BYTES):
            super().mknod(name, mode, device)
        self._entered(ENTRY_BYTES)

    def mkdir(self, name: bytes, mode: int) -> None:
        with self.room.taken(ENTRY_BYTES):
            super().mkdir(name, mode)
        self._entered(ENTRY_BYTES)

    def symlink(self, name: bytes, target: bytes) -> None:
        with self.room.taken(ENTRY_BYTES + len(target)):
            super().symlink(name, target)
        self._entered(ENTRY_BYTES + len(target))

    def link(self, name: bytes, to: Entry) -> None:
        with self.room.taken(ENTRY_BYTES):
            super().link(name, to)
        self._entered(ENTRY_BYTES)

    def unlink(self, name: bytes) -> None:
        st = self.look(name)
        if self.room.trash and self.room.trash.keep_deleted(self, name, st):
            return
        super().unlink(name)
        self.room.lost_name(st, self.in_trash)

    def rmdir(self, name: bytes) -> None:
        st = self.look(name)
        super().rmdir(name)
        self.room.lost_name(st, self.in_trash)

    def rename(self, name: bytes, into: Entry, new_name: bytes, flags: int) -> None:
        replaced = self._keep_replaced(name, into, new_name) if not flags and isinstance(into, SpaceEntry) else None
        super().rename(name, into, new_name, flags)
        if not isinstance(into, SpaceEntry):
            return
        if replaced:
            self.room.lost_name(replaced, into.in_trash)
        if self.in_trash != into.in_trash:
            moved = into.weight(new_name) - (self.weight(name) if flags & _EXCHANGE else 0)
            self.room.meter.add(trash=moved if into.in_trash else -moved)

    def _keep_replaced(self, name: bytes, into: "SpaceEntry", new_name: bytes) -> os.stat_result | None:
        """Return what a rename is about to replace, if it is another file; what is worth it goes into the trash."""
        replaced = into._look(new_name)
        if replaced is None or replaced.st_ino == self.look(name).st_ino:
            return None
        kept = self.room.trash is not None and self.room.trash.keep_replaced(into, new_name, replaced)
        return into.look(new_name) if kept else replaced

    def weight(self, name: bytes) -> int:
        """Return what is charged for that name and all below it."""
        st = self.look(name)
        if not stat.S_ISDIR(st.st_mode):
            return ENTRY_BYTES + size_of(st)
        with self.child(name) as directory:
            return ENTRY_BYTES + tally(directory.fd).used

    def truncate(self, size: int) -> None:
        before = self.stat().st_size
        with self.room.taken(max(0, size - before)):
            super().truncate(size)
        self._resized(before, size)

    def _resized(self, before: int, after: int) -> None:
        """Take note of another size; growth was taken already."""
        if after < before:
            self.room.meter.add(after - before)
        if after != before:
            self.room.grew(self.stat().st_ino, after - before, self.in_trash)

    def set_xattr(self, name: bytes, value: bytes) -> None:
        if not self.room.fits():
            raise OSError(errno.EDQUOT, "the space is full")
        others = sum(len(other) + len(self.xattr(other)) for other in self.xattrs() if other != name and other.startswith(b"user."))
        if others + len(name) + len(value) > ENTRY_BYTES:
            raise OSError(errno.ENOSPC, "the extended attributes of a file have no more room")
        super().set_xattr(name, value)

    def statvfs(self) -> os.statvfs_result:
        return figures(super().statvfs(), self.room)


class SpaceFile(SpaceEntry, PosixFile):
    """An open file of a space."""

    def __init__(self, fd: int, room: Room, path: bytes, flags: int) -> None:
        super().__init__(fd, room, path)
        self.appends = bool(flags & os.O_APPEND)
        self.inode = self.stat().st_ino
        room.opened[self.inode] += 1

    def close(self) -> None:
        if self.fd >= 0:
            self.room.closes(self.inode, self.fd)
            super().close()

    def write(self, offset: int, data: bytes) -> int:
        growth = len(data) if self.appends else offset + len(data) - self.stat().st_size
        if growth <= 0:
            return super().write(offset, data)
        self.room.take(growth)
        written = 0
        try:
            written = super().write(offset, data)
        finally:
            missing = min(growth, len(data) - written)
            if missing:
                self.room.meter.add(-missing)
            self.room.grew(self.inode, growth - missing, self.in_trash)
        return written

    def resize(self, size: int) -> None:
        before = self.stat().st_size
        with self.room.taken(max(0, size - before)):
            super().resize(size)
        self._resized(before, size)

    def append(self, on: bool) -> None:
        super().append(on)
        self.appends = on

    def allocate(self, mode: int, offset: int, length: int) -> None:
        before = self.stat().st_size
        with self.room.taken(self._growth(mode, offset, length, before)):
            super().allocate(mode, offset, length)
        self._resized(before, self.stat().st_size)

    def _growth(self, mode: int, offset: int, length: int, size: int) -> int:
        if mode & _INSERT:
            return length
        if mode & (_PUNCH_HOLE | _COLLAPSE):
            return 0
        if mode & _KEEP_SIZE and offset + length > size:
            if self.room.hard is None:
                return 0
            raise OSError(errno.EOPNOTSUPP, "room behind the end of a file is not kept: it would count for nobody")
        return max(0, offset + length - size)

    def take(self, offset: int, source: Entry, source_offset: int, length: int) -> int:
        before = self.stat().st_size
        growth = max(0, offset + min(length, max(0, source.stat().st_size - source_offset)) - before)
        with self.room.taken(growth):
            copied = super().take(offset, source, source_offset, length)
        after = max(before, offset + copied)
        self.room.meter.add(after - before - growth)
        self.room.grew(self.stat().st_ino, after - before, self.in_trash)
        return copied


class SpaceStore(PosixStore):
    """The tree of a space."""

    def __init__(self, root: int, room: Room) -> None:
        super().__init__(root)
        self.room = room

    def pin(self, path: bytes) -> SpaceEntry:
        return self.entry(open_beneath(self.root, path, os.O_PATH), path)

    def entry(self, fd: int, path: bytes) -> SpaceEntry:
        return SpaceEntry(fd, self.room, path)

    def is_open(self, inode: int) -> bool:
        """Tell whether a view of the space has it open, as far as they say so: of a home another process cannot know."""
        return self.room.is_open(inode) or (self.presence is not None and self.presence.elsewhere(inode, unsaid=False))

    def adopt(self, fd: int, flags: int) -> SpaceFile:
        # One without a name is not charged any more: a scan has counted it out, or will.
        return SpaceFile(fd, self.room, b"", flags)


def figures(disk: os.statvfs_result, room: Room) -> os.statvfs_result:
    """Return the figures of a space, as df shows them: what its quota and its disk leave; the trash counts as free."""
    if room.hard is None:
        return disk
    left = max(0, room.hard - room.meter.wanted) // ENTRY_BYTES
    free = min(left, disk.f_bavail * disk.f_frsize // ENTRY_BYTES)
    blocks = room.hard // ENTRY_BYTES
    names = (disk.f_files, disk.f_ffree, disk.f_favail, disk.f_flag, disk.f_namemax)
    return os.statvfs_result((disk.f_bsize, ENTRY_BYTES, blocks, free, free, *names))
