"""What the grammar and the text of ADQL 2.1 allow beside the values and queries of `test_queries`, and what columns come of it."""

# ruff: noqa: S608, E501  these are the queries that are tested, a line each

import math
from typing import Any

import pyarrow as pa
import pytest
from bowerbird.votable.field import Datatype
from bowerbird_services import adql
from bowerbird_services.adql import ADQLError
from bowerbird_services.store.backend import QueryFailed
from bowerbird_services.tables import Catalogue, Column, Table

from tests.services.adql.sky import Sky

T, P = "sky_dr1.stars", "sky_dr1.spectra"
VALUES: list[tuple[str, Any]] = [
    ("1. + .5 + 1.E1", 11.5), ("1e+2", 100.0), ("+1", 1), ("- -1", 1), ("ROUND(1.25, +1)", 1.3), ("ROUND(15, -1)", 20.0), ("0XfF", 255),
    ("CASE WHEN 1 != 2 THEN 'differs' END", "differs"), ("UPPER(LOWER('Äb'))", "ÄB"), ("'a' || 'b' || LOWER('C')", "abc"),
    # Centres and corners are points, with or without the deprecated text (section 4.2).
    ("AREA(CIRCLE(POINT(10, 20), 90))", 2 * math.pi * math.degrees(1) ** 2), ("AREA(CIRCLE('ICRS', POINT('', 10, 20), 90))", 2 * math.pi * math.degrees(1) ** 2),
    ("COORD1(CENTROID(BOX(POINT(33, 5), 2, 2)))", 33.0), ("COORD1(CENTROID(BOX('ICRS', POINT(33, 5), 2, 2)))", 33.0),
    ("AREA(POLYGON(POINT(0, 0), POINT(90, 0), POINT(0, 90)))", math.pi / 2 * math.degrees(1) ** 2), ("AREA(POLYGON('', POINT(0, 0), POINT(90, 0), POINT(0, 90)))", math.pi / 2 * math.degrees(1) ** 2),
    ("AREA(POINT(1, 2))", 0.0), ("COORD2(CENTROID(POINT(1, 2)))", 2.0), ("DISTANCE(POINT(1, 2), CENTROID(CIRCLE(1, 3, 1)))", 1.0), ("DISTANCE(POINT('ICRS', 1, 2), POINT('', 1, 4))", 2.0),
    # Moving the point into the first place (section 4.2.12).
    ("INTERSECTS(POINT(0, 0), CIRCLE(0, 0, 1))", 1), ("INTERSECTS(CIRCLE(0, 0, 1), POINT(0, 2))", 0), ("INTERSECTS(POLYGON(359, -1, 1, -1, 1, 1, 359, 1), POINT(0, 0))", 1),
    # In, or on, the boundary (section 4.2.7).
    ("CONTAINS(POINT(0, 1), CIRCLE(0, 0, 1))", 1), ("CONTAINS(POINT(0, 0), POLYGON(0, 0, 1, 0, 1, 1))", 1), ("CONTAINS(POINT(0.5, 0), POLYGON(0, 0, 1, 0, 1, 1))", 1),
    ("CONTAINS(POINT(1, 0.5), POLYGON(0, 0, 1, 0, 1, 1))", 1), ("CONTAINS(POINT(1, 1), POLYGON(0, 0, 1, 0, 1, 1))", 1), ("CONTAINS(POINT(0.5, 0.4), POLYGON(0, 0, 1, 0, 1, 1))", 1),
    ("CONTAINS(POINT(0.5, -1e-9), POLYGON(0, 0, 1, 0, 1, 1))", 0), ("CONTAINS(POINT(1.000000001, 0.5), POLYGON(0, 0, 1, 0, 1, 1))", 0), ("CONTAINS(POINT(1.5, 0), POLYGON(0, 0, 1, 0, 1, 1))", 0),
    ("CONTAINS(POINT(0, 80), POLYGON(0, 80, 90, 80, 180, 80, 270, 80))", 1), ("CONTAINS(POINT(123, 0), POLYGON(100, 0, 140, 0, 120, 60))", 1),
    ("CONTAINS(POLYGON(0, 0, 1, 0, 1, 1), POLYGON(0, 0, 1, 0, 1, 1))", 1),
    ("CAST('2000-01-01' AS TIMESTAMP)", "2000-01-01T00:00:00"),
]  # fmt: skip
# How many rows each has, computed of the same rows in Python.
COUNTS: list[tuple[str, Any]] = [
    (f"SELECT id FROM {T} WHERE field != 3", lambda s, p: sum(r["field"] != 3 for r in s)),
    (f"SELECT ALL field FROM {T}", lambda s, p: len(s)),
    (f"SELECT DISTINCT TOP 3 class FROM {T}", lambda s, p: 3),
    (f"SELECT COUNT(*) AS n FROM {T} HAVING COUNT(*) > 3000", lambda s, p: 0),
    (f"SELECT s.*, ra + 1 AS y FROM {T} AS s", lambda s, p: len(s)),
    (f"SELECT s.id FROM {T} AS s NATURAL LEFT OUTER JOIN (SELECT id, z FROM {P}) AS q", lambda s, p: sum(max(1, sum(x["id"] == r["id"] for x in p)) for r in s)),
    (f"SELECT id FROM ({T} JOIN {P} USING (id))", lambda s, p: sum(x["id"] in {r["id"] for r in s} for x in p)),
    (f"(SELECT id FROM {T}) UNION ALL (SELECT id FROM {P})", lambda s, p: len(s) + len(p)),
    (f"SELECT id FROM {T} ORDER BY id OFFSET 1490", lambda s, p: len(s) - 1490),
    (f"SELECT TOP 5 id FROM {T} ORDER BY id OFFSET 1498", lambda s, p: len(s) - 1498),
    (f"SELECT id FROM {T} OFFSET 0", lambda s, p: len(s)),
    (f"SELECT id FROM {T} ORDER BY id OFFSET 99999", lambda s, p: 0),
    (f"SELECT q.id FROM (SELECT id FROM {T} ORDER BY id OFFSET 1400) AS q", lambda s, p: len(s) - 1400),
    (f"WITH a AS (SELECT id, class FROM {T}), b AS (SELECT id FROM a WHERE class = 'QSO') SELECT b.id FROM b JOIN a ON a.id = b.id", lambda s, p: sum(r["class"] == "QSO" for r in s)),
    (f"SELECT q.id FROM (WITH a AS (SELECT id FROM {T} WHERE field = 1) SELECT id FROM a) AS q", lambda s, p: sum(r["field"] == 1 for r in s)),
    (f"SELECT id ---- all of it\nFROM {T} --- 'to the end", lambda s, p: len(s)),
    (f"SELECT id FROM {T} WHERE CAST(seen AS TIMESTAMP) > '2010-01-01'", lambda s, p: sum(r["seen"] > "2010" for r in s)),
    (f"SELECT id FROM {T} WHERE CAST(seen AS TIMESTAMP) BETWEEN CAST('2001-01-01' AS TIMESTAMP) AND CAST('2002-01-01T00:00:00' AS TIMESTAMP)", lambda s, p: sum("2001" <= r["seen"] < "2002" for r in s)),
    (f"SELECT id FROM {T} WHERE 0 <> CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 1))", lambda s, p: sum(r["dec"] >= 89 for r in s)),
    (f"SELECT class FROM {T} GROUP BY class ORDER BY COUNT(*), AVG(mag) DESC", lambda s, p: 4),
    (f"SELECT id FROM {T} WHERE ra BETWEEN dec AND dec + 90", lambda s, p: sum(r["dec"] <= r["ra"] <= r["dec"] + 90 for r in s)),
    (f"SELECT id FROM {T} WHERE 'QSO' = class AND NOT (flags < 8 OR flags > 40)", lambda s, p: sum(r["class"] == "QSO" and 8 <= r["flags"] <= 40 for r in s)),
]  # fmt: skip
REFUSED = [
    f"SELECT id, ra FROM {T} UNION SELECT id FROM {P}", f"SELECT class FROM {T} UNION SELECT id FROM {P}", f"SELECT id FROM {T} EXCEPT SELECT class FROM {T}", f"SELECT POINT(ra, dec) AS p FROM {T} UNION SELECT id FROM {T}", f"SELECT TOP 1 IN_UNIT(ra, 'nonsense') AS x FROM {T}",
    f"SELECT stars.id FROM {T} AS s", f"SELECT id FROM {T} OFFSET -1", f"SELECT TOP -1 id FROM {T}", f"SELECT id FROM {T} WHERE field IN ()", f"SELECT COUNT(id, ra) FROM {T}",
    f"SELECT DISTANCE(POINT(0, 0), CIRCLE(0, 0, 1)) FROM {T}", f"SELECT CIRCLE(POINT(0, 0)) FROM {T}", f"SELECT POLYGON(POINT(0, 0), POINT(1, 1)) FROM {T}",
    f"SELECT LOWER(ra) FROM {T}", f"SELECT id FROM {T} WHERE id LIKE '1%'", f'SELECT "" FROM {T}', f"WITH a AS (SELECT id FROM b), b AS (SELECT id FROM {T}) SELECT id FROM a",
]  # fmt: skip


@pytest.mark.parametrize(("expression", "answer"), VALUES, ids=[written for written, _ in VALUES])
def test_a_value_is_what_the_text_says(sky: Sky, expression: str, answer: Any) -> None:
    [(found,)] = sky.rows(f"SELECT TOP 1 {expression} AS v FROM {T}")
    found = found.isoformat() if hasattr(found, "isoformat") else found
    assert found == (pytest.approx(answer, rel=1e-12, abs=1e-12) if isinstance(answer, float) else answer)


@pytest.mark.parametrize(("text", "count"), COUNTS, ids=[text for text, _ in COUNTS])
def test_a_form_of_the_grammar_is_understood(sky: Sky, text: str, count: Any) -> None:
    assert len(sky.rows(text)) == count(sky.stars, sky.spectra)


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_grammar_has_not_is_refused(sky: Sky, text: str) -> None:
    with pytest.raises(ADQLError):
        sky.query(text)


@pytest.mark.parametrize("value", ["CAST(300000 AS SMALLINT)", "CAST(3e10 AS INTEGER)", "CAST(flags + 40000 AS SMALLINT)"])
def test_a_number_too_large_for_its_type_is_an_error(sky: Sky, value: str) -> None:
    with pytest.raises(QueryFailed, match="cannot be converted"):
        sky.rows(f"SELECT {value} AS x FROM {T}")


@pytest.mark.parametrize(
    ("expression", "datatype", "arraysize", "xtype"),
    [
        ("POINT(ra, dec)", Datatype.DOUBLE, "2", "point"),
        ("CENTROID(CIRCLE(ra, dec, 1))", Datatype.DOUBLE, "2", "point"),
        ("CIRCLE(ra, dec, 1)", Datatype.DOUBLE, "3", "circle"),
        ("POLYGON(0, 0, 1, 0, 1, 1)", Datatype.DOUBLE, "*", "polygon"),
        ("BOX(ra, dec, 1, 1)", Datatype.DOUBLE, "*", "polygon"),
        ("CAST(seen AS TIMESTAMP)", Datatype.CHAR, "*", "timestamp"),
        ("CAST(ra AS SMALLINT)", Datatype.SHORT, None, None),
        ("CAST(ra AS INTEGER)", Datatype.INT, None, None),
        ("CAST(ra AS BIGINT)", Datatype.LONG, None, None),
        ("CAST(ra AS REAL)", Datatype.FLOAT, None, None),
        ("CAST(field AS DOUBLE PRECISION)", Datatype.DOUBLE, None, None),
        ("CAST(name AS VARCHAR)", Datatype.UNICODE_CHAR, "*", None),
        ("CAST(name AS VARCHAR(6))", Datatype.UNICODE_CHAR, "6*", None),
        ("CAST(name AS CHAR(6))", Datatype.UNICODE_CHAR, "6", None),
    ],
)
def test_a_type_is_told_in_the_words_of_votable(
    sky: Sky, expression: str, datatype: Datatype, arraysize: str | None, xtype: str | None
) -> None:
    [column] = sky.query(f"SELECT {expression} AS x FROM {T}").columns
    assert (column.datatype, column.arraysize, column.xtype) == (datatype, arraysize, xtype)


@pytest.mark.parametrize("word", ["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
def test_a_set_operation_says_of_its_columns_what_the_left_side_says(sky: Sky, word: str) -> None:
    first, second = sky.query(f"SELECT ra AS a, pm FROM {T} {word} SELECT width, mag FROM {T}").columns
    assert (first.name, first.unit, first.ucd) == ("a", "deg", "pos.eq.ra;meta.main")
    assert (second.name, second.unit) == ("pm", "mas/yr")


def test_nothing_in_a_set_operation_takes_the_kind_of_the_other_side(sky: Sky) -> None:
    for text in (f"SELECT NULL AS x FROM {T} UNION SELECT id FROM {T}", f"SELECT id AS x FROM {T} UNION SELECT NULL FROM {T}"):
        assert [(column.name, column.datatype) for column in sky.query(text).columns] == [("x", Datatype.LONG)]
        assert len(sky.rows(text)) == len(sky.stars) + 1


def test_regions_of_an_upload_are_arguments(sky: Sky) -> None:
    numbers = pa.list_(pa.float64())
    rows = pa.table(
        {
            "p": pa.array([[10.0, 20.0], [30.0, 40.0], None], numbers),
            "c": pa.array([[10.0, 20.0, 1.0], [30.0, 50.0, 2.0], None], numbers),
            "g": pa.array([[9.0, 19.0, 11.0, 19.0, 11.0, 21.0, 9.0, 21.0], [0.0, 0.0, 1.0, 0.0, 1.0, 1.0], None], numbers),
        }
    )
    kinds = {"p": ("2", "point"), "c": ("3", "circle"), "g": ("*", "polygon")}
    uploads = Catalogue([Table("TAP_UPLOAD", "u", tuple(Column(name, Datatype.DOUBLE, *kind) for name, kind in kinds.items()), rows=3)])
    asked = (
        "CONTAINS(u.p, u.c) AS a, CONTAINS(p, g) AS b, INTERSECTS(c, g) AS i, DISTANCE(p, CENTROID(c)) AS d, COORD2(p) AS y, AREA(p) AS z"
    )
    found = sky.rows(f"SELECT {asked}, p, c, g FROM TAP_UPLOAD.u AS u", {"tap_upload.u": rows}, uploads)
    assert [row[:3] for row in found] == [(1, 1, 1), (0, 0, 0), (None, None, None)]
    assert found[1][3] == pytest.approx(10)
    assert [row[4] for row in found] == [20.0, 40.0, None]
    assert [row[5] for row in found][:2] == [0.0, 0.0]
    assert [list(row[6:]) for row in found] == [list(row.values()) for row in rows.to_pylist()]


def test_every_function_that_is_declared_is_there(sky: Sky) -> None:
    told = {feature.form.partition("(")[0] for feature in adql.features() if feature.type.endswith("#features-udf")}
    for name in told:
        with pytest.raises(ADQLError) as refusal:
            sky.query(f"SELECT {name}(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) AS x FROM {T}")
        assert "there is no function" not in refusal.value.message
