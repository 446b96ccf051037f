"""SIA 2.0 as clients meet it: each parameter by the standard's text (section 2.1), and who sees which images."""

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pyvo
import requests
from astropy.io.votable import parse
from astropy.table import Table
from bowerbird_services.allowances import allowance_of
from bowerbird_services.store.products import NAME
from bowerbird_services.store.shelf import write_index
from bowerbird_services.store.sidecar import replace_json
from defusedxml.ElementTree import fromstring

from tests.extensions.votable.stil import lint, needs_stilts, stilts
from tests.services.gallery import Gallery, fill_with_axes, gallery, gallery_platform
from tests.services.test_dali import MEMBER, refused
from tests.support.disk import small_disk

ALL = {"m13.fits", "images/a b+c.fits", "pole.fits", "cube.fits"}
M13, ZERO, POLE, CUBE = "m13.fits", "images/a b+c.fits", "pole.fits", "cube.fits"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery")) as found:
        yield found


@pytest.fixture
def client(shown: Gallery) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shown.address, timeout=30) as client:
        yield client


def rows(answer: httpx.Response) -> Table:
    assert answer.status_code == 200, answer.text
    return parse(io.BytesIO(answer.content)).get_first_table().to_table()


def files(client: httpx.Client, *pairs: tuple[str, Any], **more: Any) -> set[str]:
    answer = client.get("/sia2/query", params=[*pairs, *more.items()])
    return {name.removeprefix("demo/dr1/") for name in rows(answer)["obs_id"]}


def test_every_image_and_cube_that_is_public_comes_and_no_spectrum(client: httpx.Client) -> None:
    assert files(client) == ALL
    assert set(rows(client.get("/sia2/query"))["dataproduct_type"]) == {"image", "cube"}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("POS", "CIRCLE 250.4 36.46 0.001"), {M13}),
        (("POS", "circle 250.4 36.46 0.001"), {M13}),
        (("POS", "CIRCLE 250.4 36.9 0.1"), set()),
        (("POS", "CIRCLE 250.4 36.9 0.2"), {M13}),
        (("POS", "CIRCLE 359.9 -5 0.01"), {ZERO}),
        (("POS", "CIRCLE 0 0 180"), ALL),
        (("POS", "RANGE 250 251 36 37"), {M13}),
        (("POS", "RANGE 250.4 250.5 -90 90"), {M13, POLE}),
        (("POS", "RANGE 0 360 -90 90"), ALL),
        (("POS", "RANGE -Inf +Inf 36.5 36.6"), {M13}),
        (("POS", "RANGE 0 360 89 +Inf"), {POLE}),
        (("POS", "RANGE 359 1 -6 -4"), {ZERO}),
        (("POS", "RANGE 359.85 359.9 -6 -4"), {ZERO}),
        (("POS", "RANGE 100 101 -6 -4"), set()),
        (("POS", "POLYGON 250 36 251 36 251 37 250 37"), {M13}),
        (("POS", "POLYGON 52 -28 54 -28 53 -27"), {CUBE}),
        (("POS", "POLYGON 10 10 11 10 11 11"), set()),
        (("BAND", "500e-9 501e-9"), {CUBE}),
        (("BAND", "550e-9"), {CUBE}),
        (("BAND", "-Inf 400e-9"), set()),
        (("BAND", "560e-9 +Inf"), {CUBE}),
        (("BAND", "-Inf +Inf"), {CUBE}),
        (("TIME", "58849 58850"), {M13}),
        (("TIME", "58849.0005"), {M13}),
        (("TIME", "58849.002 59000"), set()),
        (("TIME", "59000 +Inf"), {ZERO}),
        (("EXPTIME", "80 90"), {M13}),
        (("EXPTIME", "10"), {ZERO}),
        (("FOV", "0.8 1"), ALL - {CUBE}),
        (("FOV", "-Inf 0.5"), {CUBE}),
        (("SPATRES", "0 10"), set()),
        (("SPECRP", "100 +Inf"), set()),
        (("TIMERES", "0 1"), set()),
        (("TIMERES", "80 90"), {M13}),  # of what is not sampled in time, that of the exposure
        (("POL", "I"), set()),
        (("DPTYPE", "image"), ALL - {CUBE}),
        (("DPTYPE", "cube"), {CUBE}),
        (("DPTYPE", "spectrum"), set()),
        (("CALIB", "2"), ALL),
        (("CALIB", "3"), set()),
        (("COLLECTION", "demo/dr1"), ALL),
        (("COLLECTION", "demo"), set()),
        (("FACILITY", "Long"), {M13, CUBE}),
        (("FACILITY", "long"), set()),
        (("INSTRUMENT", "Camera"), {M13}),
        (("TARGET", "M 13"), {M13}),
        (("TARGET", "zero"), {ZERO}),
        (("ID", "ivo://x-bowerbird/demo/dr1?m13.fits"), {M13}),
        (("ID", "ivo://X-Bowerbird/DEMO/dr1?m13.fits"), {M13}),
        (("ID", "ivo://x-bowerbird/demo/dr2?secret.fits"), set()),
        (("ID", "ivo://x-bowerbird/demo/dr1?../dr2/secret.fits"), set()),
        (("FORMAT", "application/fits"), ALL),
        (("FORMAT", "application/x-votable+xml;content=datalink"), ALL),
        (("FORMAT", "image/png"), set()),
        (("POS", ""), ALL),
        (("SOMETHING_ELSE", "x"), ALL),
    ],
)
def test_each_parameter_means_what_the_standard_says(client: httpx.Client, asked: tuple[str, str], found: set[str]) -> None:
    assert files(client, asked) == found
    assert files(client, (asked[0].lower(), asked[1])) == found


@pytest.fixture(scope="module")
def finely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gallery with cubes of wavelength, frequency, polarisation and time, of a release of calibration level 3."""
    place, platform = tmp_path_factory.mktemp("finely"), gallery_platform(dr1={"calib_level": 3})
    with gallery(place, platform, before=fill_with_axes) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        yield client


AIR, RADIO, MOVIE = "air.fits", "radio.fits", "movie.fits"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("SPATRES", "0 1"), {AIR}),
        (("SPATRES", "0.7"), {AIR}),
        (("SPATRES", "1 10"), {RADIO}),
        (("SPATRES", "-Inf +Inf"), {AIR, RADIO}),
        (("SPATRES", "0.71 8.9"), set()),
        (("SPECRP", "1000 +Inf"), {AIR}),
        (("SPECRP", "2988"), {AIR}),
        (("SPECRP", "-Inf 2000"), set()),
        (("TIMERES", "599 601"), {AIR}),
        (("TIMERES", "86399 86401"), {MOVIE}),
        (("TIME", "59003 59003.5"), {MOVIE}),
        (("TIME", "59006.1 +Inf"), {ZERO}),
        (("POL", "I"), {RADIO}),
        (("POL", "v"), {RADIO}),
        (("POL", "XX"), set()),
        (("BAND", "0.2 0.22"), {RADIO}),
        (("BAND", "4.8e-7 4.81e-7"), {AIR}),
        (("CALIB", "3"), ALL | {AIR, RADIO, MOVIE, "layers.fits"}),
        (("CALIB", "2"), set()),
    ],
)
def test_how_finely_and_along_which_axes_something_was_observed(finely: httpx.Client, asked: tuple[str, str], found: set[str]) -> None:
    assert files(finely, asked) == found


def test_level_of_calibration_is_the_platforms_word_from_then_on(tmp_path: Path) -> None:
    with gallery(tmp_path) as shown, httpx.Client(base_url=shown.address, timeout=30) as client:
        assert files(client, CALIB="2") == ALL
        raw = gallery_platform(dr1={"calib_level": 0})
        shown.known.records.take({"kind": "platform", "platform": raw.model_dump(mode="json")})
        assert (files(client, CALIB="2"), files(client, CALIB="0")) == (set(), ALL)


def test_values_of_one_parameter_are_alternatives_and_parameters_conditions(client: httpx.Client) -> None:
    two = [("POS", "CIRCLE 250.4 36.46 0.001"), ("pos", "CIRCLE 53.1 -27.8 0.001")]
    assert files(client, *two) == {M13, CUBE}
    assert files(client, *two, DPTYPE="cube") == {CUBE}
    assert files(client, *two, TARGET="zero") == set()
    assert files(client, ("TIME", "58849 58850"), ("TIME", "59000 +Inf"), ("FACILITY", "Short")) == {ZERO}
    posted = client.post("/sia2/query", data={"POS": [text for _, text in two]})
    assert len(rows(posted)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POS", "CIRCLE 1 2"),
        ("POS", "CIRCLE nan 2 3"),
        ("POS", "12,34"),
        ("BAND", "x"),
        ("BAND", "2 1"),
        ("TIME", "2020-01-01"),
        ("FOV", "nan 1"),
        ("DPTYPE", "banana"),
        ("CALIB", "5"),
        ("CALIB", "-1"),
        ("CALIB", "two"),
        ("POL", "Z"),
        ("MAXREC", "-1"),
        ("RESPONSEFORMAT", "application/pdf"),
    ],
)
def test_nonsense_is_refused_by_name(client: httpx.Client, name: str, value: str) -> None:
    refused(client.get("/sia2/query", params={name: value}), 400, name)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("BAND", "wavelengths in metres"),
        ("TIME", "MJD"),
        ("FOV", "in degrees"),
        ("SPATRES", "in arcsec"),
        ("SPECRP", "no unit"),
        ("EXPTIME", "in seconds"),
        ("TIMERES", "in seconds"),
    ],
)
def test_number_that_is_none_is_told_the_unit_and_an_example_that_holds(client: httpx.Client, name: str, unit: str) -> None:
    for value in ("500 nm", "1 2 3"):
        told = client.get("/sia2/query", params={name: value})
        refused(told, 400, f"{name} is {value!r}; it is one number or two, ")
        assert unit in told.text
    for example in re.findall("'([^']+)'", told.text)[1:]:
        assert client.get("/sia2/query", params={name: example}).status_code == 200


def test_overflow_is_told_and_no_row_asks_for_the_columns(client: httpx.Client) -> None:
    answer = client.get("/sia2/query", params={"MAXREC": "2"})
    assert len(rows(answer)) == 2
    assert 'value="OVERFLOW"' in answer.text
    exact = client.get("/sia2/query", params={"MAXREC": "4"})
    assert 'value="OVERFLOW"' not in exact.text
    described = parse(io.BytesIO(client.get("/sia2/query", params={"MAXREC": "0"}).content)).get_first_table()
    assert (len(described.array), len(described.fields)) == (0, 32)
    assert all(field.utype.startswith("obscore:") for field in described.fields)


@pytest.mark.parametrize("form", ["votable", "votable/b", "csv", "fits", "arrow", "parquet"])
def test_an_answer_comes_in_each_format(client: httpx.Client, form: str) -> None:
    answer = client.get("/sia2/query", params={"RESPONSEFORMAT": form, "POS": "CIRCLE 250.4 36.46 1"})
    assert answer.status_code == 200
    assert len(answer.content) > 100


def test_who_is_in_the_team_sees_its_images_and_nobody_else(client: httpx.Client) -> None:
    here = {"POS": "CIRCLE 250.4 36.46 0.1"}
    assert len(rows(client.get("/sia2/query", params=here))) == 1
    member = rows(client.get("/sia2/query", params=here, headers=MEMBER))
    assert set(member["obs_collection"]) == {"demo/dr1", "demo/dr2", "demo/dr3"}
    assert set(member["data_rights"]) == {"public", "proprietary"}
    stranger = client.get("/sia2/query", params=here, headers={"Authorization": "Bearer token-of-stranger"})
    assert len(rows(stranger)) == 1
    assert "dr2" not in stranger.text
    refused(client.get("/sia2/query", headers={"Authorization": "Bearer nonsense"}), 401)


def test_capabilities_name_the_standard(client: httpx.Client, shown: Gallery) -> None:
    answer = client.get("/sia2/capabilities")
    assert "WWW-Authenticate" in answer.headers
    found = {capability.get("standardID"): capability for capability in fromstring(answer.content).iter("capability")}
    query = found["ivo://ivoa.net/std/SIA#query-2.0"].find("interface/accessURL")
    assert query is not None
    assert query.text == f"{shown.address}/sia2/query"
    assert b"available>true" in client.get("/sia2/availability").content
    assert client.head("/sia2/capabilities").status_code == client.head("/sia2/query").status_code == 200


def test_pyvo_searches(shown: Gallery) -> None:
    found = pyvo.dal.SIA2Service(f"{shown.address}/sia2").search(pos=(250.4, 36.46, 0.1))
    assert [row.obs_id for row in found] == ["demo/dr1/m13.fits"]
    assert found[0].access_format == "application/x-votable+xml;content=datalink"


def test_pyvo_asks_for_the_links_of_all_images_at_once(shown: Gallery, session: requests.Session) -> None:
    asked: list[str] = []
    session.hooks["response"].append(lambda answer, **_: asked.append(answer.url))
    found = pyvo.dal.SIA2Service(f"{shown.address}/sia2", session=session).search()
    asked.clear()
    links = {each.original_row["obs_publisher_did"]: each for each in found.iter_datalinks()}
    assert asked == [f"{shown.address}/datalink/links"]
    assert set(links) == set(found["obs_publisher_did"])
    for name, each in links.items():
        assert {row["ID"] for row in each} == {name}
        assert next(each.bysemantics("#this", include_narrower=False)).access_url.startswith(f"{shown.address}/products/")
    assert len(list(found[0].getdatalink())) == len(links[found[0]["obs_publisher_did"]])


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_rows_of_products_say_where_their_links_are(shown: Gallery, session: requests.Session, form: str) -> None:
    service = pyvo.dal.TAPService(f"{shown.address}/tap", session=session)
    found = service.search("SELECT obs_publisher_did AS name, s_ra FROM ivoa.obscore WHERE dataproduct_type = 'image'", RESPONSEFORMAT=form)
    assert {each.original_row["name"] for each in found.iter_datalinks()} == set(found["name"])
    job = service.run_async("SELECT obs_publisher_did FROM ivoa.obscore", RESPONSEFORMAT=form)
    assert job.get_adhocservice_by_ivoid("ivo://ivoa.net/std/DataLink")
    for text in (
        "SELECT s_ra FROM ivoa.obscore",
        "SELECT obs_publisher_did AS system1 FROM ivoa.obscore",
        'SELECT obs_publisher_did AS "a b" FROM ivoa.obscore',
        "SELECT utype AS obs_publisher_did FROM TAP_SCHEMA.columns",
    ):
        assert not list(service.search(text, RESPONSEFORMAT=form).iter_adhocservices()), text


def test_a_changed_release_is_searched_as_it_is_now(tmp_path: Path) -> None:
    from tests.services import gallery as module

    with gallery(tmp_path) as shown, httpx.Client(base_url=shown.address, timeout=30) as client:
        assert files(client, TARGET="late") == set()
        module.image(shown.releases / "demo" / "dr1" / "late.fits", 10, 10, OBJECT="late")
        module.ingest(shown.releases, tmp_path / "tables")
        assert files(client, TARGET="late") == {"late.fits"}


def test_a_search_that_takes_too_long_is_ended_and_gives_its_thread_back(tmp_path: Path) -> None:
    with gallery(tmp_path) as shown, httpx.Client(base_url=shown.address, timeout=60) as client:
        _lay_again(tmp_path / "tables", 20_000)
        shown.site.limits = lambda platform, who: replace(allowance_of(platform, who), sync=timedelta(seconds=0.5))
        around = " ".join(f"{250 + math.cos(turn):.6f} {37 + math.sin(turn):.6f}" for turn in np.linspace(0, 6.28, 1000))
        for _ in range(5):
            refused(client.post("/sia2/query", data={"POS": f"POLYGON {around}"}), 400, "longer than 0.5 s")
        shown.site.limits = allowance_of
        assert len(rows(client.get("/sia2/query", params={"MAXREC": "7"}))) == 7


@pytest.mark.root
def test_a_full_disk_is_told_and_costs_nobody_else_an_answer(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", tmp_path / "below", "1"), gallery(tmp_path) as shown:
        _lay_again(tmp_path / "tables", 6_000)
        shown.site.spool = tmp_path / "disk"
        with httpx.Client(base_url=shown.address, timeout=60) as client:
            for _ in range(6):  # more often than there are places
                refused(
                    client.get("/sia2/query", params={"RESPONSEFORMAT": "fits"}),
                    503,
                    "could not read or write a file that it needs; try again later",
                )
            assert len(rows(client.get("/sia2/query"))) == 6_000
            assert client.get("/sia2/query", params={"RESPONSEFORMAT": "fits", "MAXREC": "100"}).content.startswith(b"SIMPLE")
            shown.site.spool = tmp_path
            assert len(Table.read(io.BytesIO(client.get("/sia2/query", params={"RESPONSEFORMAT": "fits"}).content))) == 6_000


def _lay_again(tables: Path, times: int) -> None:
    """Have one image stand in its release so many times."""
    kept = tables / "demo" / "dr1" / NAME
    product = next(one for one in json.loads(kept.read_text())["products"] if one["file"] == M13)
    replace_json(kept, {"products": [{**product, "file": f"{number}.fits"} for number in range(times)]})
    write_index(tables, [("demo", "dr1")])


def test_as_many_values_as_are_promised_come_by_post_and_no_more(client: httpx.Client) -> None:
    here = ["CIRCLE 250.4 36.46 0.001", *[f"CIRCLE {number / 10} 80 0.001" for number in range(999)]]
    assert len(rows(client.post("/sia2/query", data={"POS": here}))) == 1
    refused(client.post("/sia2/query", data={"POS": [*here, "CIRCLE 1 1 1"]}), 400, "POS", "1000")
    shape = "POLYGON " + " ".join(f"{250 + math.cos(turn):.6f} {37 + math.sin(turn):.6f}" for turn in np.linspace(0, 6.28, 1000))
    assert len(rows(client.post("/sia2/query", data={"POS": [shape, shape]}))) == 1
    refused(client.post("/sia2/query", data={"POS": [shape, shape, "POLYGON 1 1 2 1 2 2"]}), 400, "POS", "2003 vertices")


@needs_stilts
@pytest.mark.timeout(200)
def test_the_linter_finds_nothing_in_any_answer(client: httpx.Client, tmp_path: Path) -> None:
    found = {}
    path = tmp_path / "answer.vot"
    for asked in ({}, {"RESPONSEFORMAT": "votable"}, {"MAXREC": "1"}, {"MAXREC": "0"}, {"POS": "nonsense"}):
        path.write_bytes(client.get("/sia2/query", params=asked, headers=MEMBER).content)
        found[str(asked)] = [line for line in lint(path) if not line.startswith("INFO")]
    assert {asked: lines for asked, lines in found.items() if lines} == {}
    path.write_bytes(client.get("/sia2/capabilities").content)
    said = stilts("xsdvalidate", f"doc={path}", "uselocals=true")
    assert "ERROR" not in said.upper().replace("ERRORS: 0", ""), said
