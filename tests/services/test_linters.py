"""What the validators and clients of STILTS say of the whole service, to nobody and to somebody who signed in."""

# ruff: noqa: S608  names of our own tables

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.extensions.votable.stil import lint, needs_stilts, stilts
from tests.services.real import real_archive
from tests.services.test_datalink import YOUNGER

pytestmark = needs_stilts
LINT_SECONDS = 400
# All but LOC, which is about another standard: it fails wherever there is no plan of observations.
STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ OBS UPL EXA"
# The one schema that STILTS does not bring.
CONE_SEARCH = Path("/usr/lib/python3/dist-packages/gavo/resources/schemata/ConeSearch.xsd")
# How many images and cubes are there for whom.
IMAGES = {None: 8, "member": 10}
FORMATS = ("votable", "votable/b", "votable/td")


@pytest.fixture(scope="module", params=[None, "member"], ids=["nobody", "member"])
def who(request: pytest.FixtureRequest) -> str | None:
    name: str | None = request.param
    return name


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, who: str | None) -> Iterator[str]:
    with real_archive(tmp_path_factory.mktemp("real"), token=who and f"token-of-{who}") as served:
        yield served


@pytest.fixture
def table(who: str | None) -> str:
    """A table that this person may read, the most closed one."""
    return "demo_dr2.stars" if who else "demo_dr1.stars"


@pytest.mark.timeout(LINT_SECONDS + 60)
def test_taplint_has_nothing_to_say(address: str, who: str | None) -> None:
    command = ["stilts", "taplint", f"tapurl={address}/tap", "maxrepeat=3", f"stages={STAGES}"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LINT_SECONDS).stdout
    totals = re.search(r"Errors: (\d+); Warnings: (\d+); Infos: \d+; Summaries: \d+; Failures: (\d+)", said)
    assert totals is not None, said
    shown = "\n".join(line for line in said.splitlines() if line[:2] in {"E-", "F-", "W-"})
    print(shown)
    assert (int(totals[1]), int(totals[3])) == (0, 0), shown
    assert int(totals[2]) <= 5, shown
    assert {f"Section {stage}" for stage in STAGES.split()} <= set(re.findall(r"Section [A-Z]{3}", said)), said


def test_documents_are_valid_by_their_schemas(address: str, tmp_path: Path) -> None:
    job = httpx.post(f"{address}/tap/async", data={"LANG": "ADQL", "QUERY": "SELECT 1 AS one"}).headers["location"]
    tap = ("capabilities", "availability", "tables", "tables?detail=min", "tables/demo_dr1.stars", "async")
    paths = [f"tap/{path}" for path in tap]
    paths += [f"{service}/{path}" for service in ("sia2", "datalink", "soda") for path in ("capabilities", "availability")]
    for name in [*(f"{address}/{path}" for path in paths), job, f"{job}/parameters", f"{job}/results"]:
        document = tmp_path / "document.xml"
        document.write_bytes(httpx.get(name).raise_for_status().content)
        said = stilts("xsdvalidate", f"doc={document}", "uselocals=true")
        assert "ERROR" not in said.upper().replace("ERRORS: 0", ""), f"{name}: {said}"


@pytest.mark.skipif(not CONE_SEARCH.exists(), reason="needs the schema of cone searches that comes with Debian's python3-gavo")
def test_capabilities_of_a_cone_search_are_valid_by_its_schema(address: str, tmp_path: Path) -> None:
    document = tmp_path / "capabilities.xml"
    document.write_bytes(httpx.get(f"{address}/scs/demo_dr1/stars/capabilities").raise_for_status().content)
    schema = f"schemaloc=http://www.ivoa.net/xml/ConeSearch/v1.0={CONE_SEARCH}"
    stilts("xsdvalidate", schema, f"doc={document}", "uselocals=true")
    document.write_text(document.read_text().replace("<maxSR>", "<maxSR>x"))
    with pytest.raises(AssertionError, match="Validation failed"):
        stilts("xsdvalidate", schema, f"doc={document}", "uselocals=true")


def answers(address: str, table: str, form: str) -> Iterator[tuple[str, httpx.Response]]:
    """Ask for one answer of each kind."""
    asked = {"LANG": "ADQL", "RESPONSEFORMAT": form}
    texts = {
        "all columns": f"SELECT * FROM {table}",
        "no row": f"SELECT * FROM {table} WHERE mag > 99",
        "points": f"SELECT POINT(ra, dec) AS p FROM {table}",
        "circles": f"SELECT ra, CIRCLE(ra, dec, 1) AS c FROM {table}",
        "obscore": "SELECT * FROM ivoa.obscore",
        "schema": "SELECT * FROM TAP_SCHEMA.columns",
        "refusal": "SELECT nothing FROM nowhere",
        "a text of marks": 'SELECT \'a<b>&"\' AS "<&>" FROM TAP_SCHEMA.schemas',
        "values of no column": f"SELECT COUNT(*) AS n, AVG(mag) AS m FROM {table}",
    }
    if form == "votable/td":
        # In a binary stream this votlint loses its place behind a polygon, which STIL and astropy read.
        texts["polygons"] = f"SELECT ra, POLYGON(0, 0, 1, 0, 1, 1) AS g, dec FROM {table}"
    for what, query in texts.items():
        yield what, httpx.get(f"{address}/tap/sync", params={**asked, "QUERY": query})
    yield from image_answers(address, form)
    yield "overflow", httpx.get(f"{address}/tap/sync", params={**asked, "QUERY": texts["all columns"], "MAXREC": "7"})
    yield "columns alone", httpx.get(f"{address}/tap/sync", params={**asked, "QUERY": texts["all columns"], "MAXREC": "0"})
    files = {"mine": httpx.get(f"{address}/tap/sync", params={**asked, "QUERY": texts["all columns"]}).content}
    form_of_upload = {**asked, "QUERY": "SELECT * FROM TAP_UPLOAD.mine", "UPLOAD": "mine,param:mine"}
    yield "upload", httpx.post(f"{address}/tap/sync", data=form_of_upload, files=files)
    for what in ("all columns", "refusal"):
        job = httpx.post(f"{address}/tap/async", data={**asked, "QUERY": texts[what], "PHASE": "RUN"}).headers["location"]
        while httpx.get(f"{job}/phase", params={"WAIT": "30"}).text not in {"COMPLETED", "ERROR"}:
            pass
        yield f"job: {what}", httpx.get(f"{job}/results/result" if what == "all columns" else f"{job}/error")
    cone = f"{address}/scs/{table.replace('.', '/')}"
    for change in ({"VERB": "1"}, {"VERB": "2"}, {"VERB": "3"}, {"SR": "0"}, {"SR": "-1"}, {"MAXREC": "2"}):
        given = {"RA": "180", "DEC": "0", "SR": "60", "RESPONSEFORMAT": form, **change}
        yield f"cone {change}", httpx.get(cone, params=given)


def image_answers(address: str, form: str) -> Iterator[tuple[str, httpx.Response]]:
    """Ask for one answer of each kind that is about images."""
    searches: dict[str, dict[str, Any]] = {
        "all": {},
        "a place": {"POS": "CIRCLE 250.4 36.46 0.1"},
        "nothing": {"POS": "CIRCLE 10 80 0.1"},
        "an overflow": {"MAXREC": "1"},
        "columns alone": {"MAXREC": "0"},
        "all ways": {"BAND": "4e-7 6e-7", "TIME": "-Inf +Inf", "CALIB": ["0", "1", "2"], "POS": "RANGE 0 360 -90 90"},
        "a refusal": {"POS": "HEXAGON 1 2 3"},
    }
    for what, given in searches.items():
        yield f"images: {what}", httpx.get(f"{address}/sia2/query", params={"RESPONSEFORMAT": form, **given})
    names = ["ivo://x-bowerbird/demo/dr1?m13.fits", "ivo://x-bowerbird/demo/dr2?secret.fits", "ivo://x-bowerbird/demo/dr1?nothing.fits"]
    for what, asked in {"links": names, "links of a closed one": names[1:2], "links of none": []}.items():
        yield what, httpx.get(f"{address}/datalink/links", params={"ID": asked, "RESPONSEFORMAT": form})


@pytest.mark.timeout(LINT_SECONDS)
@pytest.mark.parametrize("who", ["member"], indirect=True)
@pytest.mark.parametrize("form", FORMATS)
def test_votlint_finds_nothing_in_any_answer(address: str, table: str, form: str, tmp_path: Path) -> None:
    found = {}
    path = tmp_path / "answer.vot"
    for what, answer in answers(address, table, form):
        path.write_bytes(answer.content)
        found[what] = [line for line in lint(path) if not line.startswith("INFO")]
    assert {what: lines for what, lines in found.items() if lines} == {}


@pytest.mark.timeout(LINT_SECONDS)
def test_datalinklint_finds_nothing_in_the_links_of_any_record(address: str, who: str | None, tmp_path: Path) -> None:
    asked = {"LANG": "ADQL", "RESPONSEFORMAT": "csv", "QUERY": "SELECT access_url FROM ivoa.obscore WHERE access_format LIKE '%datalink%'"}
    _, *addresses = httpx.get(f"{address}/tap/sync", params=asked).raise_for_status().text.replace('"', "").split()
    assert len(addresses) == IMAGES[who]
    found = {}
    for number, each in enumerate(addresses):
        path = tmp_path / f"{number}.vot"
        path.write_bytes(httpx.get(each).raise_for_status().content)
        said = stilts("datalinklint", f"votable={path}")
        assert "Totals:" in said
        found[each] = [line for line in said.splitlines() if line[:2] in {"E-", "W-", "F-"}]
    assert not [line for lines in found.values() for line in lines if not any(f"Unknown predicate '{word}'" in line for word in YOUNGER)]


def test_stilts_asks_matches_and_searches(address: str, table: str, tmp_path: Path) -> None:
    tap = f"tapurl={address}/tap"
    for mode in (["sync=true"], ["sync=false", "poll=100", "progress=false"]):
        told = stilts("tapquery", tap, *mode, f"adql=SELECT COUNT(*) AS n FROM {table}", "ofmt=csv")
        assert told.split()[-2:] == ["n", "300"]
    mine = tmp_path / "mine.vot"
    mine.write_bytes(
        httpx.get(f"{address}/tap/sync", params={"LANG": "ADQL", "QUERY": f"SELECT TOP 20 source_id, ra, dec FROM {table}"}).content
    )
    upload = ("nupload=1", f"upload1={mine}", "upname1=mine", "adql=SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine")
    assert stilts("tapquery", tap, *upload, "sync=true", "ofmt=csv").split()[-2:] == ["n", "20"]
    place = ("inlon=ra", "inlat=dec", "taplon=ra", "taplat=dec", "sr=0.001")
    matched = stilts("tapskymatch", tap, f"in={mine}", f"taptable={table}", *place, "find=best", "ofmt=csv")
    assert len([line for line in matched.splitlines() if "46116860" in line]) == 20
    found = stilts("cone", f"serviceurl={address}/scs/{table.replace('.', '/')}?", "lon=180", "lat=0", "radius=180", "ofmt=csv")
    assert len([line for line in found.splitlines() if "46116860" in line]) == 300


def test_somebody_is_told_of_tables_that_nobody_is(address: str, who: str | None) -> None:
    told = stilts("tapquery", f"tapurl={address}/tap", "adql=SELECT table_name FROM TAP_SCHEMA.tables", "ofmt=csv")
    assert "demo_dr1.stars" in told
    assert ("demo_dr2.stars" in told) is (who is not None)
