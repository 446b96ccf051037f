"""What breaks while the service runs: a file of a table, the disk, the service itself, a token; and queries that would never end."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

import httpx
import pytest
from bowerbird_services.allowances import Allowance
from bowerbird_services.app import create
from bowerbird_services.identity import Identities
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.jobs import JobStore
from defusedxml.ElementTree import fromstring

from tests.services.people import Tokens, identities
from tests.services.real import Real, real_service
from tests.services.serving import served
from tests.services.standin import StandIn
from tests.services.test_dali import refused
from tests.services.test_tap_async import UWS, create_job, finished, phase
from tests.services.waiting import until
from tests.support.disk import small_disk

AVAILABILITY = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
MARKS = "'); --"
MEMBER = {"Authorization": "Bearer token-of-member"}


@pytest.fixture
def known(tokens: Tokens) -> Identities:
    return identities(tokens)


@pytest.fixture
def real(tmp_path: Path, known: Identities) -> Iterator[Real]:
    with real_service(tmp_path, known, 3000) as real:
        yield real


@pytest.fixture
def client(real: Real) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=real.address, timeout=60, headers=MEMBER) as client:
        yield client


def ask(client: httpx.Client, query: str, **more: str) -> httpx.Response:
    return client.get("/tap/sync", params={"LANG": "ADQL", "RESPONSEFORMAT": "csv", "QUERY": query, **more})


def told(client: httpx.Client) -> tuple[bool, str | None]:
    root = fromstring(client.get("/tap/availability").content)
    return root.findtext(f"{AVAILABILITY}available") == "true", root.findtext(f"{AVAILABILITY}note")


def trouble(client: httpx.Client) -> str | None:
    available, note = told(client)
    assert available is (note is None)
    return note


def test_file_of_a_table_that_vanished_is_told_by_the_tables_name_and_others_go_on(
    real: Real, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert trouble(client) is None
    assert ask(client, "SELECT AVG(mag) AS m FROM demo_dr2.stars").status_code == 200
    real.tables[1].files[0].unlink()
    answer = ask(client, "SELECT name FROM demo_dr2.stars")
    refused(answer, 503, "demo_dr2.stars", "cannot be read")
    assert str(real.tables[1].files[0].parent) not in answer.text
    job = create_job(client, "SELECT name FROM demo_dr2.stars", PHASE="RUN")
    assert "demo_dr2.stars" in (finished(client, job).findtext(f"{UWS}errorSummary/{UWS}message") or "")
    assert ask(client, "SELECT name FROM demo_dr1.stars").status_code == 200
    for _ in range(2):
        available, note = told(client)
        assert available, "one table is out, and the service is there"
        assert note is not None
        assert "1 of 2 tables" in note
        assert "demo" not in note, "whoever asks need not be able to see the table"
    assert [record.args for record in caplog.records if "damaged" in record.msg] == [("demo_dr2.stars",)]


@pytest.mark.parametrize("left", [0, 3, 0.5])
def test_file_of_a_table_that_was_cut_off_is_told_and_others_go_on(real: Real, client: httpx.Client, left: float) -> None:
    file = real.tables[1].files[0]
    os.truncate(file, int(left if left != 0.5 else file.stat().st_size / 2))
    refused(ask(client, "SELECT * FROM demo_dr2.stars"), 503, "demo_dr2.stars", "cannot be read")
    assert ask(client, "SELECT name FROM demo_dr1.stars").status_code == 200
    available, note = told(client)
    assert available
    assert "1 of 2 tables" in (note or "")


def test_query_that_would_never_end_is_stopped_by_its_time(real: Real, client: httpx.Client) -> None:
    real.site.limits = lambda _platform, _identity: replace(Allowance(), sync=timedelta(seconds=0.5))
    tables = ", ".join(f"demo_dr1.stars AS s{number}" for number in range(4))
    query = f"SELECT COUNT(*) AS n FROM {tables} WHERE s0.ra * s1.dec > s2.ra * s3.dec"  # noqa: S608
    refused(ask(client, query), 400, "longer than 0.5 s")
    real.site.limits = lambda _platform, _identity: Allowance()
    assert ask(client, "SELECT COUNT(*) AS n FROM demo_dr1.stars").status_code == 200


def test_names_and_texts_that_look_like_sql_are_names_and_texts(real: Real, client: httpx.Client) -> None:
    evil = 'x"; DROP VIEW "demo_dr1.stars"; --'
    fields = f'<FIELD name={quoteattr(evil)} datatype="int"/><FIELD name={quoteattr(MARKS)} datatype="char" arraysize="*"/>'
    rows = "<TR><TD>1</TD><TD>a'b</TD></TR><TR><TD>2</TD><TD>; DROP TABLE y</TD></TR>"
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>"
    content = f'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>{table}</RESOURCE></VOTABLE>'
    quoted = evil.replace('"', '""')
    query = f"""SELECT "{quoted}", 'a''; DROP TABLE z; --' AS "q""t" FROM TAP_UPLOAD.mine WHERE "{MARKS}" = 'a''b'"""  # noqa: S608
    answer = client.post(
        "/tap/sync",
        data={"LANG": "ADQL", "RESPONSEFORMAT": "csv", "UPLOAD": "mine,param:t", "QUERY": query},
        files={"t": ("t.xml", content.encode())},
    )
    assert answer.text.splitlines()[1:] == ['1,"a\'; DROP TABLE z; --"']
    assert ask(client, "SELECT COUNT(*) AS n FROM demo_dr1.stars").text.split() == ['"n"', "3000"]


def test_token_that_ends_in_the_middle_of_a_job_hides_the_job_until_there_is_another(client: httpx.Client, tokens: Tokens) -> None:
    job = create_job(client, "SELECT name FROM demo_dr2.stars", RESPONSEFORMAT="csv")
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    tokens.revoked.add("token-of-member")
    refused(client.get(job), 401)
    refused(client.get(f"{job}/results/result"), 401)
    assert httpx.get(job).status_code == 404, "nobody's eyes do not see it either"
    tokens.revoked.clear()
    assert finished(client, job).findtext(f"{UWS}phase") == "COMPLETED", "the job is its owner's, not the token's"
    assert len(client.get(f"{job}/results/result").text.split()) > 3000


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk with little room."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", tmp_path / "below", "32"):
        yield tmp_path / "disk"


MANY = "SELECT range AS n, 'some text that takes its room' AS t FROM range(9000000)"


@pytest.mark.root
@pytest.mark.parametrize("form", ["csv", "votable", "fits"])
def test_full_disk_ends_the_job_with_a_sentence_and_without_half_a_result(engine: StandIn, tokens: Tokens, full: Path, form: str) -> None:
    store = JobStore(full / "jobs")
    site = Site(engine, identities(tokens), Threads(4), full)
    with served(create(site, store)) as address, httpx.Client(base_url=address, timeout=60, headers=MEMBER) as client:
        assert trouble(client) is None
        job = create_job(client, MANY, MAXREC="9000000", RESPONSEFORMAT=form, PHASE="RUN")
        described = finished(client, job)
        assert described.findtext(f"{UWS}phase") == "ERROR"
        assert "disk is full" in (described.findtext(f"{UWS}errorSummary/{UWS}message") or "")
        assert list(store.directory(job.rpartition("/")[2]).iterdir()) == []
        assert engine.running == 0
        assert finished(client, create_job(client, "SELECT 1 AS one", PHASE="RUN")).findtext(f"{UWS}phase") == "COMPLETED"
    store.close()


@pytest.mark.root
def test_disk_without_any_room_is_told_and_forgotten_when_it_has_some(engine: StandIn, tokens: Tokens, full: Path) -> None:
    store = JobStore(full / "jobs")
    site = Site(engine, identities(tokens), Threads(4), full)
    with served(create(site, store)) as address, httpx.Client(base_url=address, timeout=60, headers=MEMBER) as client:
        with (full / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                _fill(filler, size)
        assert trouble(client) == "the disk is full"
        answer = client.post("/tap/async", data={"LANG": "ADQL", "QUERY": "SELECT 1 AS one" + " " * 100_000})
        refused(answer, 503)
        assert ask(client, "SELECT 1 AS one").status_code == 200, "what needs no room goes on"
        (full / "filler").unlink()
        assert trouble(client) is None
        assert phase(client, create_job(client, "SELECT 1 AS one")) == "PENDING"
    store.close()


def _fill(file: io.RawIOBase, size: int) -> None:
    try:
        while file.write(b"x" * size) == size:
            pass
    except OSError:
        return


def test_database_that_is_damaged_is_told(real: Real, client: httpx.Client, tmp_path: Path) -> None:
    for path in (tmp_path / "jobs").glob("jobs.sqlite*"):
        path.write_bytes(b"nonsense" * 2000)
    refused(client.post("/tap/async", data={"LANG": "ADQL", "QUERY": "SELECT 1"}), 503)
    assert "database" in (trouble(client) or "")
    assert ask(client, "SELECT COUNT(*) AS n FROM demo_dr1.stars").status_code == 200


@contextmanager
def running(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """Run a service in a process of its own, which may be killed."""
    command = [sys.executable, "-m", "tests.services.standalone", str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().decode().strip()
            with httpx.Client(base_url=address, timeout=30) as client:
                yield process, client
        finally:
            process.kill()


def test_service_that_is_killed_runs_its_jobs_once_more_and_then_says_why_not(tmp_path: Path) -> None:
    rows_and_no_end = "SELECT a.range AS n FROM range(4000000) a, range(4000000) b WHERE (a.range * b.range) % 1009 = 3"
    with running(tmp_path) as (process, client):
        done = create_job(client, PHASE="RUN")
        finished(client, done)
        # Two of them are all that anonymous jobs may be at once.
        deadly, other = (create_job(client, rows_and_no_end, MAXREC="10000000", PHASE="RUN") for _ in range(2))
        queued = create_job(client, PHASE="RUN")
        part = tmp_path / "jobs" / deadly.rpartition("/")[2] / "result.part"
        until(lambda: part.exists() and part.stat().st_size > 0)
        assert phase(client, queued) == "QUEUED"
        process.kill()
    deadly, other, queued, done = (httpx.URL(job).path for job in (deadly, other, queued, done))
    with running(tmp_path) as (process, client):
        until(lambda: phase(client, deadly) == phase(client, other) == "EXECUTING")
        assert phase(client, queued) == "QUEUED"
        assert client.get(f"{done}/results/result").status_code == 200
        process.kill()
    with running(tmp_path) as (_, client):
        for job in (deadly, other):
            described = finished(client, job)
            assert described.findtext(f"{UWS}phase") == "ERROR"
            assert "not run again" in (described.findtext(f"{UWS}errorSummary/{UWS}message") or "")
        assert finished(client, queued).findtext(f"{UWS}phase") == "COMPLETED"
        assert list((tmp_path / "jobs").glob("*/*.part")) == []


def test_service_that_knows_nobody_yet_is_not_available(tmp_path: Path, engine: StandIn, tokens: Tokens) -> None:
    known = identities(tokens)
    known.records.forget_all()
    store = JobStore(tmp_path / "jobs")
    with served(create(Site(engine, known, Threads(2), tmp_path), store)) as address, httpx.Client(base_url=address) as client:
        assert "who is who" in (trouble(client) or "")
        known.records.take({"kind": "synced"})
        until(lambda: trouble(client) is None)
    store.close()
