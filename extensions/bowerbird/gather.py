"""Many pieces of a file in one call to the kernel: it copies them out of a mapping that this process itself never touches.

A piece of an image is a short range of bytes in each of its rows, and a read for each of them costs more than the
bytes. Whoever touches a mapping of a file that shrinks meanwhile is killed. But the kernel writes from a mapping into a
file, and a file in memory is one, without that danger: what is not there any more ends the copy early.
"""

import ctypes
import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from bowerbird.scratch import Room

# So many pieces the kernel takes at once (IOV_MAX of Linux).
_AT_ONCE = 1024
_PIECE = np.dtype([("start", np.uint64), ("length", np.uint64)])


def _kernels_copy() -> Callable[..., int] | None:
    """Return `pwritev` of the C library, which takes addresses."""
    with suppress(OSError, AttributeError):
        found: Any = ctypes.CDLL(None).pwritev
        found.restype = ctypes.c_ssize_t
        found.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]
        return found  # type: ignore[no-any-return]  # a function of the C library
    return None


_copy = _kernels_copy()


class Mapping:
    """An open file, mapped; `close` lets go of it. Where a mapping or the copy is not to be had, nothing is copied."""

    def __init__(self, descriptor: int) -> None:
        self._map: mmap.mmap | None = None
        self._address = 0
        # Without a size or on a file system that maps none.
        with suppress(OSError, ValueError):
            self._map = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            self._map.madvise(mmap.MADV_RANDOM)
            self._address = int(np.frombuffer(self._map, dtype=np.uint8).ctypes.data)

    def close(self) -> None:
        """Give the mapping back."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def copy(self, starts: Any, length: int, room: Room) -> bool:
        """Copy pieces of one length that begin at `starts`, one after the other; return whether all of it was there.

        Where it was not, or the room has no descriptor, the room holds nothing to go by.
        """
        if self._map is None or _copy is None or room.descriptor is None or int(starts[-1]) + length > len(self._map):
            return False
        pieces = np.empty(len(starts), dtype=_PIECE)
        np.add(starts, self._address, out=pieces["start"], casting="unsafe")
        pieces["length"] = length
        begin, offset = pieces.ctypes.data, room.offset
        for first in range(0, len(pieces), _AT_ONCE):
            count = min(_AT_ONCE, len(pieces) - first)
            if _copy(room.descriptor, begin + first * _PIECE.itemsize, count, offset) != length * count:
                return False
            offset += length * count
        return True
