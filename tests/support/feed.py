"""A hub's identity feed for tests: the real protocol on a real socket, with what a test puts into it."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bowerbird_config import sockets
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform


class Feed:
    """Serves one platform and some identities to every subscriber, and each change as it is made."""

    def __init__(self, path: Path, platform: Platform) -> None:
        self.path = path
        self._platform = platform
        self._records: dict[str, IdentityRecord] = {}
        self._version = 1
        self._lock = threading.Lock()
        self._subscribers: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Serve from now on."""
        self._listener = sockets.listen(self.path)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Go away, as a hub does that is killed."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for subscriber in self._subscribers:
                with contextlib.suppress(OSError):
                    subscriber.shutdown(socket.SHUT_RDWR)

    def platform(self, platform: Platform) -> None:
        """Change the platform file."""
        self._platform = platform
        self._say(self._platform_line())

    def identity(self, record: IdentityRecord) -> None:
        """Make an identity known, or change it."""
        self._records[record.name] = record
        self._say({"kind": "identity", "record": record.to_json()})

    def forget(self, name: str) -> None:
        """Know a name no more."""
        del self._records[name]
        self._say({"kind": "forget", "name": name})

    def say(self, message: Mapping[str, Any]) -> None:
        """Say anything at all."""
        self._say(message)

    def _platform_line(self) -> dict[str, Any]:
        return {"kind": "platform", "platform": self._platform.model_dump(mode="json")}

    def _say(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            self._version += 1
            for subscriber in list(self._subscribers):
                try:
                    sockets.write_line(subscriber, {"version": self._version, **message})
                except OSError:
                    self._subscribers.remove(subscriber)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            for message in sockets.read_lines(connection):
                if message.get("op") == "subscribe":
                    self._subscribe(connection)
        with self._lock, contextlib.suppress(ValueError):
            self._subscribers.remove(connection)

    def _subscribe(self, connection: socket.socket) -> None:
        with self._lock:
            at = {"version": self._version}
            sockets.write_line(connection, at | self._platform_line())
            for record in self._records.values():
                sockets.write_line(connection, at | {"kind": "identity", "record": record.to_json()})
            sockets.write_line(connection, at | {"kind": "synced"})
            self._subscribers.append(connection)
