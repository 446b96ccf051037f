"""UWS 1.1: what a job is, and how it is written. Pure."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bowerbird.vo.uws import Phase

from bowerbird_services.vo.dali import Fault
from bowerbird_services.vo.xml import XSI, element

_NAMESPACES: Final = {
    "xmlns:uws": "http://www.ivoa.net/xml/UWS/v1.0",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    "xmlns:xsi": XSI,
}
_NIL: Final = {"xsi:nil": "true"}


@dataclass(frozen=True, slots=True)
class Job:
    """A query that is answered later. `owner` is None for one that nobody signed in for; `releases` are those its rows come from."""

    id: str
    owner: str | None
    phase: Phase
    created: datetime
    destruction: datetime
    execution: timedelta
    parameters: tuple[tuple[str, str], ...] = ()
    run_id: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    quote: datetime | None = None
    error: str | None = None
    media_type: str = ""
    size: int | None = None
    attempts: int = 0
    releases: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """Return the first value of a parameter."""
        return next((value for key, value in self.parameters if key == name), None)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs of a list are asked for."""

    phases: frozenset[Phase] = field(default_factory=frozenset)
    after: datetime | None = None
    last: int | None = None


def moment(text: str, name: str) -> datetime:
    """Return a time as UWS writes it, which is UTC where it says nothing else; Fault where it is none."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Fault(f"{name} is {text!r}; write a time like 2027-03-01T00:00:00Z") from None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        raise Fault(f"{name} is {text!r}, which no clock can show") from None


def written(at: datetime) -> str:
    """Return a time as UWS writes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def job_list(jobs: Iterable[Job], address: str) -> ET.Element:
    """Return a list of jobs; their addresses are below `address`."""
    return element(
        "uws:jobs",
        {**_NAMESPACES, "version": "1.1"},
        [
            element(
                "uws:jobref",
                {"id": job.id, "xlink:type": "simple", "xlink:href": f"{address}/{job.id}"},
                [
                    element("uws:phase", text=job.phase),
                    *([element("uws:runId", text=job.run_id)] if job.run_id else []),
                    *([element("uws:ownerId", text=job.owner)] if job.owner else []),
                    element("uws:creationTime", text=written(job.created)),
                ],
            )
            for job in jobs
        ],
    )


def job(described: Job, address: str, rows: int | None = None) -> ET.Element:
    """Return all of a job; `address` is the job's own, `rows` how many have come so far of one that runs."""
    parts = [
        element("uws:jobId", text=described.id),
        *([element("uws:runId", text=described.run_id)] if described.run_id else []),
        element("uws:ownerId", text=described.owner) if described.owner else element("uws:ownerId", _NIL),
        element("uws:phase", text=described.phase),
        _time("uws:quote", described.quote),
        element("uws:creationTime", text=written(described.created)),
        _time("uws:startTime", described.started),
        _time("uws:endTime", described.ended),
        element("uws:executionDuration", text=str(round(described.execution.total_seconds()))),
        element("uws:destruction", text=written(described.destruction)),
        _parameters("uws:parameters", described, {}),
        _results("uws:results", described, address, {}),
    ]
    if described.phase is Phase.ERROR:
        message = element("uws:message", text=described.error or "the query failed")
        parts.append(element("uws:errorSummary", {"type": "fatal", "hasDetail": "true"}, [message]))
    if rows is not None:
        parts.append(element("uws:jobInfo", children=[element("rows", text=str(rows))]))
    return element("uws:job", {**_NAMESPACES, "version": "1.1"}, parts)


def _time(tag: str, at: datetime | None) -> ET.Element:
    return element(tag, text=written(at)) if at else element(tag, _NIL)


def parameters(described: Job) -> ET.Element:
    """Return a job's parameters alone."""
    return _parameters("uws:parameters", described, _NAMESPACES)


def _parameters(tag: str, described: Job, attributes: Mapping[str, str]) -> ET.Element:
    return element(tag, attributes, [element("uws:parameter", {"id": name.lower()}, text=value) for name, value in described.parameters])


def results(described: Job, address: str) -> ET.Element:
    """Return where a job's result is."""
    return _results("uws:results", described, address, _NAMESPACES)


def _results(tag: str, described: Job, address: str, attributes: Mapping[str, str]) -> ET.Element:
    if described.phase is not Phase.COMPLETED:
        return element(tag, attributes)
    told = {"id": "result", "xlink:type": "simple", "xlink:href": f"{address}/results/result", "mime-type": described.media_type}
    if described.size is not None:
        told["size"] = str(described.size)
    return element(tag, attributes, [element("uws:result", told)])
