"""TAP's jobs over HTTP, as UWS 1.1 gives them their addresses."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakValueDictionary

from bowerbird.vo.uws import Phase
from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bowerbird_services.allowances import Allowance
from bowerbird_services.site import Site
from bowerbird_services.streams import unless_gone
from bowerbird_services.vo import uploads, uws
from bowerbird_services.vo.dali import MAX_TEXT_BYTES, VOTABLE, Fault, Parameters, error_document, parameters
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.runner import RESULT, Runner
from bowerbird_services.vo.tap import form_of, limit_of
from bowerbird_services.vo.upload_sources import UploadSources
from bowerbird_services.vo.uws import Filter, Job
from bowerbird_services.vo.xml import document

# How long a client may wait at one request; it asks again after that.
_LONGEST_WAIT: Final = 120.0
# Parameters of UWS itself; all others are the query's.
_CONTROL: Final = frozenset({"PHASE", "ACTION", "WAIT", "RUNID", "DESTRUCTION", "EXECUTIONDURATION"})
_SINGLE: Final = frozenset({"REQUEST", "VERSION", "LANG", "QUERY", "FORMAT", "RESPONSEFORMAT", "MAXREC", "RUNID", "PHASE"})


class AsyncService:
    """Answers for the jobs of one site."""

    def __init__(self, site: Site, store: JobStore, runner: Runner, sources: UploadSources) -> None:
        self._site = site
        self._sources = sources
        self._store = store
        self._runner = runner
        # Of the jobs that are being changed.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def routes(self) -> list[Route]:
        """Return the addresses below /async."""
        return [
            Route("/async", self.jobs),
            Route("/async", self.create, methods=["POST"]),
            Route("/async/{id}", self.job),
            Route("/async/{id}", self.change, methods=["POST", "DELETE"]),
            Route("/async/{id}/results/{name}", self.result),
            Route("/async/{id}/error", self.error),
            Route("/async/{id}/{part}", self.part),
            Route("/async/{id}/{part}", self.set, methods=["POST"]),
        ]

    def _address(self, request: Request, job: Job | None = None) -> str:
        address = f"{self._site.address_of(request)}/tap/async"
        return f"{address}/{job.id}" if job else address

    def _there(self, request: Request, job: Job) -> Response:
        return RedirectResponse(self._address(request, job), HTTPStatus.SEE_OTHER)

    async def _own(self, request: Request) -> Job:
        """Return the job that a request is about; another's is not there. Nobody's is for whoever knows its id."""
        identity = await self._site.identities.of(request)
        return await self._known(request.path_params["id"], identity)

    async def _known(self, identifier: str, identity: Identity) -> Job:
        job = await asyncio.to_thread(self._store.get, identifier)
        if job is None or job.owner not in {None, identity.name}:
            raise Fault("there is no such job", HTTPStatus.NOT_FOUND)
        return job

    async def jobs(self, request: Request) -> Response:
        """List whoever asks their jobs. Jobs without an owner are in no list."""
        identity = await self._site.identities.of(request)
        chosen = _filter(Parameters.of(request.query_params.multi_items()))
        found = await asyncio.to_thread(self._store.of, identity.name, chosen) if identity.name else []
        return document(uws.job_list(found, self._address(request)))

    async def create(self, request: Request) -> Response:
        """Make a job of a query, and let it run where that is asked for."""
        identity = await self._site.identities.of(request)
        allowance = self._site.allowance(identity)
        given = await parameters(request, allowance.upload_bytes)
        try:
            for name in _SINGLE:
                given.single(name)
            form_of(given)
            limit_of(given, allowance)
            run = _wants_to_run(given)
            uploaded = await self._sources.opened(given, identity, self._site.address_of(request))
            if await asyncio.to_thread(self._store.count, identity.name) >= allowance.jobs:
                raise Fault(f"{allowance.jobs} jobs are kept already, the most; delete some of them", HTTPStatus.SERVICE_UNAVAILABLE)
            now = self._site.clock()
            job = Job("", identity.name, Phase.PENDING, now, now + allowance.keep, allowance.run, _kept(given), given.single("RUNID"))
            # What a job makes of an earlier one's result is of the same releases.
            job = replace(job, releases=tuple(sorted(uploaded.releases)), **_times(given, job, allowance))
            job = replace(job, quote=now + job.execution)
            job = await asyncio.to_thread(self._store.create, job, uploaded.files)
            uploaded.close()
        except sqlite3.Error as error:
            raise Fault("the job could not be kept; the disk may be full. Try again later", HTTPStatus.SERVICE_UNAVAILABLE) from error
        finally:
            await given.close()
        if run:
            await self._runner.run(job.id)
        return self._there(request, job)

    async def job(self, request: Request) -> Response:
        """Show a job, after a change of its phase where that is waited for."""
        job = await self._waited(request, await self._own(request))
        return document(uws.job(job, self._address(request, job), self._runner.rows(job.id)))

    async def _waited(self, request: Request, job: Job) -> Job:
        given = Parameters.of(request.query_params.multi_items())
        seconds = _wait(given)
        phase = _phase(given.single("PHASE") or job.phase) if seconds else job.phase
        if not seconds or not job.phase.active or job.phase is not phase:
            return job
        return await unless_gone(request, self._changed(job, phase, seconds))

    async def _changed(self, job: Job, phase: Phase, seconds: float) -> Job:
        """Return the job as soon as it is in another phase, or when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                return await self._out_of(job.id, phase)
        except TimeoutError:
            return job

    async def _out_of(self, identifier: str, phase: Phase) -> Job:
        while True:
            bell = self._runner.bell(identifier)
            now = await asyncio.to_thread(self._store.get, identifier)
            if now is None:
                raise Fault("the job is not there any more", HTTPStatus.NOT_FOUND)
            if now.phase is not phase:
                return now
            await bell.wait()

    async def change(self, request: Request) -> Response:
        """Delete a job, or set some of its parameters."""
        job = await self._own(request)
        given = await self._given(request, job)
        if request.method == "DELETE" or (given.single("ACTION") or "").upper() == "DELETE":
            await self._runner.destroy(job.id)
            return RedirectResponse(self._address(request), HTTPStatus.SEE_OTHER)
        if given.single("ACTION") is not None:
            raise Fault(f"ACTION is {given.single('ACTION')!r}; it is DELETE")
        return await self._set(request, job, given)

    async def _given(self, request: Request, job: Job) -> Parameters:
        """Return what comes for a job that is there: with files, as far as there is room beside those that it has."""
        allowance = self._site.allowance(await self._site.identities.of(request))
        kept = await asyncio.to_thread(self._store.uploaded_bytes, job.id)
        return await parameters(request, max(allowance.upload_bytes - kept, MAX_TEXT_BYTES))

    async def set(self, request: Request) -> Response:
        """Set the phase, the time of destruction, the execution duration or the parameters of a job."""
        job = await self._own(request)
        given = await self._given(request, job)
        part = request.path_params["part"].upper()
        if part not in {"PHASE", "DESTRUCTION", "EXECUTIONDURATION", "PARAMETERS"}:
            raise Fault(f"{part.lower()} of a job cannot be set", HTTPStatus.METHOD_NOT_ALLOWED)
        if part != "PARAMETERS":
            given.needed(part)
        return await self._set(request, job, given)

    async def _set(self, request: Request, job: Job, given: Parameters) -> Response:
        try:
            # One after the other: what one request reads of a job is what it changes.
            async with self._locks.setdefault(job.id, asyncio.Lock()):
                job = await self._own(request)
                changes = await self._changes(request, job, given)
                if changes:
                    await asyncio.to_thread(self._store.change, job.id, **changes)
                if given.single("PHASE") is not None:
                    await self._phase(job, given)
        finally:
            await given.close()
        return self._there(request, job)

    async def _changes(self, request: Request, job: Job, given: Parameters) -> dict[str, Any]:
        identity = await self._site.identities.of(request)
        changes = _times(given, job, self._site.allowance(identity))
        if "execution" in changes:
            changes["quote"] = (job.started or self._site.clock()) + changes["execution"]
        kept = _kept(given)
        if not kept:
            return changes
        if job.phase is not Phase.PENDING:
            raise Fault("the job runs or has run, so its parameters cannot be changed", HTTPStatus.FORBIDDEN)
        changes["parameters"] = _accumulated(job.parameters, kept)
        uploads.named(Parameters.of(changes["parameters"]))
        uploaded = await self._sources.opened(given, identity, self._site.address_of(request))
        try:
            await asyncio.to_thread(self._store.add, job.id, uploaded.files)
        finally:
            uploaded.close()
        return changes | {"releases": tuple(sorted({*job.releases, *uploaded.releases}))}

    async def _phase(self, job: Job, given: Parameters) -> None:
        match given.needed("PHASE").upper():
            case "RUN":
                await self._runner.run(job.id)
            case "ABORT":
                await self._runner.abort(job.id)
            case other:
                raise Fault(f"PHASE is {other!r}; it is RUN or ABORT")

    async def part(self, request: Request) -> Response:
        """Show one part of a job."""
        job = await self._own(request)
        part = request.path_params["part"]
        if part == "parameters":
            return document(uws.parameters(job))
        if part == "results":
            return document(uws.results(job, self._address(request, job)))
        if part == "phase":
            job = await self._waited(request, job)
        texts = {
            "phase": job.phase.value,
            "executionduration": str(round(job.execution.total_seconds())),
            "destruction": uws.written(job.destruction),
            "quote": uws.written(job.quote) if job.quote else "",
            "owner": job.owner or "",
        }
        if part not in texts:
            raise Fault("a job has no such part", HTTPStatus.NOT_FOUND)
        return PlainTextResponse(texts[part])

    async def error(self, request: Request) -> Response:
        """Show why a job failed."""
        job = await self._own(request)
        if job.phase is not Phase.ERROR:
            raise Fault("the job has not failed", HTTPStatus.NOT_FOUND)
        return Response(error_document(job.error or "the query failed"), media_type=VOTABLE)

    async def result(self, request: Request) -> Response:
        """Send a result, as long as whoever asks may still read all that it is made of."""
        identity = await self._site.identities.of(request)
        job = await self._known(request.path_params["id"], identity)
        path = self._store.directory(job.id) / RESULT
        if job.phase is not Phase.COMPLETED or request.path_params["name"] != RESULT or not path.is_file():
            raise Fault("the job has no such result", HTTPStatus.NOT_FOUND)
        self._sources.allow(job, identity)
        return FileResponse(path, media_type=job.media_type)


def _times(given: Parameters, job: Job, allowance: Allowance) -> dict[str, Any]:
    """Return what is asked for of a job's times, within what is allowed."""
    changes: dict[str, Any] = {}
    if (destruction := given.single("DESTRUCTION")) is not None:
        changes["destruction"] = min(uws.moment(destruction, "DESTRUCTION"), job.created + allowance.most_keep)
    if (seconds := given.count("EXECUTIONDURATION")) is not None:
        # 0 asks for no limit, which is not given.
        most = allowance.run.total_seconds()
        changes["execution"] = timedelta(seconds=min(seconds or most, most))
    return changes


def _kept(given: Parameters) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, values in given.values.items() if name not in _CONTROL for value in values)


def _accumulated(before: tuple[tuple[str, str], ...], now: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return all parameters of a job: uploads accumulate (TAP 1.1, section 2.7.6), of all else the last one holds."""
    named = {name for name, _ in now} - {"UPLOAD"}
    return (*((name, value) for name, value in before if name not in named), *now)


def _wants_to_run(given: Parameters) -> bool:
    phase = given.single("PHASE")
    if phase is not None and phase.upper() != "RUN":
        raise Fault(f"PHASE is {phase!r}; a new job can only RUN")
    return phase is not None


def _phase(name: str) -> Phase:
    try:
        return Phase(name.upper())
    except ValueError:
        raise Fault(f"PHASE is {name!r}; it is one of {', '.join(Phase)}") from None


def _filter(given: Parameters) -> Filter:
    after = given.single("AFTER")
    return Filter(
        frozenset(_phase(name) for name in given.many("PHASE")), uws.moment(after, "AFTER") if after else None, given.count("LAST")
    )


def _wait(given: Parameters) -> float:
    value = given.single("WAIT")
    if value is None:
        return 0.0
    try:
        seconds = int(value)
    except ValueError:
        raise Fault(f"WAIT is {value!r}; it is a number of seconds, or -1") from None
    if seconds < -1:
        raise Fault(f"WAIT is {seconds}; it is a number of seconds, or -1")
    return _LONGEST_WAIT if seconds < 0 else float(min(seconds, _LONGEST_WAIT))
