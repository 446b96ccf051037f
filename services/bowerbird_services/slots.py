"""Slots that several processes take from one store, so that limits hold for all of them together."""

import fcntl
import hashlib
import os
import struct
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

# More than any limit that a platform file may have. The first byte of each name is the claim, and the slots follow.
_MOST: Final = 1 << 16
_NAME_BYTES: Final = 5
# What the kernel is asked for a lock by, fcntl(2): type, whence, start, length, process.
_FLOCK: Final = struct.Struct("hhqqi0q")


class Slots:
    """Each slot is a byte of a file in memory, and locked while it is taken: the kernel frees those of a process that was killed.

    A process gets the same slots by the descriptor that it inherits. Such locks belong to a process, so that each opens them once.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = os.memfd_create("bowerbird-slots") if descriptor is None else descriptor
        self._held: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give all slots of this process back, and take none any more."""
        os.close(self.descriptor)

    def take(self, name: str, most: int) -> int | None:
        """Take one of the first `most` slots of that name, and return it for `free`.

        None where all are taken, or another process has claimed the next.
        """
        claim = _claim_of(name)
        if self._is_locked_elsewhere(claim):
            return None
        first = claim + 1
        for slot in range(first, first + min(most, _MOST - 1)):
            if slot not in self._held and self._locked(slot):
                return slot
        return None

    def claim(self, name: str) -> int | None:
        """Let no other process take a slot of that name before this has set the returned one free; None where another has claimed it."""
        claim = _claim_of(name)
        return claim if self._locked(claim) else None

    def _locked(self, slot: int) -> bool:
        with suppress(BlockingIOError, PermissionError):
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            self._held.add(slot)
            return True
        return False

    def _is_locked_elsewhere(self, slot: int) -> bool:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
        found: int = _FLOCK.unpack(fcntl.fcntl(self.descriptor, fcntl.F_GETLK, asked))[0]
        return found != fcntl.F_UNLCK

    def free(self, slot: int) -> None:
        """Give a slot or a claim back."""
        self._held.discard(slot)
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)


def _claim_of(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=_NAME_BYTES).digest(), "big") * _MOST
