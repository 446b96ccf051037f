"""What outlives a worker beside its device: the journal, the page of intents, the shelf of files that have no way back."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from bowerbird_fuse import journal, wire

# Room for some ten thousand descriptors on the shelf.
_SHELF_BYTES = 32 << 20
_SO_SNDBUFFORCE = 32
INTENTS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Remains:
    """The descriptors, which who has them closes; `front` and `back` are the two ends of the shelf."""

    journal: int
    intents: int
    front: int
    back: int

    @classmethod
    def make(cls, name: str) -> "Remains":
        """Return empty ones for a new mount."""
        return cls.of([journal.open_journal(name)])

    @classmethod
    def of(cls, fds: Sequence[int]) -> "Remains":
        """Return those that an earlier keeper left, in this order; what it did not know of yet is made."""
        if len(fds) >= 4:  # noqa: PLR2004  all of them
            return cls(*fds[:4])
        wire.close_all(fds[1:])
        intents = os.memfd_create("bowerbird intents", os.MFD_CLOEXEC)
        os.ftruncate(intents, INTENTS_BYTES)
        front, back = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        front.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SHELF_BYTES)
        return cls(fds[0], intents, front.detach(), back.detach())

    @property
    def fds(self) -> tuple[int, ...]:
        """All of them, in the order that `of` takes."""
        return self.journal, self.intents, self.front, self.back

    def forget(self) -> "Remains":
        """Return what a new mount in the place of this one begins with, and close the old."""
        os.ftruncate(self.journal, 0)
        wire.close_all(self.fds[1:])
        return Remains.of([self.journal])

    def close(self) -> None:
        """Close them."""
        wire.close_all(self.fds)
