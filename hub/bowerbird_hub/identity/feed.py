"""The feed of identity records: JSON lines over a unix socket that root alone may read, and another for the HTTP services."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bowerbird_config.sockets import encode, listen, peer_uid

MAX_LINE_BYTES = 4 << 20
MAX_REQUEST_BYTES = 64 << 10
# What may wait for a consumer that does not read; one that lets more gather is dropped and asks again from the start.
MAX_WAITING_BYTES = 64 << 20
PING_SECONDS = 5.0

Message = Mapping[str, Any]

_log = logging.getLogger("bowerbird.identity")


def line(message: Message) -> bytes:
    """Return a message as it travels; ValueError where it is longer than a consumer reads."""
    encoded = encode(message)
    if len(encoded) > MAX_LINE_BYTES:
        raise ValueError(f"a message of kind {message.get('kind')!r} has {len(encoded)} bytes, more than {MAX_LINE_BYTES}")
    return encoded


class IdentityFeed:
    """Serves what `snapshot` returns to each subscriber, then every message that is published."""

    def __init__(
        self,
        path: Path,
        snapshot: Callable[[], Iterable[Message]],
        *,
        waiting_bytes: int = MAX_WAITING_BYTES,
        readers: Iterable[int] | None = None,
        group: int | None = None,
    ) -> None:
        """Keep what to serve; `group` may come to the socket beside its owner, and `readers` are the uids that are answered."""
        self._path = path
        self._snapshot = snapshot
        self._waiting_bytes = waiting_bytes
        # Without root the platform is one person's, and its parts run as that person.
        self._readers = frozenset(readers if readers is not None else (0, os.geteuid()))
        self._group = group
        self._server: asyncio.Server | None = None
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._ping: asyncio.Task[None] | None = None

    @property
    def subscribers(self) -> int:
        """How many consumers listen."""
        return len(self._subscribers)

    async def open(self) -> None:
        """Begin to serve."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = listen(self._path)
        if self._group is not None:
            os.chown(self._path, -1, self._group)
            self._path.chmod(0o660)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST_BYTES)
        self._ping = asyncio.create_task(self._pings(), name="identity feed pings")

    async def close(self) -> None:
        """Let every consumer go and remove the socket."""
        if self._server is None or self._ping is None:
            return
        self._server.close()
        self._ping.cancel()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(self._ping, *self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)
        self._server = self._ping = None

    def publish(self, messages: Iterable[Message]) -> None:
        """Send messages to every subscriber; one that does not read them is dropped, never waited for."""
        data = b"".join(line(message) for message in messages)
        for writer in tuple(self._subscribers):
            self._send(writer, data)

    def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if writer.is_closing():
            self._subscribers.discard(writer)
            return
        writer.write(data)
        if writer.transport.get_write_buffer_size() > self._waiting_bytes:
            _log.warning("a consumer of identity records does not read them and is dropped; it may subscribe again")
            self._subscribers.discard(writer)
            writer.transport.abort()

    async def _pings(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self.publish([{"kind": "ping"}])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this as a task"  # noqa: S101 - the type says maybe, asyncio says always
        self._connections.add(task)
        try:
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid in self._readers:
                await self._requests(reader, writer)
            else:
                _log.warning("a process of uid %s asked for identity records and was refused", uid)
        except (ConnectionError, ValueError) as error:
            # ValueError is asyncio's word for a line longer than the limit, and json's for one that is not JSON.
            _log.warning("a consumer of identity records left: %s", type(error).__name__)
        except asyncio.CancelledError:
            pass  # close() ends us; a task of asyncio's server has nobody to pass this on to
        finally:
            self._connections.discard(task)
            self._subscribers.discard(writer)
            with suppress(ConnectionError):
                writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            asked = json.loads(request)
            if not isinstance(asked, dict) or asked.get("op") != "subscribe":
                self._send(writer, line({"kind": "error", "error": 'the only request here is {"op": "subscribe"}'}))
                continue
            # No await between the snapshot and the subscription: a change in between would reach nobody.
            self._send(writer, b"".join(line(message) for message in self._snapshot()))
            self._subscribers.add(writer)
