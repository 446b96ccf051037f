"""What a cell of `%%adql` proposes, and what it says before many rows come."""

import functools
from collections.abc import Iterator

import pytest
from bowerbird.errors import QueryRefused, ServiceSlow
from bowerbird.lab.adql_completion import Words, proposals
from bowerbird.lab.row_estimate import warning
from bowerbird.votable import Field, Header, Writer

from tests.support.tap_server import Behaviour, Reply, Seen, numbers, tap_server

CAPABILITIES = b"""<capabilities><language><languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">
<feature><form>ivo_hasword(text VARCHAR, word VARCHAR) -> INTEGER</form><description>1 where a word is in a text</description></feature>
</languageFeatures></language></capabilities>"""


def told(seen: Seen) -> bytes:
    """Answer what TAP_SCHEMA says."""
    query = seen.form["QUERY"]
    if "TAP_SCHEMA.tables" in query:
        return texts(("table_name", "description"), [("demo.stars", "Some stars"), ("demo.galaxies", "")])
    if "TAP_SCHEMA.columns" in query:
        rows: list[tuple[str, ...]] = (
            [("id", "", "Identifier"), ("mag", "mag", "Brightness")] if "'demo.stars'" in query else [("z", "", "Redshift")]
        )
        return texts(("column_name", "unit", "description"), rows)
    return numbers()


def texts(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    writer = Writer(Header([Field(name, "unicodeChar", "*") for name in names]))
    return writer.start() + writer.rows([list(column) for column in zip(*rows, strict=True)]) + writer.end()


@pytest.fixture
def tap() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        behaviour.answer = told
        behaviour.odd = lambda seen: Reply(body=CAPABILITIES, kind="text/xml") if seen.path.endswith("/capabilities") else None
        yield behaviour


def cell(url: str, query: str) -> str:
    return f"%%adql --service {url}\n{query}"


def names(cell: str, words: Words) -> list[str]:
    typed = cell.rpartition("\n")[2]
    return [word.name for _, word in proposals(cell, typed, words, {})[1]]


def test_tables_columns_and_functions_are_proposed_where_they_fit(tap: Behaviour) -> None:
    words, first = Words(), functools.partial(cell, tap.url)
    assert names(first("SELECT * FROM demo."), words) == ["demo.stars", "demo.galaxies"]
    assert names(first("SELECT * FROM demo.galaxies AS g\nJOIN demo.stars AS s ON s."), words) == ["id", "mag"]
    assert names(first("SELECT * FROM demo.galaxies AS g\nJOIN demo.stars AS s ON G."), words) == ["z"]
    assert names(first("SELECT * FROM demo.stars WHERE iv"), words) == ["ivo_hasword"]
    assert names(first("SELECT * FROM demo.stars, demo.galaxies WHERE ma"), words) == ["mag", "MAX"]
    assert len(tap.asked("POST", "/sync")) == 3, "each is asked once"


def test_a_silent_service_is_left_alone_for_a_while(tap: Behaviour) -> None:
    now = [0.0]
    words = Words(lambda: now[0])
    tap.odd = lambda _: Reply(500, b"no", "text/plain")
    query = cell(tap.url, "SELECT * FROM demo.")
    assert names(query, words) == []
    asked = len(tap.seen)
    assert names(query, words) == []
    assert len(tap.seen) == asked
    tap.odd = lambda _: None
    now[0] = 61
    assert names(query, words) == ["demo.stars", "demo.galaxies"]


def test_without_a_platform_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOWERBIRD_TAP_URL", raising=False)
    assert names("%%adql rows\nSELECT cou", Words()) == ["COUNT"]
    assert names("%%adql --service\nSELECT 'a", Words())[:1] != []


def rows(count: int) -> str:
    return warning("SELECT * FROM a;", lambda _: count)


def test_many_rows_are_said_before_they_come() -> None:
    assert rows(99_999) == ""
    assert rows(1_234_567).startswith("1\u2009234\u2009567 rows will come; --limit ROWS gets fewer")


@pytest.mark.parametrize("adql", ["SELECT TOP 5 * FROM a", "select count(*) from a", "SELECT * FROM TAP_SCHEMA.tables"])
def test_a_query_that_bounds_its_rows_is_not_counted(adql: str) -> None:
    def count(_: str) -> int:
        raise AssertionError("counted")

    assert warning(adql, count) == ""


def test_what_cannot_be_counted_in_time_is_said_and_what_is_refused_is_not() -> None:
    def slow(_: str) -> int:
        raise ServiceSlow("http://x", "was late", "wait")

    def refused(_: str) -> int:
        raise QueryRefused("http://x", "no", "change it")

    assert "was not counted within 3 s" in warning("SELECT * FROM a", slow)
    assert warning("SELECT * FROM a", refused) == ""
