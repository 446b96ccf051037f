"""The processes of the service: the main one serves everything, and beside it a worker answers for images at the same socket.

The worker is the same program with one option more, and inherits three open files: the socket at which both accept, the slots by
which both count their places, and one end of a line. By the line the worker tells what it has counted; when the line ends, so
does the worker, whatever became of the main process. While there is no worker the main process answers alone.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from bowerbird_services.answers import Answers
from bowerbird_services.image_worker import GRACE_SECONDS, ImageWorker
from bowerbird_services.worker_line import Inherited, told

_KEEP_ALIVE_SECONDS: Final = 30
_TELL_SECONDS: Final = 1.0


class _Server(uvicorn.Server):
    """Has a worker beside it while it serves."""

    def __init__(self, app: ASGIApp, worker: ImageWorker | None = None) -> None:
        # The hub is in front of it; whoever reaches it otherwise is asked for a token all the same.
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
            headers=[("Server", "Bowerbird")],
        )
        super().__init__(config)
        self._worker = worker

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._worker:
            self._worker.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = [self._worker.end()] if self._worker else []
        await asyncio.gather(super().shutdown(sockets), *ending)


async def serve(app: ASGIApp, sockets: Sequence[socket.socket], worker: ImageWorker | None = None) -> None:
    """Serve everything until a signal ends it, and with it the worker."""
    await _Server(app, worker).serve(list(sockets))


async def serve_as_worker(
    app: ASGIApp, given: Inherited, answers: Answers, trouble: Callable[[], str | None], known: asyncio.Event
) -> None:
    """Serve as a worker until a signal or the end of the main process; `trouble` is what keeps it from answering.

    Until it is `known` who is who, the main process alone accepts.
    """
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=given.line))
    server = _Server(app)
    ending, waiting = asyncio.create_task(_end(reader, server)), asyncio.create_task(known.wait())
    tasks = (asyncio.create_task(_tell(writer, answers, trouble)), ending, waiting)
    try:
        await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await server.serve([socket.socket(fileno=given.images)])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _say(writer, answers, trouble)
        writer.close()


async def _tell(writer: asyncio.StreamWriter, answers: Answers, trouble: Callable[[], str | None]) -> None:
    while True:
        _say(writer, answers, trouble)
        await asyncio.sleep(_TELL_SECONDS)


def _say(writer: asyncio.StreamWriter, answers: Answers, trouble: Callable[[], str | None]) -> None:
    writer.write(told(answers, trouble()))


async def _end(reader: asyncio.StreamReader, server: uvicorn.Server) -> None:
    """End a server when nobody is at the other end of the line."""
    with suppress(ConnectionError):
        await reader.read()
    server.should_exit = True
