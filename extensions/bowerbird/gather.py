"""Many pieces of a file in one call to the kernel: it copies them out of a mapping that this process itself never touches.

A piece of an image is a short range of bytes in each of its rows, and a read for each of them costs more than the
bytes. Whoever touches a mapping of a file that shrinks meanwhile is killed. But the kernel copies from one process to
another, and from a process to itself, without that danger: what is not there any more ends the copy early.
"""

import ctypes
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

# So many pieces the kernel takes at once (IOV_MAX of Linux).
_AT_ONCE = 1024
_PIECE = np.dtype([("start", np.uint64), ("length", np.uint64)])


def _kernels_copy() -> Callable[..., int] | None:
    """Return `process_vm_readv` of the C library, where it has one."""
    with suppress(OSError, AttributeError):
        found: Any = ctypes.CDLL(None).process_vm_readv
        found.restype = ctypes.c_ssize_t
        found.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
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

    def copy(self, starts: Any, length: int, destination: memoryview) -> bool:
        """Copy pieces of one length that begin at `starts`, one after the other; return whether all of it was there.

        Where it was not, `destination` holds nothing to go by.
        """
        if self._map is None or _copy is None or int(starts[-1]) + length > len(self._map):
            return False
        pieces = np.empty(len(starts), dtype=_PIECE)
        np.add(starts, self._address, out=pieces["start"], casting="unsafe")
        pieces["length"] = length
        whole = np.frombuffer(destination, dtype=np.uint8)
        to, wanted = np.array([(whole.ctypes.data, 0)], dtype=_PIECE), length * _AT_ONCE
        for first in range(0, len(pieces), _AT_ONCE):
            some = pieces[first : first + _AT_ONCE]
            wanted = length * len(some)
            to["length"] = wanted
            if _copy(os.getpid(), to.ctypes.data, 1, some.ctypes.data, len(some), 0) != wanted:
                return False
            to["start"] += np.uint64(wanted)
        return True
