"""A single-user server behind a unix socket, as JupyterHub asks it for its address and its health."""

import asyncio
import os
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyterhub.objects import Server

PROBE_SECONDS = (0.02, 0.05, 0.1, 0.25)
_ANSWER_SECONDS = 10.0
_LONGEST_HEAD = 64 << 10
_SERVER_ERROR = 500


class Answer:
    """The head of a server's answer: its status, and its headers as JupyterHub reads them."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers


class _Headers(dict[str, str]):
    def get(self, name: str, default: Any = None) -> Any:
        """Return a header without regard to case."""
        return super().get(name.lower(), default)


def _parse(head: bytes) -> Answer:
    lines = head.decode("latin-1").split("\r\n")
    headers = _Headers()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Answer(int(lines[0].split(" ", 2)[1]), headers)


def connect(path: Path) -> socket.socket:
    """Return a connection to the very socket at that path, never to where a link there leads; OSError where there is none."""
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise ConnectionRefusedError(f"{path} is no socket")
        connection.setblocking(False)
        connection.connect(f"/proc/self/fd/{handle}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(handle)
    return connection


async def ask(path: Path, target: str) -> Answer | None:
    """Return the server's answer to a GET; None where it does not answer."""
    with suppress(OSError, ValueError, IndexError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(sock=connect(path), limit=_LONGEST_HEAD)
            try:
                writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                return _parse(await reader.readuntil(b"\r\n\r\n"))
            finally:
                writer.close()
    return None


class UnixServer(Server):
    """JupyterHub's record of a server, with a socket in the place of a port."""

    def at(self, url: str, path: Path) -> "UnixServer":
        """Return the same, listening at that socket."""
        self.connect_url = url
        self._path = path
        return self

    async def wait_up(
        self,
        timeout: float = 10,  # noqa: ASYNC109  JupyterHub calls it so
        http: bool = False,
        ssl_context: Any = None,
        extra_path: str = "",
    ) -> Answer:
        """Return the server's answer as soon as it gives one; TimeoutError after the time."""
        deadline = time.monotonic() + timeout
        steps = iter(PROBE_SECONDS)
        step = next(steps)
        while True:
            answer = await ask(self._path, f"{self.base_url}{extra_path}")
            if answer is not None and answer.status < _SERVER_ERROR:
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server did not answer within {timeout:.0f} s")
            await asyncio.sleep(step)
            step = next(steps, step)
