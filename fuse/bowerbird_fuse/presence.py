"""Which files of a store are open here, and in another view: a page that one of them maps to write, the others would not see.

A view says so by a reader's lock on the store's root directory, at the byte of the file's inode number: for as long as it
lives, in no file, and in nobody's way, since nobody who works with files locks that directory.
"""

import fcntl
import os
import struct

_LOCK = struct.Struct("hhqqi4x")


class Presence:
    """What one view has open of a store; `directory` is a descriptor of its root, which this closes."""

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._open: dict[int, int] = {}

    def enter(self, inode: int) -> None:
        """Say that a file is open here, once more."""
        before = self._open.get(inode, 0)
        self._open[inode] = before + 1
        if not before:
            self._set(fcntl.F_RDLCK, inode)

    def leave(self, inode: int) -> None:
        """Say that it was closed; after the last time it is open here no more."""
        left = self._open.pop(inode, 0) - 1
        if left > 0:
            self._open[inode] = left
        elif left == 0:
            self._set(fcntl.F_UNLCK, inode)

    def elsewhere(self, inode: int, unsaid: bool = True) -> bool:
        """Tell whether it is open in another view; `unsaid` where this disk does not say."""
        try:
            told = fcntl.fcntl(self._directory, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, inode, 1, 0))
        except OSError:
            return unsaid
        return bool(_LOCK.unpack(told)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Leave everything."""
        os.close(self._directory)
        self._open.clear()

    def _set(self, kind: int, inode: int) -> None:
        try:
            fcntl.fcntl(self._directory, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, inode, 1, 0))
        except OSError:
            # Nobody else can say it on this disk either, and `elsewhere` knows.
            return
