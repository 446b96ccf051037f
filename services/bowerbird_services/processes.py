"""The processes of the service: the main one serves everything, and beside it a worker answers for images at the same socket.

The worker is the same program with one option more, and inherits three open files: the socket at which both accept, the slots by
which both count their places, and one end of a line. By the line the worker tells what it has counted; when the line ends, so
does the worker, whatever became of the main process. While there is no worker the main process answers alone.
"""

import asyncio
import json
import logging
import os
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import uvicorn
from starlette.types import ASGIApp

from bowerbird_services.answers import Answers
from bowerbird_services.slots import Slots

_OPTION: Final = "--worker"
_KEEP_ALIVE_SECONDS: Final = 30
_GRACE_SECONDS: Final = 5
_TELL_SECONDS: Final = 1.0
# A worker that tells nothing for so long hangs; on a machine that is busy its start takes a while.
_SILENCE_SECONDS: Final = 15.0
_START_SECONDS: Final = 300.0
_AGAIN_SECONDS: Final = 0.5
_MOST_AGAIN_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")

_log = logging.getLogger("bowerbird.services.processes")


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from the main process: its open files, by number."""

    images: int
    slots: int
    line: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what an argument names."""
        return cls(*map(int, text.split(",")))

    def arguments(self) -> tuple[str, str]:
        """Return what a worker is started with beside the arguments of the main process."""
        return _OPTION, f"{self.images},{self.slots},{self.line}"


def add_option(parser: ArgumentParser) -> None:
    """Let a program be started as a worker; `worker` is then what it inherits."""
    parser.add_argument(_OPTION, type=Inherited.parse, help="start as a worker of another such process, which gives these open files")


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 is any that is free."""
    # TCP by name: without it asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)[0]
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(address)
    found.listen()
    found.setblocking(False)
    return found


def cores() -> int:
    """Return how many cores this process may use at once, by its affinity and the limit of its container."""
    bound = len(os.sched_getaffinity(0))
    try:
        quota, period = _LIMIT.read_text(encoding="ascii").split()
        return min(bound, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # there is no limit, or none that can be seen
        return bound


class ImageWorker:
    """Keeps a worker running, and another when that has ended."""

    def __init__(self, images: socket.socket, slots: Slots, answers: Answers) -> None:
        """Begin with none; `images` is where it accepts, and `answers` take up what it counts."""
        self._images = images.dup()  # the server closes its own
        self._slots = slots
        self._answers = answers
        self._keeping: asyncio.Task[None] | None = None
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Return what is wrong with it; None where nothing is known of that."""
        return self._trouble

    def start(self) -> None:
        """Keep one running from now on."""
        self._keeping = asyncio.create_task(self._keep(), name="image worker")

    async def end(self) -> None:
        """Let the worker send what it has begun, and return when it has ended."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._images.close()

    async def _keep(self) -> None:
        wait = _AGAIN_SECONDS
        while True:
            began = time.monotonic()
            try:
                ended = await self._one()
            except Exception:  # whatever it is, nobody but this would start another
                _log.exception("the worker for images cannot be kept")
                ended = "is lost"
            wait = _AGAIN_SECONDS if time.monotonic() - began > _STEADY_SECONDS else wait
            _log.warning("the worker for images %s; another is started in %g s", ended, wait)
            self._trouble = "one process alone answers for images, as the other has ended"
            await asyncio.sleep(wait)
            wait = min(2 * wait, _MOST_AGAIN_SECONDS)

    async def _one(self) -> str:
        """Run one worker, and return how it ended."""
        try:
            ours, process = await self._begun()
        except OSError as error:
            return f"could not be started ({error.strerror})"
        try:
            with ours:  # when this end is closed, the worker ends
                told = await self._listen(ours)
        finally:
            self._answers.lost()
            code = await _ended(process)
        return told or f"has ended with status {code}"

    async def _begun(self) -> tuple[socket.socket, asyncio.subprocess.Process]:
        """Start a worker; returns our end of the line to it too."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as stack:
            stack.enter_context(ours)
            given = Inherited(self._images.fileno(), self._slots.descriptor, theirs.fileno())
            command = (sys.executable, *sys.orig_argv[1:], *given.arguments())
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=(given.images, given.slots, given.line)
            )
            stack.pop_all()
        return ours, process

    async def _listen(self, line: socket.socket) -> str | None:
        """Take up what a worker tells until it ends; returns why it is ended, if it has not by itself."""
        reader, writer = await asyncio.open_connection(sock=line)
        patience = _START_SECONDS
        try:
            # One that dies while it tells leaves a half.
            while (told := await asyncio.wait_for(reader.readline(), patience)).endswith(b"\n"):
                self._take(json.loads(told))
                patience = _SILENCE_SECONDS
        except TimeoutError:
            return "hangs and is ended"
        except ConnectionError:
            pass
        finally:
            writer.close()
        return None

    def _take(self, told: Mapping[str, Any]) -> None:
        self._answers.take(told)
        self._trouble = f"in the process that answers for images: {told['trouble']}" if told["trouble"] else None


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Return the status of a worker whose line has ended; one that goes on for all that is killed."""
    with suppress(TimeoutError):
        return await asyncio.wait_for(process.wait(), _GRACE_SECONDS + 1)
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()


class _Server(uvicorn.Server):
    """Has a worker beside it while it serves."""

    def __init__(self, app: ASGIApp, worker: ImageWorker | None = None) -> None:
        # The hub is in front of it; whoever reaches it otherwise is asked for a token all the same.
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
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


async def serve_beside(app: ASGIApp, given: Inherited, answers: Answers, trouble: Callable[[], str | None], known: asyncio.Event) -> None:
    """Serve as a worker until a signal or the end of the main process; `trouble` is what keeps it from answering.

    Until it is `known` who is who, the main process alone accepts.
    """
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=given.line))
    server = _Server(app)
    ending, waiting = asyncio.create_task(_end(reader, server)), asyncio.create_task(known.wait())
    beside = (asyncio.create_task(_tell(writer, answers, trouble)), ending, waiting)
    try:
        await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await server.serve([socket.socket(fileno=given.images)])
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        _say(writer, answers, trouble)
        writer.close()


async def _tell(writer: asyncio.StreamWriter, answers: Answers, trouble: Callable[[], str | None]) -> None:
    while True:
        _say(writer, answers, trouble)
        await asyncio.sleep(_TELL_SECONDS)


def _say(writer: asyncio.StreamWriter, answers: Answers, trouble: Callable[[], str | None]) -> None:
    writer.write(told(answers, trouble()))


def told(answers: Answers, trouble: str | None) -> bytes:
    """Return the line by which a worker tells what it has counted, and what keeps it from answering."""
    return json.dumps({**answers.handed_over(), "trouble": trouble}).encode() + b"\n"


async def _end(reader: asyncio.StreamReader, server: uvicorn.Server) -> None:
    """End a server when nobody is at the other end of the line."""
    with suppress(ConnectionError):
        await reader.read()
    server.should_exit = True
