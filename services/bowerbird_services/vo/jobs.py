"""Where jobs are kept: a row each in SQLite, results and uploads as files beside it, so that they outlive the service."""

import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from bowerbird.vo.uws import Phase

from bowerbird_services.vo.uws import Filter, Job

_TABLE = """
create table if not exists jobs (
    id text primary key,
    owner text,             -- null for nobody signed in
    phase text not null,
    created real not null,  -- seconds since 1970, as all times here
    destruction real not null,
    execution real not null,
    parameters text not null,  -- JSON, pairs
    run_id text,
    started real,
    ended real,
    quote real,
    error text,
    media_type text not null,
    size integer,
    attempts integer not null,
    releases text not null  -- JSON, pairs
) strict;
create index if not exists jobs_by_owner on jobs (owner, created);
"""
_COLUMNS = [
    "id",
    "owner",
    "phase",
    "created",
    "destruction",
    "execution",
    "parameters",
    "run_id",
    "started",
    "ended",
    "quote",
    "error",
    "media_type",
    "size",
    "attempts",
    "releases",
]
# What a result is called until it is whole.
PART = ".part"
_UPLOAD = ".upload"
# With less room than this a service says that it has none.
_LEAST_BYTES = 16 << 20
_TIMES = frozenset({"created", "destruction", "started", "ended", "quote"})


class JobStore:
    """The jobs of everybody. Every call may wait for the disk; any thread may make it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(directory / "jobs.sqlite", check_same_thread=False)
        with self._lock:
            self._connection.execute("pragma journal_mode = wal")
            self._connection.executescript(_TABLE)

    def close(self) -> None:
        """Let the database go."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection

    def create(self, job: Job, uploads: Mapping[str, IO[bytes]]) -> Job:
        """Keep a new job under an id that nobody can guess, with what was uploaded for it."""
        job = replace(job, id=secrets.token_hex(16))
        place = self.directory(job.id)
        place.mkdir(mode=0o700)
        try:
            self.add(job.id, uploads)
            with self._changing() as connection:
                marks = ", ".join("?" * len(_COLUMNS))
                connection.execute(f"insert into jobs ({', '.join(_COLUMNS)}) values ({marks})", _row(job))  # noqa: S608  names of our own
        except (OSError, sqlite3.Error):
            shutil.rmtree(place, ignore_errors=True)
            raise
        return job

    def add(self, identifier: str, uploads: Mapping[str, IO[bytes]]) -> None:
        """Keep what was uploaded for a job under the tables' names."""
        for name, file in uploads.items():
            with (self.directory(identifier) / f"{name}{_UPLOAD}").open("wb") as kept:
                shutil.copyfileobj(file, kept)

    def uploaded_bytes(self, identifier: str) -> int:
        """Return how much was uploaded for a job."""
        return sum(path.stat().st_size for path in self.uploads(identifier).values())

    def directory(self, identifier: str) -> Path:
        """Return where the files of a job lie."""
        return self._directory / identifier

    def uploads(self, identifier: str) -> dict[str, Path]:
        """Return what was uploaded for a job, by the tables' names."""
        return {path.stem: path for path in sorted(self.directory(identifier).glob(f"*{_UPLOAD}"))}

    def get(self, identifier: str) -> Job | None:
        """Return the job of that id."""
        with self._lock:
            row = self._connection.execute(f"select {', '.join(_COLUMNS)} from jobs where id = ?", (identifier,)).fetchone()  # noqa: S608
        return _job(row) if row else None

    def of(self, owner: str, asked: Filter) -> list[Job]:
        """Return an owner's jobs: the newest first where the last ones are asked for, else the oldest."""
        order = "desc" if asked.last is not None else "asc"
        with self._lock:
            rows = self._connection.execute(
                f"select {', '.join(_COLUMNS)} from jobs where owner = ? and phase <> 'ARCHIVED' order by created {order}",  # noqa: S608
                (owner,),
            ).fetchall()
        found = [job for job in map(_job, rows) if _fits(job, asked)]
        return found[: asked.last] if asked.last is not None else found

    def count(self, owner: str | None) -> int:
        """Return how many jobs an owner keeps."""
        with self._lock:
            return int(self._connection.execute("select count(*) from jobs where owner is ?", (owner,)).fetchone()[0])

    def unfinished(self) -> list[Job]:
        """Return the jobs that run, and then those that wait, the oldest of each first."""
        with self._lock:
            rows = self._connection.execute(
                f"select {', '.join(_COLUMNS)} from jobs where phase in ('QUEUED', 'EXECUTING') order by phase, created"  # noqa: S608
            ).fetchall()
        return list(map(_job, rows))

    def change(self, identifier: str, expected: Phase | None = None, **changes: Any) -> Job | None:
        """Change a job and return it; None where it is gone or is not in the phase that is expected."""
        with self._changing() as connection:
            row = connection.execute(f"select {', '.join(_COLUMNS)} from jobs where id = ?", (identifier,)).fetchone()  # noqa: S608
            job = _job(row) if row else None
            if job is None or (expected is not None and job.phase is not expected):
                return None
            job = replace(job, **changes)
            assignments = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
            connection.execute(f"update jobs set {assignments} where id = ?", (*_row(job)[1:], identifier))  # noqa: S608
        return job

    def destroy(self, identifier: str) -> None:
        """Forget a job and remove its files."""
        with self._changing() as connection:
            connection.execute("delete from jobs where id = ?", (identifier,))
        shutil.rmtree(self.directory(identifier), ignore_errors=True)

    def trouble(self) -> str | None:
        """Return why no job or result could be kept now; None where they can."""
        try:
            free = shutil.disk_usage(self._directory).free
            with self._changing() as connection:
                # It changes nothing, and asks for all that a change needs.
                connection.execute("update jobs set phase = phase where id = ''")
        except (OSError, sqlite3.Error):
            return "jobs cannot be kept: their database cannot be read or written"
        return "the disk is full" if free < _LEAST_BYTES else None

    def expired(self, at: datetime) -> list[str]:
        """Return the ids of the jobs whose time has come."""
        with self._lock:
            rows = self._connection.execute("select id from jobs where destruction <= ?", (at.timestamp(),)).fetchall()
        return [row[0] for row in rows]

    def sweep(self) -> None:
        """Remove the files that no job has and the results that were never whole: what a kill in between leaves."""
        with self._lock:
            known = {row[0] for row in self._connection.execute("select id from jobs")}
        for place in self._directory.iterdir():
            if place.is_dir() and place.name not in known:
                shutil.rmtree(place, ignore_errors=True)
        for part in self._directory.glob(f"*/*{PART}"):
            part.unlink(missing_ok=True)


def _fits(job: Job, asked: Filter) -> bool:
    return (not asked.phases or job.phase in asked.phases) and (asked.after is None or job.created > asked.after)


def _row(job: Job) -> tuple[Any, ...]:
    told: dict[str, Any] = {name: getattr(job, name) for name in _COLUMNS}
    for name in _TIMES:
        told[name] = told[name].timestamp() if told[name] is not None else None
    told["execution"] = job.execution.total_seconds()
    told["phase"] = job.phase.value
    told["parameters"], told["releases"] = json.dumps(job.parameters), json.dumps(job.releases)
    return tuple(told[name] for name in _COLUMNS)


def _job(row: tuple[Any, ...]) -> Job:
    told = dict(zip(_COLUMNS, row, strict=True))
    for name in _TIMES:
        told[name] = datetime.fromtimestamp(told[name], UTC) if told[name] is not None else None
    told["execution"] = timedelta(seconds=told["execution"])
    told["phase"] = Phase(told["phase"])
    for name in ("parameters", "releases"):
        told[name] = tuple((first, second) for first, second in json.loads(told[name]))
    return Job(**told)
