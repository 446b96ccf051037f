"""Files that could not be opened again, since they have no name any more or a mode that forbids it, kept for the next worker.

Descriptors in a datagram of a socket pair live as long as the pair does, and its ends outlive every worker. What lies there
is a queue: to look for one thing, all that lies before it is put to the end again, and is never missing meanwhile.
"""

import contextlib
import os
import socket
from collections.abc import Iterator

from bowerbird_config import sockets

from bowerbird_fuse import wire

_MOST_BYTES = 4096
_MARK = b"|"


class Shelf:
    """The shelf of one mount; things lie there by name."""

    def __init__(self, front: int, back: int) -> None:
        self._front = socket.socket(fileno=front)
        self._back = socket.socket(fileno=back)
        self.names: set[bytes] = set()

    def put(self, name: bytes, fd: int) -> None:
        """Lay a duplicate there; OSError where it is full."""
        sockets.send_descriptors(self._front, name, [fd])
        self.names.add(name)

    def drop(self, name: bytes) -> None:
        """Take away what has that name; nothing where there is none."""
        if name in self.names:
            self.names.discard(name)
            for found, fds in self._turn():
                if found != name:
                    sockets.send_descriptors(self._front, found, fds)

    def inherit(self) -> dict[bytes, int]:
        """Return duplicates of all that an earlier worker laid there; they lie there still."""
        found: dict[bytes, int] = {}
        for name, fds in self._turn():
            if name in found or not fds:
                continue
            sockets.send_descriptors(self._front, name, fds)
            found[name] = os.dup(fds[0])
        self.names = set(found)
        return found

    def close(self) -> None:
        """Close its ends."""
        self._front.close()
        self._back.close()

    def _turn(self) -> Iterator[tuple[bytes, list[int]]]:
        """Yield each thing once; it leaves its place when the next one is asked for."""
        mark = _MARK + os.urandom(8)
        self._front.send(mark, socket.MSG_DONTWAIT)
        while True:
            with contextlib.suppress(BlockingIOError):
                name, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                try:
                    if not name.startswith(_MARK):
                        yield name, fds
                finally:
                    wire.close_all(fds)
                _, fds, _ = sockets.receive_descriptors(self._back, _MOST_BYTES, 1, socket.MSG_DONTWAIT)
                wire.close_all(fds)
                if name != mark:
                    continue
            return
