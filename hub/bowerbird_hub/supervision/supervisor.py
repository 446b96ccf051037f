"""The supervisor: keeps parts alive, each restarted with back-off, each taken over where it already lives.

One task a part. A part's record is written before anything is awaited after its start, so that a supervisor that is
killed leaves no part without one but in that instant; what then has no record is found by its mark (sweep.py).
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bowerbird_hub.supervision import records
from bowerbird_hub.supervision.marks import marked
from bowerbird_hub.supervision.parts import Part
from bowerbird_hub.supervision.probes import last_line
from bowerbird_hub.supervision.processes import Process, end, find, outlived, running_seconds, tree
from bowerbird_hub.supervision.records import Record, boot_id

_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0
# A part that ended as often as this without having been ready is said to have failed; it is tried on all the same.
_TRIES = 3


class Phase(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"


@dataclass
class BackOff:
    """How long to wait before the next try: doubled each time, from the start again after a healthy while."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    healthy_seconds: float = 60.0
    _next: float = 0.0

    def after(self, lived_seconds: float) -> float:
        """Return the wait after a life of that length."""
        fresh = self._next == 0.0 or lived_seconds >= self.healthy_seconds
        wait = self.first_seconds if fresh else self._next
        self._next = min(wait * 2, self.longest_seconds)
        return wait


class Watch:
    """One part, kept alive."""

    def __init__(self, part: Part, directory: Path, report: Callable[["Watch"], None], back_off: BackOff | None = None) -> None:
        self.part = part
        self.phase = Phase.WAITING
        self.message = ""
        self.restarts = 0
        self.process: Process | None = None
        self.settled = asyncio.Event()
        self._directory = directory
        self._report = report
        self._back_off = back_off or BackOff()
        self._child: subprocess.Popen[bytes] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `status` shows of this part."""
        pid = self.process.pid if self.process else None
        return {"name": self.part.name, "phase": self.phase.value, "message": self.message, "restarts": self.restarts, "pid": pid}

    def _set(self, phase: Phase, message: str = "") -> None:
        self.phase, self.message = phase, message
        if phase is Phase.READY or (phase is Phase.RESTARTING and self.restarts + 1 >= _TRIES):
            self.settled.set()
        self._report(self)

    async def keep(self, before: Sequence["Watch"]) -> None:
        """Keep the part alive until cancelled; `before` are tried first."""
        if before:
            self._set(Phase.WAITING, f"for {', '.join(watch.part.name for watch in before)}")
        for watch in before:
            await watch.settled.wait()
        while True:
            born = time.monotonic()
            trouble = await self._live()
            lived = time.monotonic() - born
            wait = self._back_off.after(lived)
            self._set(Phase.RESTARTING, f"{trouble} after {lived:.1f} s, next try in {wait:g} s; log: {self.part.log}")
            await asyncio.sleep(wait)
            self.restarts += 1

    async def _live(self) -> str:
        """See the part through one life; returns how it ended."""
        taken_over = await self._take_over()
        if not taken_over and self.part.alone:
            await end(marked(self.part.environment, self.part.name), _STOP_SECONDS)
        try:
            process = taken_over or self._start()
        except OSError as error:
            return f"could not be started ({error.strerror}: {error.filename})"
        self.process = process
        began = time.monotonic()
        self._set(Phase.STARTING)
        gone = asyncio.ensure_future(process.gone())
        try:
            trouble = await self._until_ready(gone)
            if trouble is None:
                await self._return()
                self._set(Phase.READY, self._how_ready(taken_over, began))
                await gone
        finally:
            gone.cancel()
        if trouble is None or gone.done():
            return self._how_it_ended()
        if self.part.lasting:
            self._set(Phase.STARTING, f"{trouble}; it is left in peace, since it holds what would be lost with it")
            await process.gone()
            return self._how_it_ended()
        await end(tree(process), _STOP_SECONDS)
        self.reap()
        return trouble

    async def _return(self) -> None:
        """Tell the others that the part is back; a hub that does not hear it is itself about to start."""
        if self.part.on_return is None or not self.restarts:
            return
        for _ in range(_TRIES):
            if await asyncio.to_thread(self.part.on_return) is None:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _how_ready(self, taken_over: Process | None, began: float) -> str:
        if taken_over:
            return f"taken over, running for {running_seconds(taken_over):.0f} s"
        return f"in {time.monotonic() - began:.1f} s"

    async def _take_over(self) -> Process | None:
        record = records.read(self._directory, self.part.name)
        process = record.process if record else None
        if record is None or process is None:
            return None
        if self.part.lasting or record.fingerprint == self.part.fingerprint:
            return process
        self._set(Phase.STARTING, "ending the one that was started differently")
        if self.part.makes_room_on is not None:
            process.send(self.part.makes_room_on)
            await outlived([process], _STOP_SECONDS)
        await end([process], _STOP_SECONDS)
        return None

    def _start(self) -> Process:
        part = self.part
        with part.log.open("ab") as log:
            child = subprocess.Popen(
                part.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(part.environment),
                cwd=part.directory,
                start_new_session=True,
            )
        self._child = child
        process = find(child.pid) or Process(child.pid, 0)
        # Without a record, as on a full disk, it runs all the same; it is then found by its mark, and not taken over.
        with suppress(OSError):
            records.write(self._directory, Record(part.name, process.pid, process.start_ticks, part.fingerprint, boot_id()))
        return process

    async def _until_ready(self, gone: asyncio.Future[None]) -> str | None:
        """Return None once the part answers, else what kept it from that."""
        deadline = time.monotonic() + self.part.ready_seconds
        while True:
            asked = asyncio.ensure_future(asyncio.to_thread(self.part.probe))
            both: list[asyncio.Future[Any]] = [asked, gone]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                asked.cancel()
                return "ended before it was ready"
            wrong = asked.result()
            if wrong is None:
                return None
            if time.monotonic() > deadline:
                self.settled.set()
                return f"was not ready in {self.part.ready_seconds:g} s: {wrong}"
            await asyncio.wait([gone], timeout=_POLL_SECONDS)

    def _how_it_ended(self) -> str:
        status = self.reap()
        if status is None:
            return "ended"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        said = last_line(self.part.log)
        return f"ended with exit status {status}" + (f" ({said})" if said else "")

    def reap(self) -> int | None:
        """Return the exit status of a child that has ended; None where it was not ours or still lives."""
        child, status = self._child, None
        if child is not None:
            status = child.poll()
        if status is not None:
            self._child = None
        return status


class Supervisor:
    """All parts of one platform, kept alive."""

    def __init__(self, parts: Sequence[Part], directory: Path, report: Callable[[Watch], None]) -> None:
        self.watches = [Watch(part, directory, report) for part in parts]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to keep the parts."""
        named = {watch.part.name: watch for watch in self.watches}
        for watch in self.watches:
            before = [named[name] for name in watch.part.after if name in named]
            self._tasks.append(asyncio.create_task(watch.keep(before), name=watch.part.name))

    async def settled(self) -> bool:
        """Return once each part was ready or has failed; True where all are ready."""
        for watch in self.watches:
            await watch.settled.wait()
        return all(watch.phase is Phase.READY for watch in self.watches)

    async def failed(self) -> BaseException:
        """Return the error of a task of ours that ended, which none should."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).exception() or RuntimeError("a part was no longer kept")

    async def let_go(self) -> None:
        """Keep the parts no longer; none of them is ended by this."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reap(self) -> None:
        """Collect the children that have ended."""
        for watch in self.watches:
            watch.reap()
