"""One event loop in a thread, for who wants an answer and no `await`."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
# How long an interrupt waits until what it stopped is cleaned up.
_CLEAN_SECONDS = 10.0
_LOOK_SECONDS = 0.2


class Loop:
    """Runs coroutines; an interrupt of who waits cancels them, and waits until they have cleaned up."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        # Held only while the thread is started.
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T], look: Callable[[], None] | None = None) -> T:
        """Return what a coroutine returns; meanwhile `look` is called again and again, in the caller's thread."""
        loop = self._running()
        done = threading.Event()

        async def watched() -> T:
            try:
                return await work
            finally:
                done.set()

        future = asyncio.run_coroutine_threadsafe(watched(), loop)
        try:
            return future.result() if look is None else _looking(future, look)
        except BaseException:  # an interrupt comes here from outside of the coroutine, which has to end with it
            if not future.done():
                future.cancel()
                done.wait(_CLEAN_SECONDS)
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # A forked process has the object, but not the thread.
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name="bowerbird", daemon=True).start()
            return self._loop


def _looking(future: "Future[T]", look: Callable[[], None]) -> T:
    while not wait([future], _LOOK_SECONDS).done:
        look()
    return future.result()


LOOP = Loop()
