"""What the holder keeps for a keeper: put there, asked back by the next keeper, and put anew where the holder was lost.

The keeper never waits long for a holder: one that hangs is left alone for a while, and the keeper works on without.
"""

import contextlib
import logging
import select
import socket
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from bowerbird_config import sockets

from bowerbird_fuse import wire
from bowerbird_fuse.holder import MOST_BYTES, MOST_FDS

log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 1.0
_BACK_OFF_SECONDS = 1.0
_LONGEST_BACK_OFF_SECONDS = 30.0


class Held:
    """One keeper's side of the holder; the descriptors stay its own too, and stay open until `drop`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._items: dict[str, tuple[int, ...]] = {}
        self._connection: socket.socket | None = None
        self._next_try = 0.0
        self._back_off = _BACK_OFF_SECONDS
        self._told = False

    def put(self, name: str, fds: Sequence[int]) -> None:
        """Have these descriptors kept under that name, in the place of others of that name."""
        self._items[name] = tuple(fds)
        if self._connection is None:
            self._connect()
        else:
            self._say(b"+", name, fds)

    def drop(self, name: str) -> None:
        """Have what has that name kept no longer."""
        self._items.pop(name, None)
        if self._connection is not None or self._connect():
            self._say(b"-", name)

    def take(self, name: str) -> list[int]:
        """Return duplicates of what is kept under that name; empty where nothing is, or nobody keeps it."""
        _, fds = self._ask(b"=", name)
        return fds

    def names(self) -> list[str]:
        """Return every name."""
        data, fds = self._ask(b"?", "")
        wire.close_all(fds)
        return [name.decode() for name in data[1:].split(b"\0") if name]

    def keep_only(self, names: Collection[str]) -> None:
        """Have nothing kept but what has these names."""
        for name in set(self.names()) - set(names):
            self.drop(name)

    def tend(self, others: Collection[str]) -> None:
        """Notice a holder that was lost, and give the next one everything; `others` are names that may be there too."""
        if self._connection is not None and _hung_up(self._connection):
            self._lose("it is gone")
        if self._connection is None and self._connect():
            self.keep_only({*self._items, *others})

    def close(self) -> None:
        """Let go of the holder; what it keeps stays there."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> bool:
        if time.monotonic() < self._next_try:
            return False
        try:
            self._connection = sockets.connect(self._path, _PATIENCE_SECONDS, socket.SOCK_SEQPACKET)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
            # It must answer: one that hangs would take what it is given, and never give it back.
            self._exchange(b"=")
        except (OSError, EOFError) as error:
            self._lose(str(error) or type(error).__name__)
            return False
        self._back_off, self._told = _BACK_OFF_SECONDS, False
        for name, fds in self._items.items():
            self._say(b"+", name, fds)
        return self._connection is not None

    def _lose(self, why: str) -> None:
        self.close()
        self._next_try = time.monotonic() + self._back_off
        self._back_off = min(self._back_off * 2, _LONGEST_BACK_OFF_SECONDS)
        if not self._told:
            self._told = True
            log.warning("the holder does not answer (%s): should the keeper and its workers die now, open files are lost", why)

    def _say(self, order: bytes, name: str, fds: Sequence[int] = ()) -> None:
        if self._connection is None:
            return
        try:
            sockets.send_descriptors(self._connection, order + name.encode(), fds)
        except OSError as error:
            self._lose(str(error))

    def _ask(self, order: bytes, name: str) -> tuple[bytes, list[int]]:
        if self._connection is None and not self._connect():
            return b"", []
        try:
            return self._exchange(order + name.encode())
        except (OSError, EOFError) as error:
            self._lose(str(error) or type(error).__name__)
            return b"", []

    def _exchange(self, request: bytes) -> tuple[bytes, list[int]]:
        if self._connection is None:
            raise EOFError("no holder")
        self._connection.sendall(request)
        data, fds, _ = sockets.receive_descriptors(self._connection, MOST_BYTES, MOST_FDS)
        if data[:1] != request[:1]:
            wire.close_all(fds)
            raise EOFError("it hung up")
        return data, fds


def _hung_up(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    with contextlib.suppress(OSError):
        return bool(poll.poll(0))
    return True
