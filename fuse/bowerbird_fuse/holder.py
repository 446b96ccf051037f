"""The holder: keeps descriptors by name for a keeper that may die, hands them out again, and does nothing else.

So little that it never needs an upgrade, and so never ends while a mount lives. A datagram is a letter and a name:
`+` keeps the descriptors beside it, `-` lets go of them, `=` asks for them back, `?` asks for all names.
"""

import argparse
import contextlib
import os
import select
import socket
from pathlib import Path

from bowerbird_config import sockets

from bowerbird_fuse import privileges

MOST_FDS, MOST_BYTES = 8, 1 << 20
_SPARED_BY_OOM = b"-900"


class Holder:
    """What is held, and who is listened to: root alone."""

    def __init__(self, path: Path) -> None:
        self.held: dict[bytes, list[int]] = {}
        self._listener = sockets.listen(path, kind=socket.SOCK_SEQPACKET)
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._clients: dict[int, socket.socket] = {}

    def turn(self) -> None:
        """Wait for something to do, and do it."""
        for fd, _ in self._poll.poll():
            client = self._clients.get(fd)
            if client is None:
                self._accept()
                continue
            try:
                self._serve(client)
            except (OSError, EOFError):  # whoever hangs up, or does not read its answers, is heard no more
                self._poll.unregister(client)
                self._clients.pop(fd).close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            if sockets.peer_uid(client) == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
                self._clients[client.fileno()] = client
                self._poll.register(client, select.POLLIN)
            else:
                client.close()

    def _serve(self, client: socket.socket) -> None:
        data, fds, _ = sockets.receive_descriptors(client, MOST_BYTES, MOST_FDS)
        order, name = data[:1], data[1:]
        beside = fds
        if order == b"+":
            self.held[name], beside = fds, self.held.get(name, [])
        elif order == b"-":
            beside = [*fds, *self.held.pop(name, [])]
        for fd in beside:
            os.close(fd)
        if order == b"=":
            sockets.send_descriptors(client, data, self.held.get(name, []))
        elif order == b"?":
            sockets.send_descriptors(client, order + b"\0".join(self.held), [])
        elif order not in {b"+", b"-"}:
            raise EOFError


def main() -> None:
    """Hold until SIGTERM."""
    parser = argparse.ArgumentParser(description="Keeps the descriptors of mounts. It is never restarted while a mount lives.")
    parser.add_argument("--socket", type=Path, required=True, help="where it listens")
    path: Path = parser.parse_args().socket
    if os.geteuid() != 0:
        raise SystemExit("the holder keeps what only root may have: start it as root")
    privileges.raise_open_files()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_SPARED_BY_OOM)
    holder = Holder(path)
    while True:
        holder.turn()


if __name__ == "__main__":
    main()
