"""The directories of the releases for the HTTP services, as descriptors: beneath them the services open what their own user may.

Releases lie where root alone comes; whoever has a directory's descriptor needs none of the way to it. Nothing is opened
here but the directories that the platform file names.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bowerbird_config.access import Action, ReleaseRef, decide
from bowerbird_config.identity import SERVICES
from bowerbird_config.platform import Platform
from bowerbird_config.sockets import LineError, decode, listen, peer_uid, send_descriptors
from bowerbird_config.table_order import release_directory

_REQUEST_BYTES = 4096
_SECONDS = 5.0

_log = logging.getLogger("bowerbird.releases")


class ReleaseDoor:
    """Answers `{"collection": ..., "release": ...}` with a descriptor, or with none where there is no such directory."""

    def __init__(self, path: Path, platform: Callable[[], Platform], releases: Path, *, readers: Iterable[int], group: int | None) -> None:
        """Keep what to serve; `group` may come to the socket beside its owner, and `readers` are the uids that are answered."""
        self._path = path
        self._platform = platform
        self._releases = releases
        self._readers = frozenset(readers)
        self._group = group
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Begin to serve, in threads: a directory of a disk that hangs keeps nobody else waiting."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._listener = listen(self._path, kind=socket.SOCK_SEQPACKET)
        if self._group is not None:
            os.chown(self._path, -1, self._group)
            self._path.chmod(0o660)
        threading.Thread(target=self._serve, args=(self._listener,), name="directories of releases", daemon=True).start()

    def close(self) -> None:
        """End and remove the socket."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # it wakes the thread that waits
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), name="directory of a release", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_SECONDS)
            uid = peer_uid(connection)
            if uid not in self._readers:
                _log.warning("a process of uid %s asked for the directory of a release and was refused", uid)
                return
            with suppress(OSError, LineError):
                directory = self._directory(decode(connection.recv(_REQUEST_BYTES)))
                try:
                    send_descriptors(connection, b"directory", [directory])
                finally:
                    os.close(directory)

    def _directory(self, asked: dict[str, object]) -> int:
        platform, ref = self._platform(), ReleaseRef(str(asked.get("collection")), str(asked.get("release")))
        place = release_directory(platform, self._releases, ref.collection, ref.release)
        if place is None or not decide(platform, SERVICES, Action.READ, ref, datetime.now(UTC)).allowed:
            raise FileNotFoundError
        return os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
