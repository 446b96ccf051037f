"""Work for a client that goes away is ended, and told from work that is ended for another reason."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bowerbird_services.streams import unless_gone
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message


def asking(leaves: bool) -> Request:
    async def receive() -> Message:
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


class Work:
    """Work without an end, that notes how it was ended."""

    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Event(), False

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_who_leaves_ends_the_work_and_nothing_else() -> None:
    async def leave() -> None:
        work = Work()
        with pytest.raises(ClientDisconnect):
            await unless_gone(asking(leaves=True), work())
        assert work.cancelled
        this = asyncio.current_task()
        assert this is not None
        assert not this.cancelling(), "whoever asked goes on"

    run(leave)


def test_what_is_ended_from_outside_is_nobodys_leaving() -> None:
    async def end() -> None:
        work = Work()
        asked = asyncio.ensure_future(unless_gone(asking(leaves=False), work()))
        await work.begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert work.cancelled

    run(end)


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_work_that_comes_to_its_end_is_returned_though_nobody_may_stay(seconds: float) -> None:
    async def done() -> int:
        await asyncio.sleep(seconds)
        return 7

    async def wait() -> None:
        assert await unless_gone(asking(leaves=False), done()) == 7
        with pytest.raises(ValueError, match="x"):
            await unless_gone(asking(leaves=False), failed())

    async def failed() -> None:
        raise ValueError("x")

    run(wait)
