"""Unix sockets below a path of any length, and the JSON lines that travel over them."""

import array
import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_LINE = 4 << 20


class LineError(ValueError):
    """What came over the socket is not a line of JSON, or is too long a one."""


@contextmanager
def _short(path: Path) -> Iterator[str]:
    # sun_path holds 107 bytes; through a descriptor of the directory only the name itself has to fit.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path, mode: int = 0o600, backlog: int = 16, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a listening socket at `path`; it has its mode before anybody can find it, and replaces a dead one.

    The caller closes the socket and removes the path.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        with _short(fresh) as address:
            listener.bind(address)
        fresh.chmod(mode)
        listener.listen(backlog)
        fresh.rename(path)
    except OSError:
        listener.close()
        fresh.unlink(missing_ok=True)
        raise
    return listener


def connect(path: Path, timeout: float | None = None, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a connection to the socket at `path`; `timeout` (seconds) holds for each later call too. OSError if nobody is there."""
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(timeout)
    try:
        with _short(path) as address:
            client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process at the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


# socket.send_fds and recv_fds leave their flags out before Python 3.12.


def send_descriptors(connection: socket.socket, data: bytes, fds: Sequence[int], flags: int = socket.MSG_DONTWAIT) -> None:
    """Send a datagram with descriptors beside it; BlockingIOError where the other end does not read."""
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    connection.sendmsg([data], beside, flags | socket.MSG_NOSIGNAL)


def receive_descriptors(connection: socket.socket, most_bytes: int, most_fds: int, flags: int = 0) -> tuple[bytes, list[int], int]:
    """Return a datagram, the descriptors beside it, which the caller closes, and the flags it came with."""
    space = socket.CMSG_LEN(most_fds * array.array("i").itemsize)
    data, beside, came_with, _ = connection.recvmsg(most_bytes, space, flags | socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in beside:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds), came_with


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the line that says that message."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message that a line says; LineError where it is not a JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"not a line of JSON: {error}") from error
    if not isinstance(message, dict):
        raise LineError("a line must be a JSON object")
    return message


def write_line(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Send one message."""
    connection.sendall(encode(message))


def read_lines(connection: socket.socket, limit: int = MAX_LINE) -> Iterator[dict[str, Any]]:
    """Yield each message until the other end closes; LineError for what is none, also for an unfinished last one."""
    held = bytearray()
    searched = 0
    while True:
        end = held.find(b"\n", searched)
        if end >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            searched = 0
            yield decode(line)
            continue
        searched = len(held)
        if searched > limit:
            raise LineError(f"a line is longer than {limit} bytes")
        chunk = connection.recv(65536)
        if not chunk:
            break
        held += chunk
    if held:
        raise LineError("the connection ended within a line")
