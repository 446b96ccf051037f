"""What TAP 1.1 and DALI 1.1 say of an answer: its columns, its format, where it was cut off, what stands beside it."""

# ruff: noqa: S608  names of our own tables

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import httpx
import pytest
from astropy.io.votable import parse
from astropy.io.votable.tree import TableElement
from defusedxml.ElementTree import fromstring

from tests.services.people import identities
from tests.services.real import real_service

VOTABLE = "{http://www.ivoa.net/xml/VOTable/v1.3}"

STARS = "demo_dr1.stars"
# Each makes other kinds of columns.
QUERIES = [
    f"SELECT * FROM {STARS}",
    "SELECT * FROM ivoa.obscore",
    *(f"SELECT * FROM TAP_SCHEMA.{name}" for name in ("schemas", "tables", "columns", "keys", "key_columns")),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        real_service(tmp_path_factory.mktemp("real"), identities()) as real,
        httpx.Client(base_url=f"{real.address}/tap", timeout=30) as client,
    ):
        yield client


def answer(client: httpx.Client, query: str, **more: str) -> httpx.Response:
    found = client.get("/sync", params={"LANG": "ADQL", "QUERY": query, **more})
    assert found.status_code == 200, found.text
    return found


def table(client: httpx.Client, query: str, **more: str) -> TableElement:
    return parse(io.BytesIO(answer(client, query, **more).content)).get_first_table()


def rows(client: httpx.Client, query: str) -> list[dict[str, object]]:
    found = table(client, query).to_table()
    return [{name: None if row[name] is None or str(row[name]) in {"--", ""} else row[name] for name in found.colnames} for row in found]


def resource(found: httpx.Response) -> Element:
    [primary] = [each for each in fromstring(found.content).iter(f"{VOTABLE}RESOURCE") if each.get("type") == "results"]
    return primary


def statuses(found: httpx.Response) -> list[str]:
    """Return what is said of the query, with TABLE where that stands."""
    told = []
    for each in resource(found):
        if each.tag == f"{VOTABLE}TABLE":
            told.append("TABLE")
        elif each.get("name") == "QUERY_STATUS":
            told.append(str(each.get("value")))
    return told


@pytest.mark.parametrize(
    ("query", "most", "told"),
    [
        (f"SELECT TOP 3 ra FROM {STARS}", None, ["OK", "TABLE"]),
        (f"SELECT TOP 3 ra FROM {STARS}", "5", ["OK", "TABLE"]),
        (f"SELECT TOP 5 ra FROM {STARS}", "5", ["OK", "TABLE"]),
        (f"SELECT TOP 5 ra FROM {STARS}", "3", ["OK", "TABLE", "OVERFLOW"]),
        (f"SELECT ra FROM {STARS}", "0", ["OK", "TABLE", "OVERFLOW"]),
        # TAP 1.1, section 2.7.4: the indicator need not mean that there is a row.
        (f"SELECT ra FROM {STARS} WHERE ra < 0", "0", ["OK", "TABLE", "OVERFLOW"]),
        (f"SELECT ra FROM {STARS} WHERE ra < 0", "1", ["OK", "TABLE"]),
    ],
)
@pytest.mark.parametrize("form", ["votable", "votable/td", "votable/b", "text/xml"])
def test_an_answer_that_was_cut_off_says_so_after_its_rows(
    client: httpx.Client, query: str, most: str | None, told: list[str], form: str
) -> None:
    assert statuses(answer(client, query, RESPONSEFORMAT=form, **({"MAXREC": most} if most else {}))) == told


def test_an_answer_says_by_which_standard_it_is(client: httpx.Client) -> None:
    infos = {each.get("name"): each.get("value") for each in resource(answer(client, QUERIES[0], MAXREC="1")).iter(f"{VOTABLE}INFO")}
    assert infos["standardID"] == "ivo://ivoa.net/std/TAP"
    assert infos["QUERY"] == QUERIES[0]


@pytest.mark.parametrize(
    ("asked", "media_type"),
    [
        ("csv", "text/csv;header=present"),
        ("text/csv", "text/csv;header=present"),
        ("text/csv;header=present", "text/csv;header=present"),
        ("tsv", "text/tab-separated-values"),
        ("text/tab-separated-values", "text/tab-separated-values"),
        ("application/x-votable+xml", "application/x-votable+xml"),
        ("text/xml", "text/xml"),
        ("application/x-votable+xml;serialization=TABLEDATA", "application/x-votable+xml;serialization=TABLEDATA"),
        ("application/fits", "application/fits"),
    ],
)
@pytest.mark.parametrize("name", ["RESPONSEFORMAT", "FORMAT"])
def test_the_media_type_is_the_one_that_was_asked_for(client: httpx.Client, name: str, asked: str, media_type: str) -> None:
    told = answer(client, f"SELECT TOP 1 ra FROM {STARS}", **{name: asked}).headers["content-type"].replace(" ", "")
    assert told.removesuffix(";charset=utf-8") == media_type


def test_a_format_without_a_line_of_names_is_not_what_this_service_writes(client: httpx.Client) -> None:
    asked = {"LANG": "ADQL", "QUERY": QUERIES[0], "RESPONSEFORMAT": "text/csv;header=absent"}
    assert client.get("/sync", params=asked).status_code == 400


def test_a_parameter_that_nobody_knows_is_ignored(client: httpx.Client) -> None:
    plain = answer(client, f"SELECT TOP 2 ra FROM {STARS} ORDER BY ra", RESPONSEFORMAT="csv")
    assert answer(client, f"SELECT TOP 2 ra FROM {STARS} ORDER BY ra", RESPONSEFORMAT="csv", SPURIOUS="1", ID="x").text == plain.text


def test_columns_have_the_names_and_the_order_of_the_query(client: httpx.Client) -> None:
    query = f'SELECT dec, RA, ra AS "Of the Sky", name FROM {STARS}'
    assert [field.name for field in table(client, query, MAXREC="1").fields] == ["dec", "ra", "Of the Sky", "name"]


def test_a_column_without_a_name_gets_one_of_its_own(client: httpx.Client) -> None:
    names = [
        field.name for field in table(client, f"SELECT ra + 1, ra + 2, SIN(ra), SIN(dec), ra, ra, 1, 2 FROM {STARS}", MAXREC="1").fields
    ]
    assert len({name.lower() for name in names}) == 8
    assert all(name.replace("_", "").isalnum() for name in names)


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_said_of_a_column_is_the_same_everywhere(client: httpx.Client, query: str) -> None:
    name = query.rpartition(" ")[2]
    asked = f"SELECT * FROM TAP_SCHEMA.columns WHERE LOWER(table_name) = '{name.lower()}'"
    told = {str(row["column_name"]).strip('"'): row for row in rows(client, asked)}
    described = {str(each.findtext("name")).strip('"'): each for each in fromstring(client.get(f"/tables/{name}").content).iter("column")}
    fields = table(client, query, MAXREC="0").fields
    assert [field.name for field in fields] == list(described)
    assert set(told) == set(described)
    for field in fields:
        schema, column = told[field.name], described[field.name]
        kind = column.find("dataType")
        assert kind is not None
        assert (field.datatype, field.arraysize, field.xtype) == (kind.text, kind.get("arraysize"), kind.get("extendedType"))
        assert (field.datatype, field.arraysize, field.xtype) == (schema["datatype"], schema["arraysize"], schema["xtype"])
        for one in ("ucd", "utype"):
            assert getattr(field, one) == schema[one] == column.findtext(one)
        assert (str(field.unit) if field.unit else None) == schema["unit"] == column.findtext("unit")
        assert (field.description or None) == schema["description"] == column.findtext("description")
        flags = {each.text for each in column.iter("flag")}
        assert (bool(schema["indexed"]), bool(schema["principal"])) == ("indexed" in flags, "principal" in flags)
        assert (column.get("std") == "true") == bool(schema["std"])


def test_names_in_the_schema_are_what_a_query_writes(client: httpx.Client) -> None:
    found = rows(client, "SELECT table_name, column_name FROM TAP_SCHEMA.columns")
    assert {"table_name": "tap_schema.columns", "column_name": '"size"'} in found
    assert len({(row["table_name"], row["column_name"]) for row in found}) == len(found)
    by_table: dict[str, list[str]] = {}
    for row in found:
        by_table.setdefault(str(row["table_name"]), []).append(str(row["column_name"]))
    for name, columns in by_table.items():
        answer(client, f"SELECT {', '.join(columns)} FROM {name}", MAXREC="1")


def test_flags_and_kinds_of_the_schema_are_those_of_the_standard(client: httpx.Client) -> None:
    flags = rows(client, "SELECT indexed, principal, std, datatype FROM TAP_SCHEMA.columns")
    assert {row[name] for row in flags for name in ("indexed", "principal", "std")} <= {0, 1}
    assert {row["table_type"] for row in rows(client, "SELECT table_type FROM TAP_SCHEMA.tables")} <= {"table", "view"}


def test_keys_refer_to_columns_that_are_there(client: httpx.Client) -> None:
    columns = {(row["table_name"], row["column_name"]) for row in rows(client, "SELECT table_name, column_name FROM TAP_SCHEMA.columns")}
    names = "k.from_table, c.from_column, k.target_table, c.target_column"
    keys = rows(client, f"SELECT {names} FROM TAP_SCHEMA.keys AS k JOIN TAP_SCHEMA.key_columns AS c USING (key_id)")
    assert len(keys) >= 5, "those that TAP 1.1 asks for of TAP_SCHEMA itself"
    for key in keys:
        assert (key["from_table"], key["from_column"]) in columns
        assert (key["target_table"], key["target_column"]) in columns
    schemas = {row["schema_name"] for row in rows(client, "SELECT schema_name FROM TAP_SCHEMA.schemas")}
    assert {row["schema_name"] for row in rows(client, "SELECT schema_name FROM TAP_SCHEMA.tables")} <= schemas
    assert "TAP_UPLOAD" not in {str(name).upper() for name in schemas}


def test_every_example_runs_and_has_one_name_and_one_query(client: httpx.Client) -> None:
    page = client.get("/examples")
    assert page.headers["content-type"].partition(";")[0] in {"application/xhtml+xml", "text/html"}
    root = fromstring(page.content)
    [vocabulary] = [each for each in root.iter() if "vocab" in each.attrib]
    assert vocabulary.get("vocab") == "http://www.ivoa.net/rdf/examples#"
    examples = [each for each in vocabulary.iter() if each.get("typeof") == "example"]
    assert len({each.get("id") for each in examples}) == len(examples) >= 3
    for example in examples:
        assert example.get("resource") == f"#{example.get('id')}"
        [name] = [each for each in example.iter() if each.get("property") == "name"]
        [query] = [each for each in example.iter() if each.get("property") == "query"]
        assert name.text
        assert len(name) == len(query) == 0, "plain text"
        answer(client, str(query.text), MAXREC="2")


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_a_text_of_some_length_is_no_longer(client: httpx.Client, form: str) -> None:
    names = f"SELECT TOP 5 CAST(name AS CHAR(20)) AS a, CAST(name AS VARCHAR(6)) AS b, name FROM {STARS}"
    found = table(client, names, RESPONSEFORMAT=form)
    assert [field.arraysize for field in found.fields][:2] == ["20", "6*"]
    for row in found.array:
        assert str(row["a"]).rstrip("\0 ") == row["name"]
        assert row["b"] == row["name"][:6]
