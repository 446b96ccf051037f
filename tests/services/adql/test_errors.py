"""What is no ADQL, not there, or meant to break something is refused in one sentence with its place, and nothing else is run."""

# ruff: noqa: S608, E501  these are the queries that are tested

import pytest
from bowerbird.votable.field import Datatype
from bowerbird_services.adql import ADQLError, translate
from bowerbird_services.store.backend import QueryFailed
from bowerbird_services.tables import Catalogue
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.adql.sky import Sky

T = "sky_dr1.stars"
PLACES = [
    ("SELECT id\nFROM sky_dr1.strs", 2, 6, "sky_dr1.stars"),
    ("SELECT id,\n  magg FROM sky_dr1.stars", 2, 3, "mag"),
    ("SELECT x.id FROM sky_dr1.stars AS s", 1, 8, None),
    (f"SELECT SQRTT(ra) FROM {T}", 1, 8, "SQRT"),
    (f"SELECT id FROM {T} LIMIT 10", 1, 36, "TOP"),
    (f"SELECT id FROM {T}; DROP TABLE x", 1, 29, None),
]
REFUSED = [
    "", "   ", "-- nothing", "DROP TABLE x", "PRAGMA database_list", "ATTACH 'x' AS y", "COPY x TO 'y'", "SET threads = 1",
    "INSTALL httpfs", "EXPLAIN SELECT 1", "DESCRIBE x", f"INSERT INTO {T} SELECT * FROM {T}", "CALL pragma_version()",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", 'SELECT * FROM "/etc/passwd"', "SELECT * FROM duckdb_settings()",
    "SELECT * FROM information_schema.tables", "SELECT * FROM sqlite_master", "SELECT * FROM stars",
    f"SELECT getenv('HOME') FROM {T}", f"SELECT read_text('/etc/passwd') FROM {T}", f"SELECT adql_box(1, 2, 3, 4) FROM {T}",
    f"SELECT current_setting('threads') FROM {T}", f"SELECT _healpix FROM {T}", f'SELECT "_healpix" FROM {T}', f'SELECT s1."_healpix" FROM {T}',
    f"SELECT id::text FROM {T}", f"SELECT id[1] FROM {T}", f"SELECT {{'a': 1}} FROM {T}", f"SELECT [1, 2] FROM {T}", f"SELECT x -> x FROM {T}",
    f"SELECT * EXCLUDE (id) FROM {T}", f"SELECT COLUMNS('.*') FROM {T}", f"SELECT SUM(ra) OVER () FROM {T}", f"SELECT id FROM {T} QUALIFY 1 = 1",
    f"SELECT id FROM {T} TABLESAMPLE 10", f"SELECT id INTO x FROM {T}", f"SELECT id FROM {T} ASOF JOIN {T} ON 1 = 1", "VALUES (1)", "FROM x", "TABLE x",
    f"SELECT id FROM {T} WHERE id = ANY (SELECT 1 FROM {T})", f"SELECT id FROM {T} WHERE id = ?", f"SELECT id FROM {T} WHERE id = $1",
    f"SELECT id FROM {T} WHERE ra", f"SELECT ra > 1 FROM {T}", f"SELECT id FROM {T} WHERE name = 1", f"SELECT name + 1 FROM {T}",
    f"SELECT id FROM {T} WHERE COUNT(*) > 1", f"SELECT id, COUNT(*) FROM {T}", f"SELECT id FROM {T} WHERE name = 'open", f"SELECT (id FROM {T}",
    f"SELECT id FROM {T} ORDER BY 2", f"SELECT TOP x id FROM {T}", f"SELECT TOP 5.5 id FROM {T}", "SELECT 1",
    f"SELECT a.id FROM {T} AS a, {T} AS a", f"SELECT id FROM {T} AS a, {T} AS b", f"SELECT id FROM {T} UNION SELECT id, ra FROM {T}",
    f"SELECT POINT(ra) FROM {T}", f"SELECT POINT(0, 91) FROM {T}", f"SELECT POINT('GALACTIC', ra, dec) FROM {T}", f"SELECT CIRCLE(0, 0, -1) FROM {T}",
    f"SELECT POLYGON(0, 0, 1, 1) FROM {T}", f"SELECT REGION('BLOB 1 2') FROM {T}", f"SELECT id FROM {T} WHERE POINT(ra, dec) = POINT(1, 2)",
    f"SELECT IN_UNIT(ra, 'kg') FROM {T}", f"SELECT IN_UNIT(field, 'deg') FROM {T}", f"SELECT CAST(ra AS BLOB) FROM {T}", f"SELECT ivo_healpix_index(30, ra, dec) FROM {T}",
]  # fmt: skip
BOMBS = [
    "(" * 5000, f"SELECT {'(' * 500}1{')' * 500} FROM {T}", f"SELECT {'- ' * 5000}1 FROM {T}", f"SELECT id FROM {T} WHERE {'NOT ' * 5000} id = 1",
    f"SELECT {'1 + ' * 20000}1 FROM {T}", "SELECT " + "x" * 1_000_001, f"SELECT {'ABS(' * 900}1{')' * 900} FROM {T}",
    f"SELECT a.id FROM {T} AS a " + " ".join(f"JOIN {T} AS t{n} ON 1 = 1" for n in range(100)), f"SELECT {'CASE WHEN 1 = 1 THEN ' * 300}1{' END' * 300} FROM {T}",
    " UNION ".join(f"SELECT id FROM {T}" for _ in range(3000)), f"SELECT {'~' * 3000}1 FROM {T}", f"SELECT {'1 || ' * 9000}1 FROM {T}",
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "suggestion"), PLACES)
def test_an_error_says_where_it_is_and_what_was_meant(sky: Sky, text: str, line: int, column: int, suggestion: str | None) -> None:
    with pytest.raises(ADQLError) as refusal:
        sky.query(text)
    error = refusal.value
    assert (error.line, error.column, error.suggestion) == (line, column, suggestion)
    assert "\n" not in error.message


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_query_of_these_tables_is_refused(sky: Sky, text: str) -> None:
    with pytest.raises(ADQLError):
        sky.query(text)


@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_a_bomb_is_refused_before_it_is_run(sky: Sky, number: int) -> None:
    with pytest.raises(ADQLError):
        sky.query(BOMBS[number])


def test_a_table_that_one_may_not_see_is_never_suggested() -> None:
    with pytest.raises(ADQLError) as refusal:
        translate("SELECT id FROM sky_dr1.stars", Catalogue(()))
    assert refusal.value.suggestion is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_names_and_texts_stay_what_they_are(sky: Sky, written: str) -> None:
    text = written.replace("\0", "")
    quoted, delimited = text.replace("'", "''"), text.replace('"', '""')
    try:
        query = sky.query(f"""SELECT TOP 1 '{quoted}' AS "x{delimited}" FROM {T}""")
    except ADQLError:
        return  # a character that the tokenizer does not take
    assert query.columns[0].name == f"x{text}"
    assert sky.rows(f"SELECT TOP 1 '{quoted}' AS v FROM {T}") == [(text,)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "FROM",
                "WHERE",
                "(",
                ")",
                ",",
                ".",
                "*",
                "=",
                "id",
                "ra",
                "sky_dr1.stars",
                "AND",
                "NOT",
                "CASE",
                "END",
                "JOIN",
                "ON",
                "'a'",
                "1",
                "0x",
                "TOP",
                '"',
                "'",
                "--",
                "/*",
                ";",
                "@",
                "[",
            ]
        ),
        max_size=25,
    )
)
def test_any_text_is_translated_or_refused(sky: Sky, words: list[str]) -> None:
    try:
        sky.query(" ".join(words))
    except ADQLError as error:
        refusal = error
    else:
        return
    assert refusal.line >= 1
    assert refusal.column >= 1


def test_columns_keep_what_is_known_of_them(sky: Sky) -> None:
    star, width, near, many, least = sky.query(
        f"SELECT ra AS r, IN_UNIT(width, 'deg') AS w, DISTANCE(ra, dec, 0, 0) AS d, COUNT(*) AS n, MIN(mag) AS m FROM {T} GROUP BY ra, width, dec"
    ).columns
    assert (star.name, star.unit, star.ucd, star.description) == ("r", "deg", "pos.eq.ra;meta.main", "the ra")
    assert (width.unit, near.unit, near.datatype) == ("deg", "deg", Datatype.DOUBLE)
    assert (many.datatype, least.unit) == (Datatype.LONG, "mag")


def test_a_star_never_shows_the_hidden_order(sky: Sky) -> None:
    for text in (f"SELECT * FROM {T}", f"SELECT s.* FROM {T} AS s", f"SELECT * FROM {T} AS a NATURAL JOIN {T} AS b"):
        assert not [column.name for column in sky.query(text).columns if column.name.startswith("_")]


@pytest.mark.parametrize("value", ["1 / 0", "id / (flags - flags)", "MOD(id, 0)"])
def test_a_division_by_nothing_is_called_that(sky: Sky, value: str) -> None:
    with pytest.raises(QueryFailed, match="divides whole numbers by 0"):
        sky.rows(f"SELECT {value} AS x FROM {T}")
