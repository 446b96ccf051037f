"""Jobs by UWS 1.1: made, run, followed, and stopped when who waits for them is interrupted."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bowerbird.errors import JobLost, NotATable, QueryRefused, ServiceError
from bowerbird.vo.http import HTTP, Asked, Small, refuse
from bowerbird.vo.patience import Due, Patience
from bowerbird.vo.records import Record, Records
from bowerbird.vo.said import words
from bowerbird.vo.uws import Phase

_UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
_HREF = "{http://www.w3.org/1999/xlink}href"
# How long the end of a job may take once its user has gone on.
_CLEAN_SECONDS = 8
# A number with more digits counts no rows.
_MOST_DIGITS = 18
_LOST = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


@dataclass(frozen=True, slots=True)
class State:
    """What a service says of a job: `progress` from 0 to 1, `rows` that have come so far, each where it says so."""

    phase: Phase
    result: str | None = None
    message: str = ""
    progress: float | None = None
    rows: int | None = None


Follower = Callable[[State], None]


def nobody(_: State) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. In `async with`, it is stopped and deleted at the end, however that comes."""

    http: HTTP
    url: str
    service: str
    query: str
    records: Records

    @classmethod
    async def submit(cls, http: HTTP, asked: Asked, service: str, records: Records) -> Self:
        """Make a job that runs; of one that was made while its user was interrupted, nothing is left."""
        making = asyncio.ensure_future(http.small(asked, follow=False))
        try:
            made = await asyncio.shield(making)
        except asyncio.CancelledError:
            # The service may have made it already, and only its answer says where it is.
            with contextlib.suppress(ServiceError, TimeoutError):
                async with asyncio.timeout(_CLEAN_SECONDS):
                    await cls._of(http, asked, service, records, await making)._end()
            raise
        return cls._of(http, asked, service, records, made)

    @classmethod
    def _of(cls, http: HTTP, asked: Asked, service: str, records: Records, made: Small) -> Self:
        where = made.headers.get("location")
        if made.status not in {HTTPStatus.SEE_OTHER, HTTPStatus.CREATED} or not where:
            raise refused(asked, made, http)
        job = cls(http, urljoin(asked.url, where), service, asked.query, records)
        records.put(Record(job.url, service, asked.query))
        return job

    @classmethod
    def found(cls, http: HTTP, record: Record, records: Records) -> Self:
        """Return a job that was submitted before."""
        return cls(http, record.url, record.service, record.query, records)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.delete(over=kind is None)

    async def state(self, wait_seconds: int = 0, phase: Phase | None = None) -> State:
        """Return how the job stands, or, with `wait_seconds`, how it stands once it is in another phase."""
        wait = f"?WAIT={wait_seconds}" + (f"&PHASE={phase}" if phase else "") if wait_seconds else ""
        asked = Asked("GET", f"{self.url}{wait}", query=self.query)
        answer = await self.http.small(asked)
        if answer.status in _LOST:
            self.records.drop(self.url)
            raise JobLost(self.service, "does not know the job any more", "ask the query again", self.query)
        if answer.status != HTTPStatus.OK:
            raise refused(replace(asked, url=self.service), answer, self.http)
        return read_state(answer, self.service, self.query)

    async def wait(self, follow: Follower = nobody, patience: Patience | None = None) -> State:
        """Return when the job is over; a job that the service left pending is run. `follow` hears each state."""
        patience, begun, nudged = patience or Patience(), time.monotonic(), False
        # One that waits for its turn, or to be run, is told at once.
        state = await self._asked(patience, patience.due(0), Phase.EXECUTING)
        while not state.phase.over:
            follow(state)
            phase = state.phase
            if phase is Phase.PENDING and not nudged:
                # Some services, DaCHS among them, do not read PHASE=RUN where the job is made.
                await self._post({"PHASE": "RUN"}, "phase")
                nudged, phase = True, Phase.QUEUED
            state = await self._asked(patience, patience.due(time.monotonic() - begun), phase)
        follow(state)
        return self._checked(state)

    async def _asked(self, patience: Patience, due: Due, phase: Phase) -> State:
        """Return how it stands once it has left a phase, or after the pause that is due."""
        if not due.wait_seconds:
            await asyncio.sleep(due.pause_seconds)
            return await self.state()
        asked = time.monotonic()
        now = await self.state(due.wait_seconds, phase)
        took = time.monotonic() - asked
        patience.heard(due, took, over=now.phase.over)
        if now.phase is phase:
            # A service without WAIT answers at once: it is not to be asked without pause.
            await asyncio.sleep(max(0.0, due.pause_seconds - took))
        return now

    def _checked(self, state: State) -> State:
        if state.phase is Phase.ERROR:
            raise QueryRefused(self.service, state.message, query=self.query)
        if state.phase is not Phase.COMPLETED:
            trouble = f"ended the job: it is {state.phase}{f' ({state.message})' if state.message else ''}"
            raise JobLost(self.service, trouble, "ask the query again", self.query)
        return state

    async def abort(self) -> None:
        """Stop the job, which stays there."""
        await self._post({"PHASE": "ABORT"}, "phase")

    async def delete(self, *, over: bool = False) -> None:
        """Stop the job, if it is not known to be over, and delete it; returns when that is done, also for who is being interrupted."""
        ending = asyncio.ensure_future(self._end(over=over))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end(self, *, over: bool = False) -> None:
        with contextlib.suppress(ServiceError, TimeoutError):
            async with asyncio.timeout(_CLEAN_SECONDS):
                if not over:
                    await self._stop()
                gone = await self.http.small(Asked("DELETE", self.url, query=self.query), follow=False)
                if gone.status < HTTPStatus.BAD_REQUEST or gone.status in _LOST:
                    self.records.drop(self.url)

    async def _stop(self) -> None:
        # A service that fails at this may still delete the job.
        with contextlib.suppress(ServiceError):
            if not (await self.state()).phase.over:
                await self.abort()

    async def _post(self, form: dict[str, str], part: str) -> None:
        await self.http.small(Asked("POST", f"{self.url}/{part}", form, repeatable=True, query=self.query), follow=False)


def refused(asked: Asked, answer: Small, http: HTTP) -> ServiceError:
    """Return the error that an answer says."""
    said = words(answer.body)
    if answer.status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST} and said:
        return QueryRefused(asked.url, said, query=asked.query)
    return refuse(asked, answer.status, said, http.tokens.token(asked.url) is not None)


def read_state(answer: Small, service: str, query: str = "") -> State:
    """Return what a job document says; NotATable where it is none."""
    try:
        job = fromstring(answer.body)
        phase = Phase((job.findtext(f"{_UWS}phase") or "").strip())
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise NotATable(service, "answered with what is no job of UWS", "check its address", query) from error
    results = job.findall(f"{_UWS}results/{_UWS}result")
    chosen = next((one for one in results if one.get("id") == "result"), results[0] if results else None)
    href = chosen.get(_HREF) if chosen is not None else None
    message = " ".join((job.findtext(f"{_UWS}errorSummary/{_UWS}message") or "").split())
    return State(phase, urljoin(answer.url, href) if href else None, message, _progress(job), _rows(job))


def _progress(job: Element) -> float | None:
    said = next((one.text for one in job.iter() if one.tag.rpartition("}")[2].lower() == "progress" and one.text), None)
    try:
        return min(max(float(said), 0.0), 1.0) if said else None
    except ValueError:
        return None


def _rows(job: Element) -> int | None:
    said = (job.findtext(f"{_UWS}jobInfo/rows") or "").strip()
    return int(said) if said.isdecimal() and len(said) <= _MOST_DIGITS else None
