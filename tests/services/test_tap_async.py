"""TAP's jobs: UWS 1.1 as pyvo and astroquery meet it, and what a job lives through."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

import httpx
import pytest
import pyvo
from astropy.table import Table
from astroquery.utils.tap.core import TapPlus
from bowerbird_services.app import create
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.jobs import JobStore
from defusedxml.ElementTree import fromstring

from tests.services.people import Tokens, identities
from tests.services.serving import served
from tests.services.standin import SLOW, StandIn
from tests.services.waiting import until

# Clients of others leave connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
QUERY = "SELECT id, ra, dec FROM demo.stars ORDER BY id"
MEMBER = {"Authorization": "Bearer token-of-member"}


def create_job(client: httpx.Client, query: str = QUERY, **more: str) -> str:
    answer = client.post("/tap/async", data={"LANG": "ADQL", "QUERY": query, **more})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def phase(client: httpx.Client, job: str, wait: str = "") -> str:
    return client.get(f"{job}/phase{wait}").text


def finished(client: httpx.Client, job: str) -> Element:
    seen = "PENDING"
    while seen in {"PENDING", "QUEUED", "EXECUTING"}:
        answer = client.get(f"{job}?WAIT=20&PHASE={seen}")
        described = fromstring(answer.content)
        seen = described.findtext(f"{UWS}phase") or ""
    return described


@pytest.fixture
def member(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30, headers=MEMBER) as client:
        yield client


def test_pyvo_runs_a_job(address: str) -> None:
    table = pyvo.dal.TAPService(f"{address}/tap").run_async(QUERY, maxrec=10).to_table()
    assert len(table) == 10


def test_pyvo_uploads_to_a_job(address: str) -> None:
    mine = Table({"key": [9007199254740995]})
    query = "SELECT s.id FROM demo.stars s JOIN TAP_UPLOAD.mine u ON s.id = u.key"
    assert pyvo.dal.TAPService(f"{address}/tap").run_async(query, uploads={"mine": mine}).to_table()["id"].tolist() == [9007199254740995]


def test_astroquery_runs_sync_and_async(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    service = TapPlus(url=f"{address}/tap", verbose=False)
    assert len(service.launch_job(QUERY, verbose=False).get_results()) == 1000
    assert len(service.launch_job_async(QUERY, verbose=False).get_results()) == 1000
    capsys.readouterr()
    del service
    gc.collect()


def test_job_runs_when_it_is_told_so(client: httpx.Client) -> None:
    job = create_job(client)
    assert phase(client, job) == "PENDING"
    assert client.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 303
    described = finished(client, job)
    assert described.findtext(f"{UWS}phase") == "COMPLETED"
    result = described.find(f"{UWS}results/{UWS}result")
    assert result is not None
    answer = client.get(result.attrib["{http://www.w3.org/1999/xlink}href"])
    assert answer.status_code == 200
    assert len(answer.content) == int(result.attrib["size"])


def test_job_runs_at_once_where_it_is_created_so(client: httpx.Client) -> None:
    assert finished(client, create_job(client, PHASE="RUN")).findtext(f"{UWS}phase") == "COMPLETED"


def test_waiting_blocks_until_the_phase_changes(client: httpx.Client) -> None:
    job = create_job(client, SLOW, PHASE="RUN")
    until(lambda: phase(client, job) == "EXECUTING")
    began = time.monotonic()
    assert phase(client, job, "?WAIT=1") == "EXECUTING"
    assert time.monotonic() - began >= 1
    assert client.get(f"{job}?WAIT=60&PHASE=QUEUED").status_code == 200, "it is in another phase already"
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    assert phase(client, job, "?WAIT=-1") == "ABORTED"


def test_a_job_that_runs_tells_how_many_rows_have_come(client: httpx.Client) -> None:
    # So many rows a second that it goes on for long, however many it may have.
    steady = "SELECT a.range AS n FROM range(4000000) a, range(4000000) b WHERE (a.range * b.range) % 1009 = 3"
    job = create_job(client, steady, PHASE="RUN", MAXREC="10000000")

    def told() -> str | None:
        return fromstring(client.get(job).content).findtext(f"{UWS}jobInfo/rows")

    until(lambda: int(told() or 0) >= 10_000)
    client.delete(job)
    assert fromstring(client.get(finished_job(client)).content).find(f"{UWS}jobInfo") is None


def finished_job(client: httpx.Client) -> str:
    job = create_job(client, PHASE="RUN")
    finished(client, job)
    return job


def test_abort_stops_the_query(client: httpx.Client, engine: StandIn) -> None:
    job = create_job(client, SLOW, PHASE="RUN")
    until(lambda: engine.running == 1)
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    assert phase(client, job) == "ABORTED"
    assert engine.running == 0


def test_delete_stops_the_query_and_forgets_the_job(client: httpx.Client, engine: StandIn, jobs: JobStore) -> None:
    job = create_job(client, SLOW, PHASE="RUN")
    until(lambda: engine.running == 1)
    assert client.delete(job).status_code == 303
    assert engine.running == 0
    assert client.get(job).status_code == 404
    assert not jobs.directory(job.rpartition("/")[2]).exists()


def test_query_that_waits_for_room_is_aborted_too(member: httpx.Client, engine: StandIn) -> None:
    running = [create_job(member, SLOW, PHASE="RUN") for _ in range(5)]
    until(lambda: engine.running == 4)
    waiting = next(job for job in running if phase(member, job) == "QUEUED")
    member.post(f"{waiting}/phase", data={"PHASE": "ABORT"})
    assert phase(member, waiting) == "ABORTED"
    for job in running:
        member.delete(job)
    assert engine.running == 0


def test_many_jobs_of_one_keep_no_other_waiting(member: httpx.Client, client: httpx.Client, engine: StandIn) -> None:
    slow = [create_job(member, SLOW, PHASE="RUN") for _ in range(6)]
    until(lambda: engine.running == 4)
    assert finished(client, create_job(client, PHASE="RUN")).findtext(f"{UWS}phase") == "COMPLETED"
    assert sorted(phase(member, job) for job in slow) == ["EXECUTING"] * 4 + ["QUEUED"] * 2
    for job in slow:
        member.delete(job)


def test_execution_duration_is_kept_to(client: httpx.Client, engine: StandIn) -> None:
    job = create_job(client, SLOW, EXECUTIONDURATION="0")
    assert client.get(f"{job}/executionduration").text == "600", "no limit is not given"
    client.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "1"})
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    described = finished(client, job)
    assert described.findtext(f"{UWS}phase") == "ERROR"
    assert "1 s" in (described.findtext(f"{UWS}errorSummary/{UWS}message") or "")
    assert 'value="ERROR"' in client.get(f"{job}/error").text
    assert engine.running == 0


def test_job_that_cannot_be_answered_says_why(client: httpx.Client) -> None:
    job = create_job(client, "SELECT nothing FROM nowhere", PHASE="RUN")
    assert finished(client, job).findtext(f"{UWS}phase") == "ERROR"
    assert "nowhere" in client.get(f"{job}/error").text
    assert client.get(f"{job}/results/result").status_code == 404


def test_jobs_are_their_owners_alone(member: httpx.Client, client: httpx.Client) -> None:
    job = create_job(member, RUNID="mine", PHASE="RUN")
    finished(member, job)
    assert job.rpartition("/")[2] in member.get("/tap/async").text
    for headers in ({}, {"Authorization": "Bearer token-of-stranger"}):
        assert "jobref" not in client.get("/tap/async", headers=headers).text
        for path in ("", "/phase", "/results/result", "/parameters"):
            assert client.get(job + path, headers=headers).status_code == 404
        assert client.delete(job, headers=headers).status_code == 404
    assert member.get(job).status_code == 200


def test_list_is_filtered(member: httpx.Client) -> None:
    first, second = create_job(member), create_job(member, PHASE="RUN")
    finished(member, second)

    def listed(query: str) -> list[str]:
        root = fromstring(member.get(f"/tap/async{query}").content)
        return [each.attrib["id"] for each in root.findall(f"{UWS}jobref")]

    ids = [job.rpartition("/")[2] for job in (first, second)]
    assert listed("") == ids
    assert listed("?PHASE=COMPLETED") == ids[1:]
    assert listed("?PHASE=COMPLETED&PHASE=PENDING") == ids
    assert listed("?LAST=1") == ids[1:]
    assert listed("?AFTER=2200-01-01T00:00:00Z") == []


def test_expired_job_goes_away(client: httpx.Client, site: Site) -> None:
    job = create_job(client)
    client.post(f"{job}/destruction", data={"DESTRUCTION": "2200-01-01"})
    assert datetime.fromisoformat(client.get(f"{job}/destruction").text) < datetime.now(UTC) + timedelta(days=8), "not for ever"
    client.post(f"{job}/destruction", data={"DESTRUCTION": "2000-01-01T00:00:00Z"})
    until(lambda: client.get(job).status_code == 404)


def test_parameters_are_changed_before_the_run_only(client: httpx.Client) -> None:
    job = create_job(client, "SELECT nonsense")
    assert client.post(f"{job}/parameters", data={"QUERY": "SELECT 1 AS one"}).status_code == 303
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    assert finished(client, job).findtext(f"{UWS}phase") == "COMPLETED"
    assert client.post(f"{job}/parameters", data={"QUERY": "SELECT 2 AS two"}).status_code == 403


def test_jobs_outlive_the_service_and_run_again(engine: StandIn, tokens: Tokens, tmp_path: Path) -> None:
    def again(store: JobStore) -> object:
        return create(Site(engine, identities(tokens), Threads(2), tmp_path), store)

    store = JobStore(tmp_path / "jobs")
    with served(again(store)) as address, httpx.Client(base_url=address, timeout=30) as client:  # type: ignore[arg-type]
        done = create_job(client, PHASE="RUN").rpartition("/")[2]
        finished(client, f"/tap/async/{done}")
        running = create_job(client, SLOW, PHASE="RUN").rpartition("/")[2]
        until(lambda: engine.running == 1)
    assert engine.running == 0, "the query ends with the service"
    store.close()
    store = JobStore(tmp_path / "jobs")
    with served(again(store)) as address, httpx.Client(base_url=address, timeout=30) as client:  # type: ignore[arg-type]
        assert client.get(f"/tap/async/{done}/results/result").status_code == 200
        until(lambda: engine.running == 1)
        assert phase(client, f"/tap/async/{running}") == "EXECUTING"
    store.close()
    store = JobStore(tmp_path / "jobs")
    with served(again(store)) as address, httpx.Client(base_url=address, timeout=30) as client:  # type: ignore[arg-type]
        assert phase(client, f"/tap/async/{running}") == "ERROR", "what may have ended the service twice is not run a third time"
        assert "not run again" in client.get(f"/tap/async/{running}").text
    store.close()


def test_parameters_that_come_at_once_are_all_kept(client: httpx.Client) -> None:
    job = create_job(client)

    def said(number: int) -> int:
        return httpx.post(f"{job}/parameters", data={f"NOTE{number}": "x"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(said, range(24))) == {303}
    told = client.get(f"{job}/parameters").text.upper()
    assert [number for number in range(24) if f'"NOTE{number}"' not in told] == []
