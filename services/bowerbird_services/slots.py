"""Slots that several processes take from one store, so that limits hold for all of them together."""

import fcntl
import hashlib
import os
from contextlib import suppress
from typing import Final

# More than any limit that a platform file may have.
_MOST: Final = 1 << 16
_NAME_BYTES: Final = 5


class Slots:
    """Each slot is a byte of a file in memory, and locked while it is taken: the kernel frees those of a process that was killed.

    A process gets the same slots by the descriptor that it inherits. Such locks belong to a process, so that each opens them once.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = os.memfd_create("bowerbird-slots") if descriptor is None else descriptor
        self._held: set[int] = set()

    def __del__(self) -> None:
        os.close(self.descriptor)

    def take(self, name: str, most: int) -> int | None:
        """Take one of the first `most` slots of that name, and return it for `free`; None where all are taken."""
        first = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=_NAME_BYTES).digest(), "big") * _MOST
        for slot in range(first, first + min(most, _MOST)):
            if slot not in self._held and self._locked(slot):
                return slot
        return None

    def _locked(self, slot: int) -> bool:
        with suppress(BlockingIOError, PermissionError):
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            self._held.add(slot)
            return True
        return False

    def free(self, slot: int) -> None:
        """Give a slot back."""
        self._held.discard(slot)
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)
