"""`/metrics` of the services: what a monitor of the cluster reads."""

import re

import httpx
import pytest
from bowerbird_services.app import create
from bowerbird_services.ingest.state import StateFile

from tests.services.serving import served
from tests.support.charts import alert_metrics


def figures(client: httpx.Client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.]+', line) for line in lines)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_answers_are_counted_by_part_and_status(client):
    assert client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": "select 1 from nowhere"}).status_code == 400
    assert client.get("/tap/capabilities").status_code == 200
    assert client.get("/any/thing").status_code == 404
    found = figures(client)
    assert found['bowerbird_services_answers_total{part="tap",status="400"}'] == 1
    assert found['bowerbird_services_answers_total{part="tap",status="200"}'] == 1
    assert found['bowerbird_services_answers_total{part="other",status="404"}'] == 1
    assert found['bowerbird_services_answer_seconds_total{part="tap"}'] > 0
    assert found["bowerbird_services_at_work"] == 0


def test_names_of_anybody_make_no_figure_of_their_own(client):
    for number in range(5):
        client.get(f"/x{number}/y")
    assert len([name for name in figures(client) if name.startswith("bowerbird_services_answers_total")]) == 1


def test_jobs_that_wait_and_health_are_told(client):
    found = figures(client)
    assert (found["bowerbird_services_jobs_unfinished"], found["bowerbird_services_available"]) == (0, 1)


def test_every_figure_of_the_services_that_an_alert_looks_at_is_told(client, site, tmp_path):
    site.ingest = tmp_path / "ingest.json"
    StateFile(site.ingest).tell("tables", "not whole", ["table stars of sky/dr1: stars.csv is empty"])
    client.get("/tap/capabilities")
    told = {name.partition("{")[0] for name in figures(client)}
    watched = {name for name in alert_metrics() if name.startswith("bowerbird_services_")}
    assert watched
    assert watched <= told


def test_what_could_not_be_made_is_told_with_its_reason(client, site, tmp_path):
    assert not [name for name in figures(client) if name.startswith(("bowerbird_services_ingest", "bowerbird_services_not_made"))]
    site.ingest = tmp_path / "ingest.json"
    assert figures(client)["bowerbird_services_ingest_up"] == 0
    file = StateFile(site.ingest)
    file.beat()
    assert figures(client)["bowerbird_services_ingest_up"] == 1
    file.tell("tables", "not whole", [r"table stars of sky/dr1: no column \n", "table more of sky/dr1: x"])
    file.tell("tables", "making", ["1 of 1"])
    assert {name for name in figures(client) if "not_made" in name} == {
        r'bowerbird_services_not_made{what="tables",why="table stars of sky/dr1: no column \\n"}',
        'bowerbird_services_not_made{what="tables",why="table more of sky/dr1: x"}',
    }
    file.tell("tables", "not whole", [f"table t{number} of sky/dr1: x" for number in range(1000)])
    assert len([name for name in figures(client) if "not_made" in name]) == 20
    # Those of one that was killed stay for the next to make.
    StateFile(site.ingest).beat()
    assert len([name for name in figures(client) if "not_made" in name]) == 20
    file.tell("tables", "ready", [])
    assert not [name for name in figures(client) if "not_made" in name]


def test_what_is_measured_is_not_counted_itself(client):
    assert figures(client) == figures(client)


@pytest.mark.parametrize("path", ["/services/vo/metrics", "/services/vo/tap/metrics"])
def test_below_the_address_that_the_proxy_leads_to_there_is_none(path, site, jobs):
    with served(create(site, jobs, prefix="/services/vo")) as address, httpx.Client(base_url=address) as client:
        assert client.get(path).status_code == 404
        assert client.get("/metrics").status_code == 200
