"""The worker for images, as the main process keeps it."""

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any, Final

from bowerbird_services.answers import Answers
from bowerbird_services.slots import Slots
from bowerbird_services.worker_line import Inherited

# So long a worker sends what it has begun before it ends.
GRACE_SECONDS: Final = 5
# A worker that tells nothing for so long hangs; on a machine that is busy its start takes a while.
_SILENCE_SECONDS: Final = 15.0
_START_SECONDS: Final = 300.0
_AGAIN_SECONDS: Final = 0.5
_MOST_AGAIN_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0

_log = logging.getLogger("bowerbird.services.processes")


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
            if told:  # and cannot end by itself; until it is gone, the places stay taken that it has and claims
                process.kill()
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
        return await asyncio.wait_for(process.wait(), GRACE_SECONDS + 1)
    _log.warning("the worker for images did not end by itself in %d s and is killed", GRACE_SECONDS + 1)
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()
