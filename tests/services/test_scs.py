"""SCS 1.03 as clients meet it: what it answers, in which words, and what it says of nonsense."""

import io
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.table import Table

CONE = "/scs/demo/stars"
ASKED = {"RA": "180", "DEC": "0", "SR": "30"}
OLD = ["ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"]


def table_of(answer: httpx.Response) -> Table:
    return parse(io.BytesIO(answer.content)).get_first_table()


@pytest.mark.parametrize(("verbosity", "names"), [("1", 3), ("2", 4), ("3", 5), ("", 4)])
def test_each_verbosity_has_the_old_ucds_once(client: httpx.Client, verbosity: str, names: int) -> None:
    table = table_of(client.get(CONE, params={**ASKED, "VERB": verbosity}))
    assert len(table.fields) == names
    assert sorted(field.ucd for field in table.fields if field.ucd in OLD) == sorted(OLD)
    by_ucd = {field.ucd: field for field in table.fields}
    assert by_ucd["ID_MAIN"].datatype == "char"
    assert by_ucd["POS_EQ_RA_MAIN"].datatype == by_ucd["POS_EQ_DEC_MAIN"].datatype == "double"


def test_rows_are_those_of_the_cone_and_the_query_is_told(client: httpx.Client) -> None:
    from astropy.coordinates import SkyCoord

    answer = client.get(CONE, params=ASKED)
    rows = table_of(answer).to_table()
    places = SkyCoord(rows["ra"], rows["dec"], unit="deg")
    assert len(rows) > 0
    assert (places.separation(SkyCoord(180, 0, unit="deg")).deg < 30).all()
    assert "CIRCLE(180.0, 0.0, 30.0)" in answer.text


def test_pyvo_searches(address: str) -> None:
    found = pyvo.dal.SCSService(address + CONE + "?").search(pos=(180, 0), radius=30)
    assert len(found) > 0
    assert found[0].id.startswith("90071992547")


def test_no_radius_asks_for_the_columns(client: httpx.Client) -> None:
    table = table_of(client.get(CONE, params={**ASKED, "SR": "0"}))
    assert len(table.fields) == 4
    assert len(table.array) == 0


def test_more_rows_than_asked_for_are_an_overflow(client: httpx.Client) -> None:
    answer = client.get(CONE, params={**ASKED, "MAXREC": "2"})
    assert len(table_of(answer).array) == 2
    assert 'value="OVERFLOW"' in answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"RA": "361"},
        {"RA": "nan"},
        {"RA": "inf"},
        {"RA": "12h"},
        {"DEC": "-91"},
        {"DEC": "1e400"},
        {"SR": "-1"},
        {"SR": "181"},
        {"SR": ""},
        {"VERB": "4"},
        {"VERB": "x"},
        {"MAXREC": "-1"},
        {"RA": "1); DROP TABLE demo.stars; --"},
    ],
)
def test_nonsense_is_told_as_scs_wants_it(client: httpx.Client, wrong: dict[str, str]) -> None:
    answer = client.get(CONE, params={**ASKED, **wrong})
    assert answer.status_code == 200
    info = parse(io.BytesIO(answer.content)).infos[0]
    assert info.name == "Error"
    assert next(iter(wrong)) in info.value


def test_hidden_table_answers_as_one_that_is_not_there(client: httpx.Client) -> None:
    hidden, absent = client.get("/scs/hidden/stars", params=ASKED), client.get("/scs/absent/stars", params=ASKED)
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("hidden", "absent") == absent.text
    member = client.get("/scs/hidden/stars", params=ASKED, headers={"Authorization": "Bearer token-of-member"})
    assert member.status_code == 200


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed: apt-get install stilts")
def test_stilts_searches_and_finds_the_answer_valid(address: str, tmp_path: Path) -> None:
    saved = tmp_path / "cone.vot"
    saved.write_bytes(httpx.get(address + CONE, params=ASKED).content)
    lint = subprocess.run(["stilts", "votlint", str(saved)], check=False, capture_output=True, text=True, timeout=100)
    assert "ERROR" not in lint.stdout + lint.stderr
    command = ["stilts", "cone", f"serviceurl={address}{CONE}?", "lon=180", "lat=0", "radius=30", "ofmt=csv"]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert len(found.stdout.splitlines()) == len(table_of(httpx.get(address + CONE, params=ASKED)).array) + 1, found.stderr
