"""Answers that threads read part by part while they are sent: for files, and for what is cut from them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bowerbird_services.streams import Threads, while_there
from bowerbird_services.vo.dali import Fault

# What is given to a connection at once (bytes).
_SLICE: Final = 1 << 20

_log = logging.getLogger("bowerbird.services")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a reader is waited for (seconds): for each megabyte, and for all of the answer."""

    slice: float
    whole: float | None = None


class PartAnswer(Response):
    """Sends `parts`, each when a thread has read it; a client that goes away or takes too long ends it, and so does a Fault.

    `ended` is called once no thread reads any more, so that it may close what they read.
    """

    def __init__(
        self, threads: Threads, parts: Iterator[Sequence[Any]], headers: dict[str, str], patience: Patience, ended: Callable[[], None]
    ) -> None:
        super().__init__(None, HTTPStatus.PARTIAL_CONTENT if "Content-Range" in headers else HTTPStatus.OK, headers=headers)
        self._threads, self._parts, self._patience, self._ended = threads, parts, patience, ended

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or stop. The length was told already: an answer that ends before is known to be none."""
        try:
            async with asyncio.timeout(self._patience.whole):
                await while_there(receive, self._send(send))
        except Fault as fault:
            _log.warning("a product was not sent to its end: %s", fault)
        except TimeoutError:
            _log.info("a product was not sent to its end: its reader took too long")
        finally:
            self._ended()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while (parts := await self._threads.back(next, self._parts, None)) is not None:
            for part in parts:
                whole = memoryview(part).cast("B")
                for begin in range(0, len(whole), _SLICE):
                    async with asyncio.timeout(self._patience.slice):
                        await send({"type": "http.response.body", "body": bytes(whole[begin : begin + _SLICE]), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
