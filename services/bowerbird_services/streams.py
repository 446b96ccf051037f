"""An answer as a stream of bytes: computed and written in threads, never on the loop, and ended as soon as nobody reads it."""

import asyncio
import logging
import threading
import zlib
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import pyarrow as pa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bowerbird_services.engine import Answer, Interrupted, QueryFault
from bowerbird_services.formats import Description, Format, Writer

T = TypeVar("T")
_log = logging.getLogger("bowerbird.services")
_NOTHING = object()
# Chunks below this are gathered: a small one costs a round through the loop like a large one.
LEAST_CHUNK = 64 << 10
# Whoever waits for this long is looked after: until then it is not noticed that they have gone.
_PATIENT_SECONDS = 0.05


class Outflow:
    """The bytes of one answer, as an iterator for a thread. `overflow`, `rows` and `error` tell how it went.

    With `overflow` the answer says that it was cut off whatever comes.
    """

    def __init__(
        self,
        open_answer: Callable[[], Answer],
        form: Format,
        describe: Callable[[Answer], Description],
        limit: int,
        *,
        overflow: bool = False,
    ) -> None:
        self._open = open_answer
        self._form = form
        self._describe = describe
        self._limit = limit
        self._answer: Answer | None = None
        self._lock = threading.Lock()
        self._stopped: str | None = None
        self.rows = 0
        self.overflow = overflow
        # Whether to begin it takes less time than to wake a thread for it, so that the loop does.
        self.is_light = False
        self.error: str | None = None

    def stop(self, why: str) -> None:
        """End the query soon; whoever reads on is told why."""
        with self._lock:
            self._stopped = self._stopped or why
            answer = self._answer
        if answer is not None:
            answer.interrupt()

    @property
    def stopped(self) -> str | None:
        """Why it was stopped, or None."""
        return self._stopped

    def chunks(self) -> Iterator[bytes]:
        """Yield the answer; what goes wrong before the first rows is raised, after it the format says it where it can."""
        self._refuse_if_stopped()
        with self._open() as answer:
            with self._lock:
                self._answer = answer
            try:
                yield from self._written(answer)
            except Interrupted as error:
                raise Interrupted(self._stopped or str(error)) from error
            finally:
                with self._lock:
                    self._answer = None  # what comes too late must not stop another's query

    def _refuse_if_stopped(self) -> None:
        if self._stopped is not None:
            raise Interrupted(self._stopped)

    def _written(self, answer: Answer) -> Iterator[bytes]:
        self._refuse_if_stopped()
        batches = answer.batches()
        first = next(batches, None)
        writer = self._form.writer(self._describe(answer))
        yield writer.start()
        try:
            yield from self._rows(writer, first, batches)
        except QueryFault as error:
            self.error = self._stopped or str(error)
            end = writer.failed(self.error)
            if end is None:
                raise
            yield end
            return
        yield from writer.end(self.overflow)

    def _rows(self, writer: Writer, first: pa.RecordBatch | None, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
        batch = first
        while batch is not None:
            room = self._limit - self.rows
            if batch.num_rows > room:
                self.overflow = True
                batch = batch.slice(0, room)
            self.rows += batch.num_rows
            if batch.num_rows:
                yield writer.rows(batch)
            if self.overflow:
                return
            self._refuse_if_stopped()
            batch = next(batches, None)


def gathered(chunks: Iterator[bytes], least: int = LEAST_CHUNK) -> Generator[bytes, None, None]:
    """Yield the same bytes in fewer pieces; one that is smaller than `least` is the last."""
    held, size = [], 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= least:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes as one gzip member."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()


class Threads:
    """The threads that compute; one flow is read by one thread at a time."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="query")
        self._ending: set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what the work returns, in a thread."""
        return await self.start(work, *arguments)

    def start(self, work: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        """Have a thread do the work, and return what will tell of its end."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def back(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what the work returns; who is cancelled goes on when the thread has come back, and may close what it read."""
        running = asyncio.ensure_future(self.run(work, *arguments))
        try:
            return await asyncio.shield(running)
        finally:
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})

    async def first(self, flow: Outflow, chunks: Iterator[bytes]) -> bytes:
        """Return the first bytes; being cancelled stops the query."""
        step = asyncio.get_running_loop().run_in_executor(self._pool, next, chunks, b"")
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            self.let_go(flow, chunks, step)
            raise

    def let_go(self, flow: Outflow, chunks: Iterator[bytes], step: asyncio.Future[Any] | None) -> None:
        """Stop the query and close it, once the thread that reads it has come back; nobody waits for that."""
        flow.stop("nobody waits for the answer any more")

        async def end() -> None:
            if step is not None:
                with suppress(BaseException):
                    await step
            with suppress(QueryFault):
                await self.run(chunks.close)  # type: ignore[attr-defined]  # generators, all of them

        ending = asyncio.ensure_future(end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Wait for what is being ended, and let the threads go."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)


class FlowResponse(Response):
    """Sends an answer whose first bytes are there already; a client that goes away ends the query."""

    def __init__(  # all of one answer
        self,
        threads: Threads,
        flow: Outflow,
        first: bytes,
        chunks: Iterator[bytes],
        headers: Mapping[str, str],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(None, headers=dict(headers))
        del self.headers["content-length"]
        self._threads, self._flow, self._first, self._chunks, self._ended = threads, flow, first, chunks, ended
        self._step: asyncio.Future[Any] | None = None
        self._sent = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or stop."""
        try:
            await while_there(receive, self._send(send))
        finally:
            self._ended()
            if not self._sent:
                self._threads.let_go(self._flow, self._chunks, self._step)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunk: Any = self._first
        while chunk is not _NOTHING:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._step = asyncio.ensure_future(self._threads.run(next, self._chunks, _NOTHING))
            chunk = await asyncio.shield(self._step)
        await send({"type": "http.response.body", "body": b""})
        self._sent = True


async def gone(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and stop it when the client has gone away; returns when it has come to an end."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, leaving):
            task.cancel()
        outcome, _ = await asyncio.gather(working, leaving, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; ClientDisconnect, and the work cancelled, where the client does not wait for it."""
    working = asyncio.current_task()
    assert working is not None  # noqa: S101  for the reader of types
    watch, before = _Watch(request, working), working.cancelling()
    # Most work is done before anybody has the time to leave.
    timer = asyncio.get_running_loop().call_later(_PATIENT_SECONDS, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.has_cancelled or working.uncancel() > before:
            raise
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        watch.end()


class _Watch:
    """Cancels a task when the client has gone away for whom it works."""

    def __init__(self, request: Request, working: "asyncio.Task[Any]") -> None:
        self._request = request
        self._working = working
        self._watching: asyncio.Task[None] | None = None
        self.has_cancelled = False

    def begin(self) -> None:
        """Look after the client from now on."""
        self._watching = asyncio.ensure_future(self._watch())

    def end(self) -> None:
        """Leave the task alone: its work is done."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        await gone(self._request.receive)
        self.has_cancelled = True
        self._working.cancel()
