"""Changing a space: names and attributes. Every change asks its grant first, and tells the inodes what became of a name."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bowerbird_fuse import attributes
from bowerbird_fuse.attributes import Attributes
from bowerbird_fuse.errors import NoSuchNode, NotSupported, OutsideSpace
from bowerbird_fuse.files import OWN_USE, OWN_XATTRS, Files, look
from bowerbird_fuse.grant import Grant
from bowerbird_fuse.inodes import Key, Place
from bowerbird_fuse.intents import Intent, Intents
from bowerbird_fuse.stores.base import Entry
from bowerbird_fuse.told import OURS
from bowerbird_fuse.tree import Stored, Tree, key_of

_EXCHANGE = 2
_NOBODY = (0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The attributes to set; None leaves one as it is."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None


class Changes:
    """What may be done to the spaces of one view."""

    def __init__(self, tree: Tree, files: Files, intents: Intents) -> None:
        self.tree = tree
        self.files = files
        self.intents = intents

    # Names.

    def mkdir(self, parent: int, name: bytes, mode: int) -> Attributes:
        """Make a directory."""
        return self._make(parent, name, lambda entry, grant: entry.mkdir(name, grant.mode(mode)))

    def mknod(self, parent: int, name: bytes, mode: int, device: int) -> Attributes:
        """Make a file, a pipe or a socket."""
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            raise NotSupported("devices are not made in a space")
        return self._make(parent, name, lambda entry, grant: entry.mknod(name, grant.mode(mode), device))

    def symlink(self, parent: int, name: bytes, target: bytes) -> Attributes:
        """Make a symbolic link that says what was written."""
        return self._make(parent, name, lambda entry, _: entry.symlink(name, target))

    def link(self, number: int, parent: int, name: bytes) -> Attributes:
        """Make a further name of a file, in the same space."""
        with self.files.held(number) as (source, origin):

            def make(entry: Entry, grant: Grant) -> None:
                if grant is not origin:
                    raise OutsideSpace("a link stays in its space")
                entry.link(name, source)

            return self._make(parent, name, make, key_of(source.stat()))

    def _make(self, parent: int, name: bytes, make: Callable[[Entry, Grant], None], key: Key = (0, 0)) -> Attributes:
        with self._directory(parent) as (entry, stored):
            earlier = self.intents.earlier()
            if earlier is None or not earlier.made(look(entry, name)):
                self.intents.begin(*key)
                make(entry, stored.grant)
            return self.tree.child(entry, stored, name)

    def unlink(self, parent: int, name: bytes) -> None:
        """Take away the name of a file."""
        self._take_away((parent, name), lambda entry: entry.unlink(name))

    def rmdir(self, parent: int, name: bytes) -> None:
        """Take away an empty directory."""
        self._take_away((parent, name), lambda entry: entry.rmdir(name))

    def _take_away(self, place: Place, take: Callable[[Entry], None]) -> None:
        with self._directory(place[0]) as (entry, _):
            earlier, st = self.intents.earlier(), look(entry, place[1])
            if earlier is not None and (st is None or key_of(st) != earlier.key):
                self._unnamed(place, earlier.key, last=bool(earlier.values[2]))
                return
            if st is None:
                raise NoSuchNode(f"no {place[1]!r} there")
            last = self._keep_last(entry, place, st)
            self.intents.begin(*key_of(st), last)
            if last:
                self._let_go(place, st)
            take(entry)
            self._unnamed(place, key_of(st), last)

    def rename(self, old: Place, new: Place, flags: int) -> None:
        """Move a name within its space; `flags` are those of renameat2(2)."""
        with self._directory(old[0]) as (source, here), self._directory(new[0]) as (target, there):
            if there.grant is not here.grant:
                raise OutsideSpace("a move stays in its space")
            earlier, moved, replaced = self.intents.earlier(), look(source, old[1]), look(target, new[1])
            move = _Move(old, new, _key(moved), _key(replaced), bool(flags & _EXCHANGE))
            if earlier is not None and (before := _Move.of(earlier, move)).is_done(move):
                self._renamed(before)
                return
            if replaced is not None and not move.exchange:
                move = replace(move, last=self._keep_last(target, new, replaced))
            self.intents.begin(*move.moved, *move.replaced, move.last)
            source.rename(old[1], target, new[1], flags)
            self._renamed(move)

    def _renamed(self, move: "_Move") -> None:
        if move.replaced == move.moved:
            return  # two names of one file: rename(2) does nothing
        inodes = self.tree.inodes
        if move.replaced != _NOBODY:
            if move.exchange and (other := inodes.known(*move.new, move.replaced)):
                inodes.moved(other, move.new, move.old)
            elif not move.exchange:
                self._unnamed(move.new, move.replaced, move.last)
        node = inodes.known(*move.old, move.moved)
        if node is not None:
            inodes.moved(node, move.old, move.new)

    def _keep_last(self, above: Entry, place: Place, st: os.stat_result) -> bool:
        """Tell whether that is its last name; what is open of it then outlives this worker by the shelf."""
        last = stat.S_ISDIR(st.st_mode) or st.st_nlink <= 1
        node = self.tree.inodes.known(*place, key_of(st)) if last else None
        if node is not None:
            self.files.handles.keep(node.id)
            if stat.S_ISDIR(st.st_mode):
                self.tree.recent.hold_removed(node.id, above.child(place[1]))
        return last

    def _let_go(self, place: Place, st: os.stat_result) -> None:
        """Give the room of a file that is removed back at once; one that is replaced is held on for who was told of it."""
        node = self.tree.inodes.known(*place, key_of(st))
        if node is not None and not stat.S_ISDIR(st.st_mode):
            self.tree.recent.drop(node.id)

    def _unnamed(self, place: Place, key: Key, last: bool) -> None:
        node = self.tree.inodes.known(*place, key)
        if node is not None:
            self.tree.inodes.unnamed(node, place, last=last)

    # Attributes.

    def set(self, number: int, wanted: Wanted, handle: int | None = None) -> Attributes:
        """Set attributes of a node; who has it open to write (`handle`) may cut it whatever its mode is by now."""
        with self._writable(number) as (entry, grant):
            if wanted.mode is not None:
                if wanted.mode & OWN_USE != OWN_USE:
                    self.files.handles.keep(number)
                entry.chmod(stat.S_IMODE(wanted.mode))
            if wanted.uid is not None or wanted.gid is not None:
                _give(entry, grant, wanted)
            if wanted.size is not None:
                if handle is None:
                    entry.truncate(wanted.size)
                else:
                    self.files.resize(handle, wanted.size)
            if wanted.atime_ns is not None or wanted.mtime_ns is not None:
                st = entry.stat()
                atime = st.st_atime_ns if wanted.atime_ns is None else wanted.atime_ns
                entry.utime(atime, st.st_mtime_ns if wanted.mtime_ns is None else wanted.mtime_ns)
            return attributes.of_stored(number, entry.stat(), grant, self.tree.view)

    def set_xattr(self, number: int, name: bytes, value: bytes) -> None:
        """Set one extended attribute of the user's own."""
        if not name.startswith(OWN_XATTRS):
            raise NotSupported("only user attributes are kept")
        with self._writable(number) as (entry, _):
            _check_own(name)
            entry.set_xattr(name, value)

    def remove_xattr(self, number: int, name: bytes) -> None:
        """Take one extended attribute away."""
        with self._writable(number) as (entry, _):
            _check_own(name)
            earlier = self.intents.earlier()
            if earlier is not None and name not in entry.xattrs():
                return
            entry.xattr(name)
            self.intents.begin()
            entry.remove_xattr(name)

    @contextmanager
    def _writable(self, number: int) -> Iterator[tuple[Entry, Grant]]:
        with self.files.held(number) as (entry, grant):
            grant.check_write(self.tree.clock())
            yield entry, grant

    @contextmanager
    def _directory(self, number: int) -> Iterator[tuple[Entry, Stored]]:
        with self.tree.pinned(number) as (entry, stored):
            stored.grant.check_write(self.tree.clock())
            yield entry, stored


@dataclass(frozen=True, slots=True)
class _Move:
    """A rename, by the files that it is about; `last` tells whether what is replaced has no other name."""

    old: Place
    new: Place
    moved: Key
    replaced: Key
    exchange: bool
    last: bool = False

    @classmethod
    def of(cls, earlier: Intent, asked: "_Move") -> "_Move":
        """Return that move as it stood before an earlier worker took it on."""
        values = earlier.values
        return replace(asked, moved=earlier.key, replaced=(values[2], values[3]), last=bool(values[4]))

    def is_done(self, now: "_Move") -> bool:
        """Tell whether it was done, by what lies at both places now."""
        return now.moved != self.moved and now.replaced != self.replaced


def _key(st: os.stat_result | None) -> Key:
    return _NOBODY if st is None else key_of(st)


def _check_own(name: bytes) -> None:
    if name.startswith(OURS):
        raise OSError(errno.EPERM, "what the view tells is not the user's to say")


def _give(entry: Entry, grant: Grant, wanted: Wanted) -> None:
    # What lies in a team's space stays the team's: its group is kept, as rsync and tar would change it unasked.
    kept = wanted.gid is None or (grant.shared and wanted.gid != grant.gid)
    entry.chown(-1 if wanted.uid is None else wanted.uid, -1 if kept or wanted.gid is None else wanted.gid)
