"""Open files and directories: from the kernel's handles to what is open, kept across a worker's restart.

A handle that an earlier worker gave is opened again at its first use.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from bowerbird_fuse import native
from bowerbird_fuse.errors import AccessDenied, StaleNode
from bowerbird_fuse.grant import WRITE_BITS, Grant
from bowerbird_fuse.journal import Journal, Line, Mark
from bowerbird_fuse.presence import Presence
from bowerbird_fuse.released import Released, TakenOpening
from bowerbird_fuse.shelf import Shelf
from bowerbird_fuse.stores.base import Entry, File

log = logging.getLogger(__name__)
# What lies on the shelf by a handle's number.
_OPEN = b"o"
# Flags that did their work at the first opening.
_ONCE = os.O_CREAT | os.O_EXCL | os.O_TRUNC


@dataclass(slots=True)
class Handle:
    """One open file or directory; `file` is None until it is opened, and for what the view itself makes.

    A `quick` one is read without Python; one with a `backing` (a number of the kernel's) by the kernel itself.
    """

    number: int
    node: int
    flags: int
    file: File | None = None
    grant: Grant | None = None
    content: bytes | None = None
    quick: bool = False
    backing: int = 0
    listing: Listing | None = None
    # Where it was said that the file is open here, and its inode number there.
    presence: Presence | None = None
    inode: int = 0

    @property
    def entry(self) -> Entry | None:
        """The file or the directory itself, whatever became of its name; None where it is not open here."""
        return self.file if self.listing is None else self.listing.entry


@dataclass(slots=True)
class Listing:
    """What one reader of a directory goes along: the names as they were at its beginning."""

    names: list[bytes]
    entry: Entry | None = None


@dataclass(slots=True)
class Handles:
    """Every handle that the kernel holds."""

    journal: Journal
    shelf: Shelf
    released: Released = field(default_factory=Released)
    _kept: dict[int, int] = field(default_factory=dict)
    _others: dict[bytes, int] = field(default_factory=dict)
    _handles: dict[int, Handle] = field(default_factory=dict)
    _by_node: dict[int, dict[int, Handle]] = field(default_factory=dict)

    def add(self, node: int, flags: int) -> Handle:
        """Return a new handle of that node."""
        handle = Handle(self.released.next_handle(), node, flags)
        self._keep(handle)
        self.journal.note(*self._line(handle))
        return handle

    def back(self, handle: Handle, backing: int) -> None:
        """Take note that the kernel reads a handle by itself."""
        handle.backing = backing
        self.journal.note(*self._line(handle))

    def restore(self, number: int, node: int, flags: int, backing: int = 0) -> None:
        """Take over a handle of an earlier worker."""
        self._keep(Handle(number, node, flags, backing=backing))
        self.released.given(number)

    def __iter__(self) -> Iterator[Handle]:
        self._take_all()
        return iter(tuple(self._handles.values()))

    def __getitem__(self, number: int) -> Handle:
        handle = self._handles.get(number)
        if handle is not None:
            return handle
        taken = self.released.take_opening(number)
        if taken is None:
            raise StaleNode(f"no handle {number}")
        return self._take(taken)

    def _take(self, taken: TakenOpening) -> Handle:
        file = taken.grant.store.adopt(taken.fd, taken.flags)
        handle = Handle(taken.handle, taken.node, taken.flags, file, taken.grant)
        self._keep(handle)
        return handle

    def is_removed(self, node: int) -> bool:
        """Tell whether that node is a directory that is open, and has no name any more."""
        entries = (handle.entry for handle in self._by_node.get(node, {}).values() if handle.listing is not None)
        return any(entry is not None and entry.stat().st_nlink == 0 for entry in entries)

    def take_over(self, node: int) -> None:
        """Take over what the companion has open of a node."""
        self._take_all(node)

    def _take_all(self, node: int = 0) -> None:
        for taken in self.released.take_openings(node):
            self._take(taken)

    def drop(self, number: int) -> Handle | None:
        """Close a handle and return it; nothing where there is none."""
        handle = self._handles.pop(number, None)
        if handle is None:
            return None
        self._unlist(handle)
        self._close(handle)
        self.journal.note(Mark.CLOSE, number)
        self.shelf.drop(_name(number))
        return handle

    def drop_inherited(self, number: int) -> None:
        """Read in the journal that a handle was closed."""
        handle = self._handles.pop(number, None)
        if handle is not None:
            self._unlist(handle)

    def _unlist(self, handle: Handle) -> None:
        self.released.closed(handle.node)
        same = self._by_node[handle.node]
        del same[handle.number]
        if not same:
            del self._by_node[handle.node]

    def of(self, node: int) -> Iterator[Handle]:
        """Yield each handle of that node."""
        self._take_all(node)
        yield from self._by_node.get(node, {}).values()

    def usable(self, number: int, now: float, reopen: Callable[[Handle], None]) -> Handle:
        """Return a handle whose file is open; AccessDenied once the right to it has ended."""
        handle = self[number]
        try:
            if handle.grant is not None and handle.grant.revoked:
                close(handle)
            if handle.file is None and handle.content is None:
                reopen(handle)
            if handle.grant is not None:
                handle.grant.check(now)
        except StaleNode as error:
            raise AccessDenied(str(error)) from error
        return handle

    def keep(self, node: int) -> None:
        """Lay the open files of that node on the shelf, before it can be opened by its name no more."""
        for handle in self.of(node):
            if handle.file is not None and _name(handle.number) not in self.shelf:
                try:
                    self.shelf.put(_name(handle.number), handle.file.descriptor)
                except OSError as error:
                    log.warning("an open file would not outlive this worker (%s)", error)

    def inherit_kept(self, roots: Collection[str]) -> None:
        """Take over the files that an earlier worker laid on the shelf, beneath these; drop those that the kernel has closed."""
        for name, fd in self.shelf.inherit(roots).items():
            if name[:1] != _OPEN:
                self._others[name] = fd
            elif (number := int(name[1:])) in self._handles:
                self._kept[number] = fd
            else:
                os.close(fd)
                self.shelf.drop(name)

    def take_others(self) -> dict[bytes, int]:
        """Return what else lay there, once; the caller closes it."""
        others, self._others = self._others, {}
        return others

    def has(self, number: int, node: int) -> bool:
        """Tell whether the kernel has that node open by that handle."""
        handle = self._handles.get(number)
        return handle is not None and handle.node == node

    def is_kept(self, number: int) -> bool:
        """Tell whether an earlier worker laid that open file on the shelf, and it was not taken from there."""
        return number in self._kept

    def take_kept(self, number: int) -> int:
        """Return the descriptor of an open file that lay on the shelf; the caller closes it."""
        return self._kept.pop(number)

    def close_revoked(self) -> None:
        """Close the files whose right has ended; their handles stay, and refuse. All are read by what holds now."""
        self._take_all()
        for handle in self._handles.values():
            slow(handle)
            if handle.grant is not None and handle.grant.revoked:
                self._close(handle)

    def _close(self, handle: Handle) -> None:
        if handle.listing is not None:
            self.released.list_no_more(handle.number)
        close(handle)

    def lines(self) -> Iterator[Line]:
        """Yield what the journal has to say of every handle."""
        return (self._line(handle) for handle in self._handles.values())

    def _line(self, handle: Handle) -> Line:
        line = (Mark.OPEN, handle.number, handle.node, handle.flags & ~_ONCE)
        return (*line, handle.backing) if handle.backing else line

    def _keep(self, handle: Handle) -> None:
        if handle.number not in self._handles:
            self.released.opened(handle.node)
        self._handles[handle.number] = handle
        self._by_node.setdefault(handle.node, {})[handle.number] = handle


def _name(number: int) -> bytes:
    return _OPEN + str(number).encode()


def close(handle: Handle) -> None:
    """Close what a handle holds open."""
    slow(handle)
    if handle.presence is not None:
        handle.presence.leave(handle.inode)
        handle.presence = None
    if handle.file is not None:
        handle.file.close()
        handle.file = None
    if handle.listing is not None and handle.listing.entry is not None:
        handle.listing.entry.close()
        handle.listing = None


def quicken(handle: Handle, view_gid: int) -> None:
    """Let an open file be read without Python from now on, where no clock says when that ends."""
    grant = handle.grant
    if handle.file is None or grant is None or grant.until is not None:
        return
    hidden = 0 if grant.writable else WRITE_BITS
    shown = view_gid if grant.shared else grant.gid
    handle.quick = True
    native.read_by(handle.number, native.Reading(handle.file.descriptor, grant.space, grant.moment_ns, grant.gid, shown, hidden))


def slow(handle: Handle) -> None:
    """Let an open file be read by Python again, so that the right to it is asked for."""
    if handle.quick:
        handle.quick = False
        native.read_no_more(handle.number)
