"""The whole service over the real tables and the real ADQL, really served."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bowerbird_config.identity import ANONYMOUS, IdentityRecord
from bowerbird_services.cone import ConeSearch
from bowerbird_services.engine import QueryFault
from bowerbird_services.identity import Identities

from tests.services.people import identities
from tests.services.real import real_service


@pytest.fixture
def known() -> Identities:
    return identities()


@pytest.fixture
def address(tmp_path: Path, known: Identities) -> Iterator[str]:
    with real_service(tmp_path, known) as real:
        yield real.address


def test_abort_stops_a_query_that_has_no_row_yet(address: str) -> None:
    tables = ", ".join(f"demo_dr1.stars AS s{number}" for number in range(5))
    adql = f"SELECT COUNT(*) AS n FROM {tables} WHERE s0.ra * s1.dec > s2.ra * s3.dec + s4.ra"  # noqa: S608
    with httpx.Client(timeout=60) as client:
        created = client.post(f"{address}/tap/async", data={"LANG": "ADQL", "QUERY": adql, "PHASE": "RUN"})
        job = created.headers["location"]
        assert client.get(f"{job}/phase", params={"WAIT": "20", "PHASE": "QUEUED"}).text == "EXECUTING"
        # The answer comes when the query has ended, which by itself it does not.
        client.post(f"{job}/phase", data={"PHASE": "ABORT"})
        assert client.get(f"{job}/phase").text == "ABORTED"


def test_hidden_table_answers_as_one_that_is_not_there(address: str) -> None:
    def ask(table: str) -> httpx.Response:
        return httpx.get(f"{address}/tap/sync", params={"LANG": "ADQL", "QUERY": f"SELECT * FROM {table}"})  # noqa: S608

    hidden, absent = ask("demo_dr2.stars"), ask("demo_dr3.stars")
    assert hidden.status_code == absent.status_code == 400
    assert hidden.text.replace("dr2", "dr3") == absent.text


def test_rows_of_a_team_say_of_no_edition(address: str) -> None:
    asked = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 source_id FROM demo_dr2.stars"}
    answer = httpx.get(f"{address}/tap/sync", params=asked, headers={"Authorization": "Bearer token-of-member"})
    assert answer.status_code == 200
    assert "EDITION" not in answer.text


def test_cone_search_has_the_rows_of_its_text(address: str) -> None:
    adql = "SELECT source_id FROM demo_dr1.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 10, {}))"
    for radius in ("39", "100"):
        cone = httpx.get(f"{address}/scs/demo_dr1/stars", params={"RA": "10", "DEC": "10", "SR": radius, "RESPONSEFORMAT": "csv"}).text
        text = httpx.get(f"{address}/tap/sync", params={"LANG": "ADQL", "QUERY": adql.format(radius), "RESPONSEFORMAT": "csv"}).text
        found, wanted = ({line.split(",")[0].strip(chr(34)) for line in answer.splitlines()[1:]} for answer in (cone, text))
        assert found
        assert found == wanted


def test_cone_of_a_table_that_is_no_more_seen_is_refused(tmp_path: Path, known: Identities) -> None:
    with real_service(tmp_path, known) as real:
        nobody = real.site.engine.catalogue(ANONYMOUS, real.site.clock())
        hidden = ConeSearch(real.tables[1], (("ra", "ra"),), 10, 10, 39)
        text = "SELECT ra FROM demo_dr2.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 10, 39))"
        with pytest.raises(QueryFault, match="there is no table"):
            real.site.engine.cone(hidden, text, nobody)


def completed(client: httpx.Client, address: str, adql: str, **more: str) -> str:
    """Return the address of a job that has run."""
    job = client.post(f"{address}/tap/async", data={"LANG": "ADQL", "QUERY": adql, "PHASE": "RUN", **more}).headers["location"]
    seen = "PENDING"
    while seen in {"PENDING", "QUEUED", "EXECUTING"}:
        seen = client.get(f"{job}/phase", params={"WAIT": "20", "PHASE": seen}).text
    assert seen == "COMPLETED"
    return str(job)


def test_what_is_made_of_a_result_is_lost_with_the_right_to_it(address: str, known: Identities) -> None:
    with httpx.Client(timeout=60, headers={"Authorization": "Bearer token-of-member"}) as member:
        first = completed(member, address, "SELECT TOP 3 source_id FROM demo_dr2.stars")
        second = completed(member, address, "SELECT * FROM TAP_UPLOAD.mine", UPLOAD=f"mine,{first}/results/result")
        assert member.get(f"{second}/results/result").status_code == 200
        known.records.take({"kind": "identity", "record": IdentityRecord(1, "member", 600_000, 600_000, ()).to_json()})
        assert {member.get(f"{job}/results/result").status_code for job in (first, second)} == {404}


def test_result_of_a_job_is_an_upload(address: str) -> None:
    with httpx.Client(timeout=60) as client:
        job = completed(client, address, "SELECT TOP 3 source_id FROM demo_dr1.stars")
        again = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine", "RESPONSEFORMAT": "csv"}
        answer = client.post(f"{address}/tap/sync", data={**again, "UPLOAD": f"mine,{job}/results/result"})
    assert answer.text.split() == ['"n"', "3"]
