"""What UWS 1.1 and TAP 1.1 say of a job: its addresses, its times, and the parameters that it gets one after another."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from astropy.io.votable import parse
from defusedxml.ElementTree import fromstring

from tests.services.standin import SLOW, StandIn
from tests.services.test_tap_async import MEMBER, UWS, create_job, finished
from tests.services.waiting import until

ONE_ROW = (
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE><FIELD name="x" datatype="int"/>'
    "<DATA><TABLEDATA><TR><TD>{}</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@pytest.fixture
def member(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30, headers=MEMBER) as client:
        yield client


def upload(client: httpx.Client, job: str, name: str, value: int) -> httpx.Response:
    return client.post(f"{job}/parameters", data={"UPLOAD": f"{name},param:f"}, files={"f": ("f.xml", ONE_ROW.format(value).encode())})


def told(client: httpx.Client, job: str) -> dict[str, str | None]:
    return {each.tag.removeprefix(UWS): each.text for each in fromstring(client.get(job).content)}


def test_a_job_gets_all_that_it_needs_one_after_another(client: httpx.Client) -> None:
    made = client.post("/tap/async")
    assert made.status_code == 303
    job = made.headers["location"]
    query = "SELECT one.x AS a, two.x AS b FROM TAP_UPLOAD.one CROSS JOIN TAP_UPLOAD.two"
    for data in ({"LANG": "ADQL"}, {"QUERY": query}, {"RESPONSEFORMAT": "csv"}):
        changed = client.post(f"{job}/parameters", data=data)
        assert (changed.status_code, changed.headers["location"]) == (303, job)
    for name, value in (("one", 41), ("two", 42)):
        assert upload(client, job, name, value).status_code == 303
    listed = [(each.get("id"), each.text) for each in fromstring(client.get(f"{job}/parameters").content)]
    assert sorted(listed) == sorted(
        [("lang", "ADQL"), ("query", query), ("responseformat", "csv"), ("upload", "one,param:f"), ("upload", "two,param:f")]
    )
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    assert finished(client, job).findtext(f"{UWS}phase") == "COMPLETED"
    assert client.get(f"{job}/results/result").text.split() == ['"a","b"', "41,42"]


def test_a_table_that_was_uploaded_is_not_replaced(client: httpx.Client) -> None:
    job = create_job(client, "SELECT x FROM TAP_UPLOAD.mine", RESPONSEFORMAT="csv")
    assert upload(client, job, "mine", 1).status_code == 303
    assert upload(client, job, "MINE", 2).status_code == 400
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    finished(client, job)
    assert client.get(f"{job}/results/result").text.split() == ['"x"', "1"]
    assert upload(client, job, "other", 3).status_code == 403


def test_a_file_that_does_not_come_is_missed_at_once(client: httpx.Client) -> None:
    job = create_job(client)
    refused = client.post(f"{job}/parameters", data={"UPLOAD": "mine,param:f"})
    assert refused.status_code == 400
    assert "no such file came" in refused.text


def test_uploads_of_several_requests_have_one_limit(client: httpx.Client) -> None:
    job = create_job(client)
    large = b" " * (6 << 20) + ONE_ROW.format(1).encode()
    sent = [client.post(f"{job}/parameters", data={"UPLOAD": f"t{n},param:f"}, files={"f": ("f.xml", large)}) for n in range(2)]
    assert [answer.status_code for answer in sent] == [303, 413]


def test_what_a_job_lacks_is_told_when_it_is_run(client: httpx.Client) -> None:
    job = client.post("/tap/async", data={"QUERY": "SELECT 1 AS one"}).headers["location"]
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    described = finished(client, job)
    assert described.findtext(f"{UWS}phase") == "ERROR"
    assert "LANG" in str(described.findtext(f"{UWS}errorSummary/{UWS}message"))
    answer = client.get(f"{job}/error")
    assert answer.status_code == 200
    info = parse(io.BytesIO(answer.content)).resources[0].infos[0]
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")


def test_the_quote_is_the_latest_time_at_which_it_would_end(client: httpx.Client, engine: StandIn) -> None:
    job = create_job(client, SLOW, EXECUTIONDURATION="100")
    created = datetime.fromisoformat(str(told(client, job)["creationTime"]))
    quote = datetime.fromisoformat(client.get(f"{job}/quote").text)
    assert abs(quote - created - timedelta(seconds=100)) < timedelta(seconds=5)
    client.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "50"})
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    until(lambda: engine.running == 1)
    described = told(client, job)
    started = datetime.fromisoformat(str(described["startTime"]))
    assert abs(datetime.fromisoformat(str(described["quote"])) - started - timedelta(seconds=50)) < timedelta(seconds=5)
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})


def test_times_are_in_utc_and_say_so(client: httpx.Client) -> None:
    job = create_job(client, PHASE="RUN")
    finished(client, job)
    described = told(client, job)
    for name in ("quote", "creationTime", "startTime", "endTime", "destruction"):
        assert str(described[name]).endswith("Z"), name
        assert abs(datetime.fromisoformat(str(described[name])) - datetime.now(UTC)) < timedelta(days=31)
    assert client.get(f"{job}/destruction").text == described["destruction"]


def test_what_is_not_known_of_a_job_is_nil(client: httpx.Client) -> None:
    root = fromstring(client.get(create_job(client)).content)
    for name in ("ownerId", "startTime", "endTime"):
        part = root.find(f"{UWS}{name}")
        assert part is not None
        assert part.get(NIL) == "true"


@pytest.mark.parametrize(
    ("part", "data"),
    [
        ("/phase", {"PHASE": "ABORT"}),
        ("/destruction", {"DESTRUCTION": "2030-01-01T00:00:00.000Z"}),
        ("/executionduration", {"EXECUTIONDURATION": "9"}),
        ("/parameters", {"QUERY": "SELECT 1 AS one"}),
        ("", {"RUNID": "x"}),
        ("", {"PHASE": "RUN"}),
    ],
)
def test_who_changes_a_job_is_sent_to_the_job(client: httpx.Client, part: str, data: dict[str, str]) -> None:
    job = create_job(client)
    answer = client.post(job + part, data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, job)


@pytest.mark.parametrize("how", ["DELETE", "POST"])
def test_who_deletes_a_job_is_sent_to_the_list(client: httpx.Client, address: str, how: str) -> None:
    job = create_job(client)
    answer = client.delete(job) if how == "DELETE" else client.post(job, data={"ACTION": "DELETE"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address}/tap/async")
    for part in ("", "/phase", "/quote", "/executionduration", "/destruction", "/error", "/parameters", "/results", "/owner"):
        assert client.get(job + part).status_code == 404


def test_filters_of_a_list_hold_together_and_the_last_come_first(member: httpx.Client) -> None:
    jobs = [create_job(member, "SELECT 1 AS one") for _ in range(4)]
    created = [str(told(member, job)["creationTime"]) for job in jobs]
    member.post(f"{jobs[1]}/phase", data={"PHASE": "ABORT"})

    def listed(**asked: str) -> list[str]:
        root = fromstring(member.get("/tap/async", params=asked).content)
        assert root.get("version") == "1.1"
        return [str(each.get("{http://www.w3.org/1999/xlink}href")) for each in root.findall(f"{UWS}jobref")]

    assert listed(LAST="2") == [jobs[3], jobs[2]]
    assert listed(PHASE="PENDING", LAST="3") == [jobs[3], jobs[2], jobs[0]]
    assert listed(PHASE="ABORTED", LAST="3") == [jobs[1]]
    assert set(listed(AFTER=created[1])) <= {*jobs[1:]}
    assert listed(AFTER=created[3], PHASE="ABORTED") == []


def test_nothing_is_waited_for_where_nothing_will_change(client: httpx.Client) -> None:
    job = create_job(client)
    began = datetime.now(UTC)
    # It is PENDING, so one who saw it QUEUED is told at once; one that has ended does not change.
    assert fromstring(client.get(job, params={"WAIT": "60", "PHASE": "QUEUED"}).content).findtext(f"{UWS}phase") == "PENDING"
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    assert fromstring(client.get(job, params={"WAIT": "-1"}).content).findtext(f"{UWS}phase") == "ABORTED"
    assert datetime.now(UTC) - began < timedelta(seconds=30)


def test_the_result_of_no_rows_is_there(client: httpx.Client) -> None:
    job = create_job(client, "SELECT id FROM demo.stars WHERE id < 0", PHASE="RUN")
    described = finished(client, job)
    [result] = described.findall(f"{UWS}results/{UWS}result")
    assert result.get("{http://www.w3.org/1999/xlink}href") == f"{job}/results/result"
    assert len(parse(io.BytesIO(client.get(f"{job}/results/result").content)).get_first_table().array) == 0
    assert client.get(f"{job}/results/other").status_code == 404
    assert client.get(f"{job}/error").status_code == 404
