"""Files that could not be opened again, since they have no name any more or a mode that forbids it, kept for the next worker.

Descriptors in a datagram of a socket pair live as long as the pair does, and its ends outlive every worker. What lies there
is a queue: to look for one thing, all that lies before it is put to the end again, and is never missing meanwhile.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from bowerbird_config import sockets

from bowerbird_fuse import wire

_MOST_BYTES = 4096
# No ticket begins with it: so many are never given.
_MARK = b"|" * 8
_TICKET = struct.Struct(">Q")
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

    def inherit(self) -> dict[bytes, int]:
        """Return duplicates of all that an earlier worker laid there; they lie there still."""
        found: dict[bytes, int] = {}
        for ticket, name, fds in self._turn():
            if fds:
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

    def _turn(self) -> Iterator[tuple[int, bytes, list[int]]]:
        """Yield each thing once; it leaves its place when the next one is asked for."""
        mark = _MARK + os.urandom(8)
        self._front.send(mark, socket.MSG_DONTWAIT)
        self._lying = 0
        while True:
            with contextlib.suppress(BlockingIOError):
                name, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                try:
                    if not name.startswith(_MARK) and len(name) > _TICKET.size:
                        yield *_TICKET.unpack_from(name), name[_TICKET.size :], fds
                finally:
                    wire.close_all(fds)
                _, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_DONTWAIT)
                wire.close_all(fds)
                if name != mark:
                    continue
            return
