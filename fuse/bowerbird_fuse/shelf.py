"""Files that could not be opened again, since they have no name any more or a mode that forbids it, kept for the next worker.

Descriptors in a datagram of a socket pair live as long as the pair does, and its ends outlive every worker. What lies there
is a queue: to look for one thing, all that lies before it is put to the end again, and is never missing meanwhile.
"""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Collection, Iterator

from bowerbird_config import sockets

from bowerbird_fuse import wire

_MOST_BYTES = 4096
# No ticket begins with it: so many are never given.
_MARK = b"|" * 8
_TICKET = struct.Struct(">Q")
# What native/holdings.c locks for files that nobody can write.
LOCKS_ONLY = "/memfd:locks"
# One part in so many may be waste.
_WASTE_IN = 8


class Shelf:
    """The shelf of one mount; things lie there by name."""

    def __init__(self, front: int, back: int) -> None:
        self._front = socket.socket(fileno=front)
        self._back = socket.socket(fileno=back)
        # By name, the ticket under which it lies there: of two of one name the earlier one is only waste by now.
        self._tickets: dict[bytes, int] = {}
        self._next = 1
        self._lying = 0

    @property
    def names(self) -> set[bytes]:
        """Return the name of all that is kept."""
        return set(self._tickets)

    def __contains__(self, name: bytes) -> bool:
        return name in self._tickets

    def put(self, name: bytes, fd: int) -> None:
        """Lay a duplicate there, in the place of what had that name; OSError where it is full."""
        self.drop(name)
        self._lay(self._next, name, [fd])
        self._tickets[name] = self._next
        self._next += 1

    def drop(self, name: bytes) -> None:
        """Keep no longer what has that name; it is closed at once where few things lie there, soon where there are many."""
        if self._tickets.pop(name, None) is None or (self._lying - len(self._tickets)) * _WASTE_IN < self._lying:
            return
        for ticket, found, fds in self._turn():
            if self._tickets.get(found) == ticket:
                self._lay(ticket, found, fds)

    def inherit(self, roots: Collection[str]) -> dict[bytes, int]:
        """Return duplicates of what an earlier worker laid there, if it lies beneath these directories; it lies there still.

        That worker may have been hostile, and have laid there what this one has no right to: none of it is taken.
        """
        found: dict[bytes, int] = {}
        for ticket, name, fds in self._turn(close_elsewhere):
            if fds and _lies_beneath(fds[0], roots):
                self._lay(ticket, name, fds)
                wire.close_all([found.pop(name)] if name in found else [])
                found[name], self._tickets[name] = os.dup(fds[0]), ticket
                self._next = max(self._next, ticket + 1)
        return found

    def _lay(self, ticket: int, name: bytes, fds: list[int]) -> None:
        sockets.send_descriptors(self._front, _TICKET.pack(ticket) + name, fds)
        self._lying += 1

    def close(self) -> None:
        """Close its ends."""
        self._front.close()
        self._back.close()

    def _turn(self, close_all: Callable[[list[int]], None] = wire.close_all) -> Iterator[tuple[int, bytes, list[int]]]:
        """Yield each thing once; it leaves its place when the next one is asked for."""
        mark = _MARK + os.urandom(8)
        self._front.send(mark, socket.MSG_DONTWAIT)
        self._lying = 0
        for name, fds in self._messages(mark, close_all):
            if not name.startswith(_MARK) and len(name) > _TICKET.size:
                yield *_TICKET.unpack_from(name), name[_TICKET.size :], fds

    def _messages(self, last: bytes, close_all: Callable[[list[int]], None]) -> Iterator[tuple[bytes, list[int]]]:
        """Yield what lies there up to `last`; each is taken off when the next one is asked for."""
        name = b""
        with contextlib.suppress(BlockingIOError):
            while name != last:
                name, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                try:
                    yield name, fds
                finally:
                    close_all(fds)
                _, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_DONTWAIT)
                close_all(fds)


def _lies_beneath(fd: int, roots: Collection[str]) -> bool:
    # The kernel tells the path without asking the file system, which could be the one that we are to serve.
    path = os.readlink(f"/proc/self/fd/{fd}")
    return path.startswith((*(root.rstrip("/") + "/" for root in roots if root != "/"), LOCKS_ONLY))


def close_elsewhere(fds: list[int]) -> None:
    """Close descriptors in a thread: one of the very mount would wait for an answer that only this process gives."""
    threading.Thread(target=wire.close_all, args=(fds,), daemon=True).start()
