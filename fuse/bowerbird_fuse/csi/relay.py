"""The identity feed at this node's own `identity.sock`, as the keeper expects it of a hub on the same machine.

Each who subscribes is given a feed of their own from the hub, line by line, and nothing is kept but the last platform file:
a keeper that starts while the hub is away needs it. Where the hub is away the connection ends, and the keeper comes again.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from bowerbird_config import sockets
from bowerbird_config.paths import Var

from bowerbird_fuse.csi.errors import CallError
from bowerbird_fuse.records import write_whole

log = logging.getLogger(__name__)
_LONGEST_REQUEST = 1 << 12
# A keeper that does not read for so long is left; it comes again.
_SEND_SECONDS = 15.0
Feed = Callable[[], AbstractContextManager[Iterator[bytes]]]


class Relay(threading.Thread):
    """Serves the feed until `close`."""

    def __init__(self, var: Var, feed: Feed) -> None:
        """Listen from now on; `feed` opens a feed of the hub's."""
        super().__init__(name="relay", daemon=True)
        self._var = var
        self._feed = feed
        self._told = False
        self._listener = sockets.listen(var.identity_socket)

    def run(self) -> None:
        """Take subscribers."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="feed", daemon=True).start()

    def close(self) -> None:
        """Take no more; who listens goes on until this process ends."""
        self._var.identity_socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # it wakes the thread that waits
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            if sockets.peer_uid(connection) != 0:
                return
            connection.settimeout(_SEND_SECONDS)
            try:
                asked = next(sockets.read_lines(connection, _LONGEST_REQUEST), {})
                if asked.get("op") == "subscribe":
                    self._pass_on(connection)
            except (OSError, ValueError, CallError) as error:
                # A keeper asks each second; one line for each time that the hub is away is enough.
                if not self._told:
                    log.warning("the identity feed has ended: %s", error)
                self._told = True

    def _pass_on(self, connection: socket.socket) -> None:
        with self._feed() as lines:
            log.info("the hub's identity feed is passed on")
            self._told = False
            for line in lines:
                message = sockets.decode(line)
                connection.sendall(line)
                if message.get("kind") == "platform" and isinstance(message.get("platform"), dict):
                    self._write_down(message["platform"])

    def _write_down(self, platform: dict[str, object]) -> None:
        try:
            self._var.platform.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._var.platform, platform)
        except OSError as error:
            log.warning("the platform file could not be written down: %s", error)
