"""Memory in which one cutout after another is made, and into which the kernel copies as into a file."""

import mmap
import os
from dataclasses import dataclass
from typing import Self

_FIRST_BYTES = 1 << 20
MOST_KEPT = 1 << 26


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes to be filled; where there is a descriptor, they are those of a file in memory from an offset on."""

    view: memoryview
    descriptor: int | None = None
    offset: int = 0

    @classmethod
    def of(cls, length: int) -> Self:
        """Return a room of its own."""
        return cls(memoryview(bytearray(length)))

    def part(self, length: int) -> Self:
        """Return its first bytes."""
        return type(self)(self.view[:length], self.descriptor, self.offset)


class Scratch:
    """Rooms for one thread, which `clear` takes back for the next cutout; `close` gives the memory back.

    What a large cutout needed beyond `most_kept` bytes is given back after it.
    """

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._descriptor: int | None = None
        self._view = memoryview(b"")
        self._used = 0

    def room(self, length: int) -> Room:
        """Return a room, of whatever bytes were there before."""
        if self._used + length > len(self._view):
            # Rooms that were given before keep their memory.
            self._make(max(length, 2 * len(self._view), _FIRST_BYTES))
        first, self._used = self._used, self._used + length
        return Room(self._view[first : self._used], self._descriptor, first)

    def _make(self, length: int) -> None:
        self.close()
        self._descriptor = os.memfd_create("cutouts", os.MFD_CLOEXEC)
        os.truncate(self._descriptor, length)
        self._view = memoryview(mmap.mmap(self._descriptor, length))

    def clear(self) -> None:
        """Take all rooms back."""
        self._used = 0
        if len(self._view) > self._most_kept:
            self.close()

    def close(self) -> None:
        """Give the memory back, when nobody looks at a room of it any more."""
        self._view, self._used = memoryview(b""), 0
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
