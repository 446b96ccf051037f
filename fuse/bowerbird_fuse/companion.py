"""What the native companion hands over: requests that pyfuse3 has no handlers for, answered as those of `operations`."""

import logging
import os
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from bowerbird_fuse import native
from bowerbird_fuse.operations import ViewOperations, code_of

log = logging.getLogger(__name__)

# In the order of native/native.h.
_FIGURES = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax")
# A longer copy is done in parts, so that others get their turn.
_MOST_COPIED = 8 << 20
# What lies on the shelf for a lock: kind, node, owner and handle.
_LOCK = struct.Struct("<cI3Q")
_LETTER = b"l"


class Companion:
    """The calls of one session."""

    def __init__(self, operations: ViewOperations) -> None:
        self.operations = operations
        self.files = operations.files
        handlers: tuple[Callable[..., int], ...] = (
            self.figures,
            self.allocate,
            self.seek,
            self.copy,
            self.descriptor,
            self.unsound,
            self.shelve,
            self.unshelve,
        )
        handlers += (self.stand, self.list)
        kinds = dict(native.Calls._fields_)
        self.calls = native.Calls(*(kinds[handler.__name__](partial(self._guarded, handler)) for handler in handlers))

    def _guarded(self, handler: Callable[..., int], *arguments: Any) -> int:
        """Answer as the edge does: a negated errno for an error, and the journal before the answer."""
        try:
            answer = handler(*arguments)
            self.operations.write_down()
        except Exception as error:  # the last wall: any bug must cost one request and never the mount
            code = code_of(error, handler.__name__, arguments)
            self.operations.intents.end(code)
            return -code
        return answer

    def figures(self, node: int, answer: Any) -> int:
        """Fill in the figures of the file system, as far as this node may use it."""
        found = self.files.statvfs(node)
        for index, name in enumerate(_FIGURES):
            answer[index] = getattr(found, name)
        return 0

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> int:
        """Give an open file room, or take it; the modes are those of fallocate(2)."""
        self.files.allocate(handle, mode, offset, length)
        return 0

    def seek(self, handle: int, offset: int, whence: int) -> int:
        """Return where the next data or the next hole of an open file begins."""
        return self.files.seek(handle, offset, whence)

    def copy(self, handle: int, offset: int, to: int, to_offset: int, length: int) -> int:
        """Copy from one open file to another; return how much was copied."""
        return self.files.copy((handle, offset), (to, to_offset), min(length, _MOST_COPIED))

    def descriptor(self, handle: int) -> int:
        """Return by which descriptor the file of a handle is locked."""
        found = self.files.lockable(handle)
        return native.PRIVATE if found is None else found

    def unsound(self, handle: int) -> int:
        """Say that locks on the disk of that file exclude nobody."""
        log.error("locks on the disk of %s keep nobody out: they are refused there", self.files.place(handle))
        return 0

    def shelve(self, *numbers: int) -> int:
        """Keep what holds a lock for the next worker: its descriptor, under kind, node, owner and handle."""
        *name, fd = numbers
        self.files.handles.shelf.put(_LOCK.pack(_LETTER, *name), fd)
        return 0

    def unshelve(self, *name: int) -> int:
        """Keep it no longer."""
        self.files.handles.shelf.drop(_LOCK.pack(_LETTER, *name))
        return 0

    def stand(self, node: int) -> int:
        """Stand in a directory."""
        return 0 if self.files.tree.stand(node) else -1

    def list(self, handle: int) -> int:
        """Begin to list a directory; 1 where that is Python's."""
        return 0 if self.files.list_quickly(handle) else 1

    def take_locks(self) -> None:
        """Hold on to what an earlier worker had locked, as far as the kernel still has it open."""
        handles = self.files.handles
        for name, fd in handles.take_others().items():
            letter, *numbers = _LOCK.unpack(name) if len(name) == _LOCK.size else (b"", 0, 0, 0, 0)
            if letter == _LETTER and handles.has(numbers[3], numbers[1]):
                native.take_lock(numbers, fd)
            else:
                os.close(fd)
                handles.shelf.drop(name)
