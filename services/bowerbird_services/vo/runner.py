"""Runs jobs: each as soon as there is room for it, in threads, until it is done, stopped, or out of time."""

import asyncio
import logging
import sqlite3
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bowerbird.vo.uws import Phase
from bowerbird_config.identity import Identity

from bowerbird_services.engine import Answer, Interrupted, QueryFault
from bowerbird_services.formats import Description
from bowerbird_services.identity import Away
from bowerbird_services.places import Places
from bowerbird_services.site import Site
from bowerbird_services.streams import Outflow, Threads, gathered
from bowerbird_services.vo import uploads
from bowerbird_services.vo.dali import Fault, Parameters
from bowerbird_services.vo.jobs import PART, JobStore
from bowerbird_services.vo.tap import STANDARD, asked
from bowerbird_services.vo.uws import Job

RESULT = "result"
# A job that was running when the service ended is run again, but not for ever: it may be what ended it.
_MOST_ATTEMPTS = 2
_SWEEP_SECONDS = 5.0
_IDENTITIES_SECONDS = 30.0
_BROKEN = "the service failed on this query and wrote down why; tell the admins of the platform when"
_DISK = "the service could not keep the result: its disk is full or cannot be written; ask for fewer rows, or try again later"

_log = logging.getLogger("bowerbird.services.jobs")


@dataclass
class _Run:
    """A job that waits or runs now."""

    task: asyncio.Task[None]
    flow: Outflow | None = None
    aborted: bool = False


class Runner:
    """Runs the jobs of one store. `threads` is its own, so that jobs never keep answers at once waiting."""

    def __init__(self, site: Site, store: JobStore, threads: Threads) -> None:
        self._site = site
        self._store = store
        self._threads = threads
        self._places = Places()
        self._asking = asyncio.Lock()
        self._runs: dict[str, _Run] = {}
        self._bells: dict[str, asyncio.Event] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with the jobs that an earlier service left, and begin to remove what has expired."""
        await asyncio.to_thread(self._store.sweep)
        for job in await asyncio.to_thread(self._store.unfinished):
            if job.attempts >= _MOST_ATTEMPTS:
                await self._end(job.id, Phase.ERROR, error="the service ended twice while it ran this query, so it is not run again")
                continue
            queued = await asyncio.to_thread(self._store.change, job.id, phase=Phase.QUEUED)
            if queued is not None:
                self._launch(queued)
        self._sweeping = asyncio.create_task(self._sweep(), name="expired jobs")

    async def close(self) -> None:
        """Stop every job; they stay as they are and are run again when the service is."""
        tasks = [run.task for run in self._runs.values()] + ([self._sweeping] if self._sweeping else [])
        for run in self._runs.values():
            if run.flow is not None:
                run.flow.stop("the service ends")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._threads.close()

    async def run(self, identifier: str) -> None:
        """Let a pending job run."""
        queued = await asyncio.to_thread(self._store.change, identifier, Phase.PENDING, phase=Phase.QUEUED)
        if queued is not None:
            self._launch(queued)
            self._ring(identifier)

    async def abort(self, identifier: str) -> None:
        """Stop a job; returns when its query has come to an end."""
        run = self._runs.get(identifier)
        if run is not None:
            run.aborted = True
            if run.flow is not None:
                run.flow.stop("the job was aborted")
            else:
                run.task.cancel()
            await asyncio.wait({run.task})
        job = await asyncio.to_thread(self._store.get, identifier)
        if job is not None and job.phase.active:
            await self._end(identifier, Phase.ABORTED)

    async def destroy(self, identifier: str) -> None:
        """Stop a job and forget it."""
        await self.abort(identifier)
        await asyncio.to_thread(self._store.destroy, identifier)
        self._ring(identifier)

    def rows(self, identifier: str) -> int | None:
        """Return how many rows of a job have come so far; None of one that does not compute."""
        run = self._runs.get(identifier)
        return run.flow.rows if run is not None and run.flow is not None else None

    def bell(self, identifier: str) -> asyncio.Event:
        """Return what is set at the next change of a job."""
        return self._bells.setdefault(identifier, asyncio.Event())

    def _ring(self, identifier: str) -> None:
        bell = self._bells.pop(identifier, None)
        if bell is not None:
            bell.set()

    def _launch(self, queued: Job) -> None:
        task = asyncio.create_task(self._job(queued), name=f"job {queued.id}")
        self._runs[queued.id] = _Run(task)
        task.add_done_callback(lambda _task: self._runs.pop(queued.id, None))

    async def _end(self, identifier: str, phase: Phase, **changes: Any) -> None:
        await asyncio.to_thread(self._store.change, identifier, phase=phase, ended=self._site.clock(), **changes)
        self._ring(identifier)

    async def _job(self, queued: Job) -> None:
        identifier = queued.id
        try:
            # Nothing before the place's queue may change the order: whoever was launched first waits there first.
            allowance = self._site.allowance(await self._identity(queued))
            async with self._places.one(queued.owner, allowance.running, allowance.all_running):
                job = await asyncio.to_thread(self._begin, queued)
                if job is not None:
                    self._ring(identifier)
                    await self._compute(job)
        except asyncio.CancelledError:
            raise
        except (QueryFault, Fault) as error:
            await self._failed(identifier, str(error))
        except (OSError, sqlite3.Error) as error:
            _log.error("the result of job %s could not be kept: %s", identifier, error)
            await self._failed(identifier, _DISK)
        except Exception:  # whatever it is, the job has to say that it has ended
            _log.exception("job %s failed", identifier)
            await self._failed(identifier, _BROKEN)

    def _begin(self, job: Job) -> Job | None:
        """Let a job that waited run; None where it is gone or aborted meanwhile."""
        now = self._site.clock()
        quote = now + job.execution
        return self._store.change(job.id, Phase.QUEUED, phase=Phase.EXECUTING, started=now, quote=quote, attempts=job.attempts + 1)

    async def _failed(self, identifier: str, message: str) -> None:
        run, place = self._runs[identifier], self._store.directory(identifier)
        for name in (f"{RESULT}{PART}", RESULT):
            with suppress(OSError):
                (place / name).unlink(missing_ok=True)
        while True:
            try:
                if run.aborted:
                    await self._end(identifier, Phase.ABORTED)
                else:
                    await self._end(identifier, Phase.ERROR, error=message)
            except sqlite3.Error:  # a full disk has no room for this either; what became of the job is told as soon as it has
                await asyncio.sleep(_SWEEP_SECONDS)
            else:
                return

    async def _compute(self, job: Job) -> None:
        identity = await self._identity(job)
        allowance = self._site.allowance(identity)
        query = asked(Parameters.of(job.parameters), allowance)
        place = self._store.directory(job.id)
        releases = set(job.releases)

        def begin() -> Answer:
            files = {name: path.open("rb") for name, path in self._store.uploads(job.id).items()}
            try:
                loaded = uploads.loaded(files, allowance.upload_bytes)
            finally:
                for file in files.values():
                    file.close()
            catalogue = self._site.engine.catalogue(identity, self._site.clock())
            return self._site.engine.answer(query.adql, catalogue, limit=query.limit + 1, uploads=loaded)

        def describe(answer: Answer) -> Description:
            releases.update(table.release for table in answer.tables if table.release)
            infos = (STANDARD, ("QUERY", query.adql), *self._site.access_infos(answer.tables))
            return self._site.described(answer, infos, place)

        flow = Outflow(begin, query.form, describe, query.limit, overflow=query.overflow)
        run = self._runs[job.id]
        run.flow = flow
        if run.aborted:
            raise Interrupted("the job was aborted")
        timer = self._deadline(flow, job.execution)
        try:
            size = await asyncio.shield(asyncio.ensure_future(self._threads.run(_kept, gathered(flow.chunks()), place)))
        finally:
            timer.cancel()
        if flow.error is not None:
            raise QueryFault(flow.error)
        await self._end(job.id, Phase.COMPLETED, media_type=query.form.mime, size=size, releases=tuple(sorted(releases)))

    @staticmethod
    def _deadline(flow: Outflow, after: timedelta) -> asyncio.TimerHandle:
        seconds = after.total_seconds()
        words = f"the query took longer than its execution duration of {seconds:g} s"
        return asyncio.get_running_loop().call_later(seconds, flow.stop, words)

    async def _identity(self, job: Job) -> Identity:
        """Return who asks, as they are now; the hub may still be telling it when the service has just begun."""
        deadline = asyncio.get_running_loop().time() + _IDENTITIES_SECONDS
        async with self._asking:  # one after the other, so that jobs that wait for the hub go on in their order
            while True:
                try:
                    return self._site.identities.named(job.owner)
                except Away as error:
                    if asyncio.get_running_loop().time() > deadline:
                        raise QueryFault(str(error)) from error
                await asyncio.sleep(0.1)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                for identifier in await asyncio.to_thread(self._store.expired, self._site.clock()):
                    await self.destroy(identifier)
            except (OSError, sqlite3.Error):
                _log.exception("expired jobs could not be removed")


def _kept(chunks: Generator[bytes, None, None], place: Path) -> int:
    """Write a result, whole or not at all, and return its size; the query is ended in either case."""
    part = place / f"{RESULT}{PART}"
    size = 0
    with closing(chunks), part.open("wb") as file:
        for chunk in chunks:
            size += file.write(chunk)
    part.rename(place / RESULT)
    return size
