"""A port of this machine that leads into the cluster, as `kubectl port-forward` does, and finds its pod anew for each connection."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx

_HERE = "127.0.0.1"
_READ_BYTES = 1 << 16
_SECONDS = 10
_ASK_SECONDS = 2


@contextmanager
def forwarded(port: int, target: Callable[[], tuple[str, int]]) -> Iterator[None]:
    """Pass what comes to a port of this machine on to wherever TARGET says at that moment."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(_Passing(target).serve, _HERE, port), loop).result(_SECONDS)
        yield
        loop.call_soon_threadsafe(server.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS)
        loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Passing:
    """Passes connections on; one that leads nowhere is closed, as by a machine that is off."""

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        # Where the proxy was last: nobody tells while there is no API server.
        self._last: tuple[str, int] | None = None
        # A stream does not hold the task that reads it, and nobody else does: it would go in the middle of a connection.
        self._serving: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(task := asyncio.current_task())
        try:
            with suppress(OSError, LookupError, httpx.HTTPError):
                await self._pass(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = await self._where()
        far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), _SECONDS)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()

    async def _where(self) -> tuple[str, int]:
        try:
            self._last = await asyncio.wait_for(asyncio.to_thread(self._target), _ASK_SECONDS)
        except (TimeoutError, httpx.TransportError):
            if self._last is None:
                raise
        return self._last


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while block := await source.read(_READ_BYTES):
        sink.write(block)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
