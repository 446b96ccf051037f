"""Reading and writing: open files and listings of a tree."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bowerbird_fuse import attributes
from bowerbird_fuse.attributes import Attributes
from bowerbird_fuse.errors import AccessDenied, NoSuchNode, NotSupported, ReadOnly, StaleNode, ViewError
from bowerbird_fuse.grant import Grant
from bowerbird_fuse.handles import Handle, Handles, Listing, quicken
from bowerbird_fuse.intents import Intents
from bowerbird_fuse.layout import Link, Text
from bowerbird_fuse.stores.base import Entry, File
from bowerbird_fuse.told import OURS, Told
from bowerbird_fuse.tree import Generated, Located, Stored, Tree

# The attributes that belong to whom wrote the file; the others are the system's, and no concern of a view.
OWN_XATTRS = b"user."
_SETTLED_SECONDS = 2.0
DOTS = (b".", b"..")
# The modes of fallocate(2) that move what lies behind: to be done once.
_MOVES_BYTES = 0x08 | 0x20
# Without them its owner could not open a file again.
OWN_USE = stat.S_IRUSR | stat.S_IWUSR


def opens_to_write(flags: int) -> bool:
    """Tell whether an opening with these flags could change the file."""
    return flags & os.O_ACCMODE != os.O_RDONLY or bool(flags & os.O_TRUNC)


def look(directory: Entry, name: bytes) -> os.stat_result | None:
    """Return the attributes of what has that name, None where nothing has."""
    try:
        return directory.look(name)
    except FileNotFoundError:
        return None


def _let_owner_in(directory: Entry, name: bytes, mode: int) -> None:
    """Let a file that an earlier worker made be opened once more, though its mode denies that to its owner, who has it open already."""
    if mode & OWN_USE != OWN_USE:
        with directory.child(name) as made:
            made.chmod(mode | OWN_USE)


def _appended(tail: bytes, data: bytes) -> int:
    """Return how much of `data` a file holds that has `tail` from where its end was."""
    if data in tail:
        return len(data)
    # It was killed within the write: that is then the last that was written.
    return len(tail) if data.startswith(tail) else 0


class Files:
    """The open files and directories of one view."""

    def __init__(self, tree: Tree, handles: Handles, intents: Intents) -> None:
        self.tree = tree
        self.handles = handles
        tree.is_removed = handles.is_removed
        self.told = Told()
        self.intents = intents

    def open(self, number: int, flags: int) -> Handle:
        """Open a file; the decision is asked again."""
        handle = self.handles.add(number, flags)
        try:
            self._fill(handle)
        except BaseException:  # whatever stopped it, no handle is left that nobody knows the number of
            self.handles.drop(handle.number)
            raise
        return handle

    def create(self, parent: int, name: bytes, flags: int, mode: int) -> tuple[Handle, Attributes]:
        """Make and open a file; its node counts one lookup more."""
        with self.tree.pinned(parent) as (entry, stored):
            stored.grant.check_write(self.tree.clock())
            earlier, wanted = self.intents.earlier(), stored.grant.mode(mode)
            again = earlier is not None and earlier.made(look(entry, name))
            if again:
                flags &= ~os.O_EXCL
                _let_owner_in(entry, name, wanted)
            else:
                self.intents.begin()
            file = entry.create(name, flags, wanted)
            if again and wanted & OWN_USE != OWN_USE:
                file.chmod(wanted)
            st = file.stat()
            node = self.tree.inodes.seen(parent, name, (st.st_dev, st.st_ino))
            handle = self.handles.add(node.id, flags)
            handle.file, handle.grant = file, stored.grant
            self._enter(handle)
            if st.st_mode & OWN_USE != OWN_USE:
                self.handles.keep(node.id)
            return handle, attributes.of_stored(node.id, st, stored.grant, self.tree.view)

    def _fill(self, handle: Handle) -> None:
        released = None if opens_to_write(handle.flags) else self.tree.open_released(handle.node, handle.flags)
        if released is not None:
            handle.file, handle.grant = released
            return
        found = self.tree.locate(handle.node)
        if isinstance(found, Generated):
            if not isinstance(found.made, Text):
                raise NotSupported("only files are opened")
            if opens_to_write(handle.flags):
                raise ReadOnly("the view itself makes this")
            handle.content = found.made.content
            return
        if opens_to_write(handle.flags):
            found.grant.check_write(self.tree.clock())
        if self.handles.is_kept(handle.number):
            handle.file = found.grant.store.adopt(self.handles.take_kept(handle.number), handle.flags)
        else:
            with self.tree.pinned(handle.node) as (entry, _):
                handle.file = entry.open(handle.flags)
        handle.grant = found.grant
        self._enter(handle)

    def keeps_pages(self, handle: Handle) -> bool:
        """Tell whether what the kernel has read of a file that was just opened is still what it holds.

        What a release holds does not change. A file of a space is the same if size and times are those of its last opening,
        and it had been left alone for so long then that no later change could bear the same times.
        """
        if handle.grant is None or handle.file is None:
            return False
        if not handle.grant.space:
            return True
        # Where no read comes, since the pages are there, the kernel still asks for the attributes.
        quicken(handle, self.tree.view.gid)
        node, st = self.tree.inodes[handle.node], handle.file.stat()
        stamp = (st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        same = stamp == node.settled
        alone = self.tree.clock() - max(st.st_mtime, st.st_ctime) > _SETTLED_SECONDS
        node.settled = stamp if alone else None
        return same and alone

    def _enter(self, handle: Handle) -> None:
        """Tell the other views of a space that the file is open here."""
        key = self.tree.inodes[handle.node].key
        if handle.presence is None and handle.grant is not None and handle.grant.shared and key is not None:
            handle.presence, handle.inode = handle.grant.store.presence, key[1]
            if handle.presence is not None:
                handle.presence.enter(handle.inode)

    def is_shared(self, handle: Handle) -> bool:
        """Tell whether the file could be mapped to write here while another view has it open, which would not see it."""
        if handle.grant is None or not handle.grant.shared or handle.flags & os.O_ACCMODE != os.O_RDWR:
            return False
        return handle.presence is None or handle.presence.elsewhere(handle.inode)

    def enter_all(self) -> None:
        """Tell again what an earlier worker had open: who has mapped a file does not ask for it again."""
        for handle in self.handles:
            with suppress(StaleNode, NoSuchNode):
                found = self.tree.locate(handle.node)
                if isinstance(found, Stored) and not handle.flags & os.O_DIRECTORY:
                    handle.grant = found.grant
                    self._enter(handle)

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Return bytes of an open file."""
        handle = self._usable(number)
        if handle.content is not None:
            return handle.content[offset : offset + size]
        data = self._file(handle).read(offset, size)
        quicken(handle, self.tree.view.gid)
        return data

    def write(self, number: int, offset: int, data: bytes, flags: int | None = None) -> int:
        """Write to an open file; by `flags` it appends from now on or does not, since fcntl(2) may change that."""
        file = self._to_write(number)
        handle = self.handles[number]
        if flags is not None and (flags ^ handle.flags) & os.O_APPEND:
            handle.flags ^= os.O_APPEND
            file.append(bool(handle.flags & os.O_APPEND))
        if handle.flags & os.O_APPEND:
            return self._append(file, offset, data)
        return file.write(offset, data)

    def _append(self, file: File, offset: int, data: bytes) -> int:
        """Append, unless an earlier worker did; what it did in part is made whole."""
        earlier = self.intents.earlier()
        there = 0 if earlier is None else _appended(file.tail(earlier.values[0], len(data)), data)
        if there < len(data):
            self.intents.begin(file.stat().st_size - there)
            return there + file.write(offset, data[there:])
        return there

    def resize(self, number: int, size: int) -> None:
        """Set the size of an open file."""
        self._file(self._usable(number)).resize(size)

    def allocate(self, number: int, mode: int, offset: int, length: int) -> None:
        """Give an open file room on the disk, or take it; the modes are those of fallocate(2)."""
        file = self._to_write(number)
        if mode & _MOVES_BYTES:
            earlier, size = self.intents.earlier(), file.stat().st_size
            if earlier is not None and size != earlier.values[0]:
                return
            self.intents.begin(size)
        file.allocate(mode, offset, length)

    def seek(self, number: int, offset: int, whence: int) -> int:
        """Return where data or a hole begins in an open file; `whence` is os.SEEK_DATA or os.SEEK_HOLE."""
        handle = self._usable(number)
        if handle.content is not None:
            raise NotSupported("the view itself makes this")
        return self._file(handle).seek(offset, whence)

    def copy(self, source: tuple[int, int], target: tuple[int, int], length: int) -> int:
        """Copy bytes between two open files, each with an offset; return how many. The disk may share them."""
        handle = self._usable(source[0])
        if handle.content is not None:
            raise NotSupported("the view itself makes this")
        return self._to_write(target[0]).take(target[1], self._file(handle), source[1], length)

    def lockable(self, number: int) -> int | None:
        """Return the descriptor of an open file of a space; None for one that nobody can write, and so is nobody's to lock."""
        handle = self._usable(number)
        if handle.grant is None or not handle.grant.space:
            return None
        return self._file(handle).descriptor

    def place(self, number: int) -> str:
        """Return what an open file belongs to, in words."""
        grant = self.handles[number].grant
        return grant.key if grant is not None else "the view itself"

    def _to_write(self, number: int) -> File:
        handle = self._usable(number)
        if handle.grant is not None:
            handle.grant.check_write(self.tree.clock())
        return self._file(handle)

    def sync(self, number: int, data_only: bool) -> None:
        """Return once an open file is on the disk."""
        handle = self._usable(number)
        if handle.file is not None:
            handle.file.sync(data_only)

    def _usable(self, number: int) -> Handle:
        def reopen(handle: Handle) -> None:
            handle.flags &= ~os.O_TRUNC
            self._fill(handle)

        return self.handles.usable(number, self.tree.clock(), reopen)

    def _file(self, handle: Handle) -> File:
        if handle.file is None:
            raise AccessDenied("it is open no more")
        return handle.file

    def attributes(self, number: int) -> Attributes:
        """Return the attributes of a node, also of an open file that has no name any more."""
        node = self.tree.inodes[number]
        if node.key is None:
            return self.tree.made_attributes(number)
        with self.held(number) as (entry, grant):
            return attributes.of_stored(number, entry.stat(), grant, self.tree.view)

    @contextmanager
    def held(self, number: int) -> Iterator[tuple[Entry, Grant]]:
        """Hold a node of a store: by what is open of it where there is something, since that may have no name any more."""
        for handle in self.handles.of(number):
            if handle.file is None and self.handles.is_kept(handle.number):
                self._fill(handle)
            if (entry := handle.entry) is not None and handle.grant is not None:
                handle.grant.check(self.tree.clock())
                yield entry, handle.grant
                return
        with self.tree.pinned(number) as (entry, stored):
            yield entry, stored.grant

    def readlink(self, number: int) -> bytes:
        """Return what a symbolic link says."""
        found = self.tree.locate(number)
        if isinstance(found, Generated):
            if not isinstance(found.made, Link):
                raise NotSupported("no link")
            return found.made.target
        with self.tree.pinned(number) as (entry, _):
            return entry.readlink()

    def xattrs(self, number: int) -> list[bytes]:
        """Return the names of the extended attributes that the view tells, and of the user's own."""
        found = self.tree.locate(number)
        if isinstance(found, Generated):
            return []
        with self.held(number) as (entry, _):
            own = [name for name in entry.xattrs() if name.startswith(OWN_XATTRS) and not name.startswith(OURS)]
        return [*self.told.of(found), *own]

    def xattr(self, number: int, name: bytes) -> bytes:
        """Return one extended attribute."""
        # The kernel asks for security.capability before each write: answered without asking the disk.
        if not name.startswith(OWN_XATTRS) or isinstance(found := self.tree.locate(number), Generated):
            raise OSError(errno.ENODATA, "no such attribute")
        with self.held(number) as (entry, _):
            if not name.startswith(OURS):
                return entry.xattr(name)
        if (value := self.told.of(found).get(name)) is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return value

    def statvfs(self, number: int) -> os.statvfs_result:
        """Return the figures of the file system that a node lies on; of the home's for what the view itself makes."""
        if self.tree.inodes[number].key is None and isinstance(self.tree.locate(number), Generated):
            with self.tree.any_store() as entry:
                return entry.statvfs()
        with self.held(number) as (entry, _):
            return entry.statvfs()

    # Directories.

    def sync_directory(self, number: int, data_only: bool) -> None:
        """Return once an open directory is on the disk."""
        handle = self.handles[number]
        if not isinstance(self.tree.locate(handle.node), Generated):
            with self.tree.pinned(handle.node) as (entry, _):
                entry.sync(data_only)

    def open_directory(self, number: int) -> Handle:
        """Open a directory to list it."""
        found = self.tree.locate(number)
        # Another view may remove what is listed; a release stays as it is, and its listing may come from the kernel's cache.
        entry = self.tree.pin(number)[0] if isinstance(found, Stored) and found.grant.space else None
        handle = self.handles.add(number, os.O_DIRECTORY)
        handle.grant = None if isinstance(found, Generated) else found.grant
        handle.listing = None if entry is None else Listing([], entry)
        if isinstance(found, Stored):
            self.tree.stand(number)
        return handle

    def list_quickly(self, number: int) -> bool:
        """Let the companion tell what stands in a directory from now on; tell whether it does."""
        handle = self.handles[number]
        found = self.tree.locate(handle.node)
        # The README beside the data is none of the disk's.
        if not isinstance(found, Stored) or found.readme is not None or not self.tree.stand(handle.node):
            return False
        names = self._list_anew(handle).names
        return self.handles.released.list_by(number, found.node.id, found.node.parent, names)

    def list(self, number: int, start: int) -> Iterator[tuple[bytes, Attributes, int]]:
        """Yield (name, attributes, next start) from there on, each but the dots as one lookup more."""
        handle = self.handles[number]
        listing = self._list_anew(handle) if handle.listing is None or start == 0 else handle.listing
        found = self.tree.locate(handle.node)
        for index in range(start, len(listing.names)):
            try:
                yield listing.names[index], self._listed(found, listing, listing.names[index]), index + 1
            except (OSError, ViewError):
                continue  # it went while the listing was read

    def _listed(self, found: Located, listing: Listing, name: bytes) -> Attributes:
        if name in DOTS:
            return self.attributes(found.node.id if name == b"." else found.node.parent)
        if listing.entry is None or isinstance(found, Generated):
            return self.tree.lookup(found.node.id, name)
        return self.tree.child(listing.entry, found, name)

    def _list_anew(self, handle: Handle) -> Listing:
        listing = handle.listing or Listing([])
        if listing.entry is None and not isinstance(self.tree.locate(handle.node), Generated):
            listing.entry = self.tree.pin(handle.node)[0]
        listing.names = [*DOTS, *self.tree.names(handle.node, listing.entry)]
        handle.listing = listing
        return listing
