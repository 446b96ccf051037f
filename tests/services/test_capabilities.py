"""What a service says of itself: VOSI 1.1, VODataService 1.2 and TAPRegExt 1.0."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import httpx
import pytest
from bowerbird_services import adql
from defusedxml.ElementTree import fromstring

from tests.services.people import identities
from tests.services.real import real_service

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
AVAILABILITY = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
STANDARD = "ivo://ivoa.net/std/"
# In the order of TAPRegExt's schema.
ORDER = "interface dataModel language outputFormat uploadMethod retentionPeriod executionDuration outputLimit uploadLimit"
PARTS = ORDER.split()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        real_service(tmp_path_factory.mktemp("real"), identities()) as real,
        httpx.Client(base_url=f"{real.address}/tap", timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def declared(client: httpx.Client) -> dict[str, Element]:
    """The capabilities by their standard."""
    root = fromstring(client.get("/capabilities").content)
    return {str(each.get("standardID")): each for each in root.findall("capability")}


@pytest.fixture(scope="module")
def tap(declared: dict[str, Element]) -> Element:
    return declared[f"{STANDARD}TAP"]


def test_each_part_of_the_service_is_declared_where_it_is(client: httpx.Client, declared: dict[str, Element]) -> None:
    parts = {
        "VOSI#capabilities": "capabilities",
        "VOSI#availability": "availability",
        "VOSI#tables-1.1": "tables",
        "DALI#examples": "examples",
    }
    for standard, path in parts.items():
        address = declared[STANDARD + standard].findtext("interface/accessURL")
        assert address == f"{client.base_url}{path}"
        assert httpx.get(address).status_code == 200
    base = declared[f"{STANDARD}TAP"].find("interface")
    assert base is not None
    assert (base.get(f"{XSI}type"), base.get("role"), base.get("version")) == ("vs:ParamHTTP", "std", "1.1")
    assert f"{base.findtext('accessURL')}/" == str(client.base_url)


def test_parts_stand_in_the_order_of_the_schema(tap: Element) -> None:
    places = [PARTS.index(each.tag) for each in tap]
    assert places == sorted(places)
    assert {PARTS[place] for place in places} == set(PARTS)


def test_the_data_model_of_obscore_is_declared(tap: Element) -> None:
    models = {each.get("ivo-id"): each.text for each in tap.findall("dataModel")}
    assert models == {"ivo://ivoa.net/std/ObsCore#core-1.1": "ObsCore-1.1"}


def test_votable_serializations_are_named_as_the_standard_does(tap: Element) -> None:
    named = {each.get("ivo-id"): each.findtext("mime") for each in tap.findall("outputFormat") if each.get("ivo-id")}
    media_type = "application/x-votable+xml;serialization"
    assert named == {
        f"{STANDARD}TAPRegExt#output-votable-td": f"{media_type}=TABLEDATA",
        f"{STANDARD}TAPRegExt#output-votable-binary": f"{media_type}=BINARY",
        f"{STANDARD}TAPRegExt#output-votable-binary2": f"{media_type}=BINARY2",
    }


def test_every_format_that_is_declared_is_written(client: httpx.Client, tap: Element) -> None:
    for form in tap.findall("outputFormat"):
        for name in (form.findtext("mime"), *(alias.text for alias in form.findall("alias"))):
            asked = {"LANG": "ADQL", "QUERY": "SELECT schema_name FROM TAP_SCHEMA.schemas", "RESPONSEFORMAT": str(name)}
            answer = client.get("/sync", params=asked)
            assert answer.status_code == 200, name
            assert answer.headers["content-type"].replace(" ", "").startswith(str(form.findtext("mime")).replace(" ", "")), name


def test_each_version_of_the_language_that_is_declared_is_understood(client: httpx.Client, tap: Element) -> None:
    versions = {each.get("ivo-id"): each.text for each in tap.findall("language/version")}
    assert versions == {f"{STANDARD}ADQL#v{version}": version for version in ("2.0", "2.1")}
    for version in ("ADQL", *(f"ADQL-{each}" for each in versions.values())):
        asked = {"LANG": version, "QUERY": "SELECT schema_name FROM TAP_SCHEMA.schemas"}
        assert client.get("/sync", params=asked).status_code == 200


def test_functions_that_are_defined_here_are_declared_with_their_signatures(tap: Element) -> None:
    [group] = [each for each in tap.findall("language/languageFeatures") if str(each.get("type")).endswith("#features-udf")]
    signature = r"[a-z]\w*\((\w+ [A-Z][A-Z ()*0-9]*)?(, ?\w+ [A-Z][A-Z ()*0-9]*)*\) ?-> ?[A-Z][A-Z ()*0-9]*"
    forms = [str(each.findtext("form")) for each in group.findall("feature")]
    assert len(forms) >= 10
    for form in forms:
        assert re.fullmatch(signature, form), form


def test_optional_features_are_declared_under_their_names(tap: Element) -> None:
    groups = {str(each.get("type")).rpartition("#")[2]: [str(f.text) for f in each.iter("form")] for each in tap.iter("languageFeatures")}
    assert set(groups["features-adql-sets"]) == {"UNION", "EXCEPT", "INTERSECT"}
    assert set(groups["features-adql-string"]) == {"LOWER", "UPPER", "ILIKE"}
    geometry = "AREA BOX CENTROID CIRCLE CONTAINS COORD1 COORD2 COORDSYS DISTANCE INTERSECTS POINT POLYGON REGION"
    assert set(groups["features-adqlgeo"]) == set(geometry.split())
    for name, form in {"common-table": "WITH", "type": "CAST", "unit": "IN_UNIT", "offset": "OFFSET"}.items():
        assert groups[f"features-adql-{name}"] == [form]
    assert {feature.form for feature in adql.features()} >= {"COALESCE"}


def test_what_is_the_most_is_no_less_than_what_comes_unasked(tap: Element) -> None:
    for name, unit in {"outputLimit": "row", "uploadLimit": "byte", "retentionPeriod": None, "executionDuration": None}.items():
        part = tap.find(name)
        assert part is not None
        usual, most = part.find("default"), part.find("hard")
        assert usual is not None
        assert most is not None
        assert int(str(usual.text)) <= int(str(most.text))
        assert usual.get("unit") == most.get("unit") == unit


def test_availability_is_told_in_the_time_of_greenwich(client: httpx.Client) -> None:
    root = fromstring(client.get("/availability").content)
    assert root.tag == f"{AVAILABILITY}availability"
    assert root.findtext(f"{AVAILABILITY}available") == "true"
    since = str(root.findtext(f"{AVAILABILITY}upSince"))
    assert since.endswith("Z")
    assert datetime.fromisoformat(since) <= datetime.now(UTC)


def test_tables_are_told_in_words_of_the_standard(client: httpx.Client) -> None:
    root = fromstring(client.get("/tables").content)
    tables = list(root.iter("table"))
    assert {str(each.get("type")) for each in tables} <= {"base_table", "view", "output"}
    schemas = [each.findtext("name") for each in root.iter("schema")]
    assert len(set(schemas)) == len(schemas)
    for table in tables:
        alone = fromstring(client.get(f"/tables/{table.findtext('name')}").content)
        assert alone.findtext("name") == table.findtext("name")
        assert [each.findtext("name") for each in alone.iter("column")] == [each.findtext("name") for each in table.iter("column")]
        assert {each.text for each in table.iter("flag")} <= {"indexed", "primary", "nullable", "principal"}
    assert not list(fromstring(client.get("/tables?detail=min").content).iter("column"))
    assert len(list(fromstring(client.get("/tables?detail=min").content).iter("table"))) == len(tables)


@pytest.mark.parametrize("name", ["stars", "demo_dr1", "demo_dr1.", ".stars", "demo_dr1.stars.ra", "TAP_UPLOAD.mine"])
def test_a_table_that_is_not_there_is_not_found(client: httpx.Client, name: str) -> None:
    assert client.get(f"/tables/{name}").status_code == 404
