"""Who is interrupted leaves nothing running, wherever that comes."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bowerbird
import pytest
from bowerbird.errors import JobLost
from bowerbird.vo import fetch
from bowerbird.vo.cache import Cache
from bowerbird.vo.http import HTTP
from bowerbird.vo.jobs import Job
from bowerbird.vo.loop import Loop
from bowerbird.vo.records import Record, Records
from bowerbird.vo.results import spool
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird.vo.uws import Phase
from bowerbird.votable import Field, Header, Info, Writer

from tests.extensions.vo.conftest import QUERY
from tests.support.interrupts import Interrupt
from tests.support.sessions import forget
from tests.support.tap_server import Behaviour, Reply, positions, until
from tests.support.tap_server import Job as TAPJob


@pytest.mark.parametrize("reads_phase", [True, False])
def test_interrupted_at_every_await_no_job_is_left(tap: Behaviour, records: Records, tmp_path: Path, reads_phase: bool) -> None:
    tap.reads_phase = reads_phase

    async def asked(at: int) -> bool:
        async with HTTP(Tokens(), pause_seconds=0.01) as http:
            kept = Cache(tmp_path / f"answers-{at}")
            work = TAP(http, tap.url, records, kept=kept).ask(Question(QUERY, background=True), seconds=20)
            task = asyncio.ensure_future(_awaited(work, at))
            try:
                (await task).file.close()
            except asyncio.CancelledError:
                return True
            return False

    async def _awaited(work: Any, at: int) -> Any:
        return await Interrupt(at).of(work)

    stopped = 0
    while asyncio.run(asked(stopped + 1)):
        stopped += 1
        assert not tap.jobs, f"interrupted at await {stopped}"
        assert not records.all(), f"interrupted at await {stopped}"
        assert not list(tmp_path.glob("answers-*/*.part")), f"interrupted at await {stopped}"
    assert stopped > 20
    assert len(tap.asked("POST", "/async")) > stopped // 2


def test_interrupted_at_every_await_of_an_answer_at_once_no_file_is_left_open(
    tap: Behaviour, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Any] = []

    def spooled() -> Any:
        files.append(spool())
        return files[-1]

    monkeypatch.setattr(fetch, "spool", spooled)

    async def asked(at: int) -> bool:
        async with HTTP(Tokens(), pause_seconds=0.01) as http:
            kept = Cache(tmp_path / f"answers-{at}")
            work = TAP(http, tap.url, records, kept=kept).ask(Question(QUERY), seconds=20)
            try:
                (await asyncio.ensure_future(Interrupt(at).of(work))).file.close()
            except asyncio.CancelledError:
                return True
            return False

    stopped = 0
    while asyncio.run(asked(stopped + 1)):
        stopped += 1
        assert all(file.closed for file in files), f"interrupted at await {stopped}"
        assert not list(tmp_path.glob("answers-*/*.part")), f"interrupted at await {stopped}"
    assert stopped > 10
    assert files


def test_interrupted_at_every_await_of_an_answer_on_disk_no_file_is_left_open(
    tap: Behaviour, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(Header([Field("id", "long")], [Info("ACCESS", "public"), Info("EDITION", "demo.stars 1")]))
    tap.answer = lambda _: writer.start() + writer.rows([[1, 2]]) + writer.end()
    tap.editions = {"demo.stars": "1"}
    files: list[Any] = []
    usual = Cache.get

    def got(cache: Cache, key: str) -> Any:
        file = usual(cache, key)
        files.extend([file] if file else [])
        return file

    monkeypatch.setattr(Cache, "get", got)

    async def asked(at: int) -> bool:
        async with HTTP(Tokens(), pause_seconds=0.01) as http:
            work = TAP(http, tap.url, records, kept=Cache(tmp_path / "answers")).ask(Question(QUERY), seconds=20)
            try:
                (await asyncio.ensure_future(Interrupt(at).of(work))).file.close()
            except asyncio.CancelledError:
                return True
            return False

    assert not asyncio.run(asked(1_000_000)), "it is kept first"
    stopped = 0
    while asyncio.run(asked(stopped + 1)):
        stopped += 1
        assert all(file.closed for file in files), f"interrupted at await {stopped}"
    assert stopped > 2
    assert len(files) > stopped
    assert len(tap.asked("POST", "/sync")) == 1


def test_an_interrupt_of_a_cell_stops_the_job_and_returns(tap: Behaviour, tmp_path: Path) -> None:
    tap.finishes = False
    code = f"import bowerbird; bowerbird.query({QUERY!r}, service={tap.url!r}, background=True)"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(tap, lambda: tap.jobs and [seen for seen in tap.seen if "/async/" in seen.path])
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert "KeyboardInterrupt" in said
    assert [what for _, what in tap.ended] == ["ABORT", "DELETE"]
    assert not Records.of(environment).all()


def test_a_job_is_found_again_after_its_kernel_was_killed(tap: Behaviour, tmp_path: Path) -> None:
    tap.finishes = False
    code = f"import bowerbird; bowerbird.query({QUERY!r}, service={tap.url!r}, background=True)"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        until(tap, lambda: [seen for seen in tap.seen if "/async/" in seen.path])
        process.kill()
    records = Records.of(environment)
    (record,) = records.all()
    assert (record.query, record.service) == (QUERY, tap.url)
    tap.finishes = True

    async def fetched() -> int:
        async with HTTP(Tokens()) as http, Job.found(http, record, records) as job:
            with (answer := await TAP(http, tap.url, records).result(job, Question(QUERY))).file:
                return len(answer.votable.table)

    assert asyncio.run(fetched()) == 3
    assert not records.all()
    assert not tap.jobs


@pytest.fixture
def left(tap: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A job whose kernel was killed, as its owner finds it in the next one."""
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    tap.jobs["1"] = TAPJob(QUERY, "EXECUTING")
    tap.finishes = False
    Records.of(environment).put(Record(f"{tap.url}/async/1", tap.url, QUERY))
    forget()
    (found,) = bowerbird.jobs()
    yield found
    forget()


def test_who_was_killed_gets_the_rows_in_the_next_kernel(tap: Behaviour, left: Any) -> None:
    assert (left.query, left.service) == (QUERY, tap.url)
    tap.finishes = True
    assert len(left.rows()) == 3
    assert not tap.jobs
    assert not bowerbird.jobs()


def test_a_job_whose_rows_have_no_such_form_is_kept(tap: Behaviour, left: Any) -> None:
    tap.finishes = True
    with pytest.raises(ValueError, match="'votable'"):
        left.rows(form="votable")
    assert len(bowerbird.jobs()) == 1
    assert len(left.rows(form="arrow")) == 3


def test_a_job_that_was_left_goes_on_where_it_is_not_waited_for_long_enough(tap: Behaviour, left: Any) -> None:
    with pytest.raises(bowerbird.ServiceError, match=r"was not done within 0\.1 s; ask again later; the job goes on"):
        left.rows(seconds=0.1)
    assert tap.jobs["1"].phase == "EXECUTING"
    assert len(bowerbird.jobs()) == 1


def test_a_job_that_was_left_is_stopped_or_told_to_have_failed(tap: Behaviour, left: Any) -> None:
    tap.jobs["1"].error, tap.finishes = "no column 'foo'", True
    with pytest.raises(bowerbird.QueryRefused, match="no column 'foo'"):
        left.rows()
    assert not bowerbird.jobs()
    tap.jobs["1"], tap.finishes = TAPJob(QUERY, "EXECUTING"), False
    left.stop()
    assert [what for _, what in tap.ended] == ["DELETE", "ABORT", "DELETE"]


def test_a_job_that_its_service_could_not_delete_is_still_on_record(tap: Behaviour, records: Records) -> None:
    tap.odd = lambda seen: Reply(500, b"no", "text/plain") if seen.method == "DELETE" else None

    async def ask() -> None:
        async with HTTP(Tokens(), pause_seconds=0.01) as http:
            (await TAP(http, tap.url, records).ask(Question(QUERY, background=True), seconds=20)).file.close()

    asyncio.run(ask())
    assert [record.url for record in records.all()] == [f"{tap.url}/async/{name}" for name in tap.jobs]


def test_a_job_that_was_aborted_elsewhere_is_told(tap: Behaviour, records: Records) -> None:
    tap.finishes = False
    heard: list[Phase] = []

    def follow(state: Any) -> None:
        heard.append(state.phase)
        for job in tap.jobs.values():
            job.phase = "ABORTED"

    async def ask() -> None:
        async with HTTP(Tokens()) as http:
            await TAP(http, tap.url, records).ask(Question(QUERY, background=True), seconds=20, follow=follow)

    with pytest.raises(JobLost, match="it is ABORTED"):
        asyncio.run(ask())
    assert heard == [Phase.EXECUTING, Phase.ABORTED]


@pytest.mark.parametrize(
    ("told", "heard"),
    [("<rows>1234567</rows>", 1234567), ("<rows>many</rows>", None), (f"<rows>{'9' * 5000}</rows>", None), ("", None)],
)
def test_who_follows_a_job_hears_how_many_rows_have_come(tap: Behaviour, records: Records, told: str, heard: int | None) -> None:
    tap.info = f"<uws:jobInfo>{told}</uws:jobInfo>"
    states: list[Any] = []

    async def ask() -> None:
        async with HTTP(Tokens()) as http:
            service = TAP(http, tap.url, records)
            (await service.ask(Question(QUERY, background=True), seconds=20, follow=states.append)).file.close()

    asyncio.run(ask())
    assert {state.rows for state in states} == {heard}


def test_damaged_records_are_passed_over(records: Records) -> None:
    records.put(Record("http://x/1", "http://x", "q"))
    assert records.folder
    (records.folder / "y.json").write_text("{")
    (records.folder / "z.json").write_text('{"a": 1}')
    assert [record.url for record in records.all()] == ["http://x/1"]
    Records(records.folder / "y.json").put(Record("http://x/2", "http://x", "q"))


def test_the_loop_gives_what_is_returned_and_raised() -> None:
    async def one() -> int:
        return 1

    async def none() -> int:
        raise ValueError("none")

    loop = Loop()
    assert loop.run(one()) == 1
    with pytest.raises(ValueError, match="none"):
        loop.run(none())


def test_rows_in_one_line(tap: Behaviour) -> None:
    table = bowerbird.query(QUERY, tables={"mine": {"a": [1, 2]}}, service=tap.url)
    assert len(table) == 3
    assert type(table).__name__ == "QTable"
    assert bowerbird.query(QUERY, service=tap.url, form="arrow").num_rows == 3
    with pytest.raises(ValueError, match="form is 'csv'"):
        bowerbird.query(QUERY, service=tap.url, form="csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ask",
    [
        lambda url: bowerbird.query("SELECT * FROM stars WHERE 1=CONTAINS(a, b)", service=url),
        lambda url: bowerbird.cone((1, 2), "1 deg", "stars", service=url),
    ],
    ids=["query", "cone"],
)
def test_rows_that_are_missing_are_warned_of_at_the_line_that_asks(tap: Behaviour, ask: Callable[[str], Any]) -> None:
    tap.answer = lambda seen: positions(seen, overflow="CONTAINS" in seen.form["QUERY"])
    with pytest.warns(bowerbird.Overflow, match="cut the answer off at 2 rows") as caught:
        ask(tap.url)
    assert [one.filename for one in caught] == [__file__]


def test_without_a_platform_a_service_is_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from bowerbird.vo.session import Session

    with pytest.raises(ValueError, match="name a TAP service"):
        Session({}).tap(None)
