"""What each part of ADQL 2.1 means: queries after the standard's text, with answers that Python and astropy compute of the same rows."""

# ruff: noqa: S608, E501, RUF100  these are the queries that are tested, a line each

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from tests.services.adql.sky import CLASSES, Row, Sky

Answer = Callable[[list[Row], list[Row]], list[Any]]
T = "sky_dr1.stars"
P = "sky_dr1.spectra"


def number(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


def known(rows: list[Row], key: str = "mag") -> list[Row]:
    return [row for row in rows if row[key] is not None]


def grouped(rows: list[Row], key: str) -> dict[Any, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def one(expression: str) -> str:
    return f"SELECT TOP 1 {expression} FROM {T}"


# Values of one row (sections 2.3, 2.3.1 and 4.3): what is written, and what it is.
# Where the catalogue of user defined functions says that a star moves: parallax, proper motions, radial velocity, epochs.
MOVED = [
    ("125, 300, -428.8, 52.51, 2016.0, 1992.25", (7.604061404627978, 11.7932703828279)),
    ("125, 300, -428.8, 52.51, 2016.0, 1875.0", (7.594068213694308, 11.807251375203935)),
    ("125, 300, -428.8, NULL, 2016.0, 1875.0", (7.594079587029898, 11.807235464326332)),
    ("125, 300, NULL, NULL, 2016.0, 1875.0", (7.594080321498365, 11.790440798509207)),
    ("NULL, 300, -428.8, 52.51, 2016.0, 1875.0", (7.594079587020846, 11.807235464339055)),
]
VALUES: list[tuple[str, Any]] = [
    ("ABS(-2.5)", 2.5), ("CEILING(-1.5)", -1.0), ("FLOOR(-1.5)", -2.0), ("DEGREES(PI())", 180.0), ("RADIANS(180)", math.pi),
    ("EXP(1)", math.e), ("LOG(10)", math.log(10)), ("LOG10(1000)", 3.0), ("LOG(0)", None), ("LOG10(-1)", None), ("SQRT(2)", math.sqrt(2)), ("SQRT(-1)", None),
    ("POWER(2, 10)", 1024.0), ("POWER(2, -1)", 0.5), ("MOD(7, 3)", 1), ("MOD(-7, 3)", -1), ("MOD(7.5, 2)", 1.5),
    ("ROUND(2.567, 2)", 2.57), ("ROUND(2.4)", 2.0), ("ROUND(1234, -2)", 1200.0), ("TRUNCATE(2.567, 2)", 2.56), ("TRUNCATE(-2.9)", -2.0),
    ("TRUNCATE(1299, -2)", 1200.0), ("SIN(1)", math.sin(1)), ("COS(1)", math.cos(1)), ("TAN(1)", math.tan(1)), ("COT(1)", 1 / math.tan(1)),
    ("ASIN(0.5)", math.asin(0.5)), ("ACOS(0.5)", math.acos(0.5)), ("ACOS(2)", None), ("ATAN(2)", math.atan(2)), ("ATAN2(1, -2)", math.atan2(1, -2)), ("SIGN(-3)", -1),
    ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 / 2", 3), ("-7 / 2", -3), ("7 / 2.0", 3.5), ("10 - 2 - 3", 5), ("-2 * -3", 6), ("1e3 + .5", 1000.5), ("1.5E-3", 0.0015),
    ("0xFF", 255), ("0XfF + 1", 256), ("6 & 3", 2), ("6 | 3", 7), ("6 ^ 3", 5), ("~5", -6), ("5 ^ 1", 4), ("0xF0 & 0x3C", 0x30),
    ("9223372036854775807", 2**63 - 1), ("9007199254740993 + 0", 9007199254740993),
    ("LOWER('ABC dEf')", "abc def"), ("UPPER('abc')", "ABC"), ("'it''s'", "it's"), ("'a' || 'b' || 'c'", "abc"), ("'x -- no comment'", "x -- no comment"),
    ("COALESCE(NULL, 5, 6)", 5), ("COALESCE(NULL, NULL)", None), ("COALESCE(NULL, 'x')", "x"),
    ("CAST('12' AS INTEGER)", 12), ("CAST(2.7 AS INTEGER)", 2), ("CAST(-2.7 AS BIGINT)", -2), ("CAST(5 AS VARCHAR)", "5"), ("CAST('abcdef' AS CHAR(3))", "abc"),
    ("CAST('1.25' AS DOUBLE PRECISION)", 1.25), ("CAST(1 AS REAL) / 2", 0.5), ("CAST(3 AS SMALLINT)", 3),
    ("CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' ELSE 'c' END", "b"), ("CASE 3 WHEN 1 THEN 'a' END", None),
    ("COORD1(POINT(10, 20))", 10.0), ("COORD2(POINT('ICRS', 10, 20))", 20.0), ("COORDSYS(POINT('ICRS', 10, 20))", "ICRS"),
    ("AREA(CIRCLE(0, 0, 90))", 2 * math.pi * math.degrees(1) ** 2), ("AREA(POLYGON(0, 0, 90, 0, 0, 90))", math.pi / 2 * math.degrees(1) ** 2),
    ("AREA(CIRCLE('ICRS', 25.4, -20.0, 10.0))", 2 * math.pi * (1 - math.cos(math.radians(10))) * math.degrees(1) ** 2),
    ("COORD2(CENTROID(CIRCLE(10, 20, 1)))", 20.0), ("COORD1(CENTROID(POLYGON(350, -10, 10, -10, 10, 10, 350, 10)))", 0.0),
    ("COORD2(CENTROID(POLYGON(0, 80, 90, 80, 180, 80, 270, 80)))", 90.0), ("COORD1(CENTROID(BOX(33, 5, 2, 2)))", 33.0),
    ("DISTANCE(0, 0, 0, 90)", 90.0), ("DISTANCE(POINT('ICRS', 25, -19.5), POINT('ICRS', 25.4, -20))", float(SkyCoord(25, -19.5, unit="deg").separation(SkyCoord(25.4, -20, unit="deg")).deg)),
    ("DISTANCE(359.5, 0, 0.5, 0)", 1.0), ("DISTANCE(10, 89, 190, 89)", 2.0),
    ("CONTAINS(POINT(0, 0), CIRCLE(0, 0, 0))", 1), ("CONTAINS(POINT(0, 1.1), CIRCLE(0, 0, 1))", 0), ("CONTAINS(CIRCLE(0, 0, 1), CIRCLE(0, 0.5, 2))", 1),
    ("CONTAINS(CIRCLE(0, 0, 1), CIRCLE(0, 1.5, 2))", 0), ("CONTAINS(POINT(0, 0), BOX(0, 0, 2, 2))", 1), ("CONTAINS(POINT(359.5, 0.5), BOX('ICRS', 0, 0, 2, 2))", 1),
    ("CONTAINS(POINT(1.5, 0), BOX(0, 0, 2, 2))", 0), ("CONTAINS(CIRCLE(0, 0, 0.5), POLYGON(359, -1, 1, -1, 1, 1, 359, 1))", 1),
    ("CONTAINS(CIRCLE(0, 0, 1.5), POLYGON(359, -1, 1, -1, 1, 1, 359, 1))", 0), ("CONTAINS(POLYGON(0, 0, 1, 0, 1, 1), POLYGON(359, -1, 3, -1, 3, 3))", 1),
    ("CONTAINS(POLYGON(0, 0, 1, 0, 1, 1), CIRCLE(0.5, 0.5, 2))", 1), ("CONTAINS(POINT(77, 89.9), POLYGON(0, 80, 90, 80, 180, 80, 270, 80))", 1),
    ("INTERSECTS(CIRCLE(0, 0, 1), CIRCLE(0, 1.9, 1))", 1), ("INTERSECTS(CIRCLE(0, 0, 1), CIRCLE(0, 2.1, 1))", 0), ("INTERSECTS(CIRCLE(359, 0, 1.2), CIRCLE(1, 0, 1))", 1),
    ("INTERSECTS(CIRCLE(0, 1.5, 0.6), BOX(0, 0, 2, 2))", 1), ("INTERSECTS(CIRCLE(0, 1.5, 0.4), BOX(0, 0, 2, 2))", 0), ("INTERSECTS(POLYGON(0, 0, 2, 0, 2, 2), POLYGON(1, -1, 1.5, 3, 1.6, 3))", 1),
    ("INTERSECTS(POLYGON(0, 0, 2, 0, 2, 2), POLYGON(10, 0, 12, 0, 12, 2))", 0), ("INTERSECTS(CIRCLE(0, 0, 1), POINT(0, 0.5))", 1),
    ("CONTAINS(POINT(10, 20), REGION('CIRCLE ICRS 10 20 1'))", 1), ("CONTAINS(POINT(5, 0.3), POLYGON(0, 0, 10, 0, 10, 10))", 1),
    ("COORD1(POINT(10, 20)) + COORD2(POINT(10, 20))", 30.0),
    ("ivo_to_mjd('2000-01-01T12:00:00')", 51544.5), ("ivo_to_jd('2000-01-01T12:00:00')", 2451545.0), ("ivo_to_mjd('2016-02-29T06:00:00')", float(Time("2016-02-29T06:00:00").mjd)),
    ("ivo_hasword('The Quick fox', 'quick')", 1), ("ivo_hasword('The Quick fox', 'qui')", 0), ("ivo_hasword('a b c', 'c a')", 1),
    ("ivo_hashlist_has('a#Bc#d', 'bC')", 1), ("ivo_hashlist_has('abc#d', 'b')", 0), ("ivo_nocasematch('NGC 4993', 'ngc%')", 1), ("ivo_nocasematch('M 31', 'ngc%')", 0),
    ("ivo_healpix_index(0, 0, 0)", 4), ("COORD2(ivo_healpix_center(0, 0))", math.degrees(math.asin(2 / 3))), ("ivo_healpix_index(3, POINT(1, 89.9)) ", 63),
    ("COORD1(ivo_epoch_prop_pos(10, 0, 0, 3600000, 0, 0, 2000, 2001))", 10 + math.degrees(math.atan(math.radians(1)))),
    ("COORD2(ivo_epoch_prop_pos(10, 60, NULL, 0, 1000, NULL, 2016, 2000))", 60 - 16 / 3600),
    # The examples of the catalogue itself.
    ("ivo_healpix_index(17, 1, 1)", 81609757711), ("ivo_healpix_index(17, 359, -1)", 73009064944), ("ivo_healpix_index(17, CENTROID(CIRCLE(359, -1, 3)))", 73009064944),
    ("COORD1(ivo_healpix_center(0, 6))", 180.0), ("COORD2(ivo_healpix_center(17, ivo_healpix_index(17, 23.4, 56.7)))", 56.70016214363192),
    *((f"COORD{axis + 1}(ivo_epoch_prop_pos(7.606083572, 11.79044105, {moves}))", place[axis]) for axis in (0, 1) for moves, place in MOVED),
    ("COORD1(ivo_geom_transform('ICRS', 'GALACTIC', POINT(120, -23)))", 241.121831182), ("COORD2(ivo_geom_transform('ICRS', 'GALACTIC', POINT(120, -23)))", 3.62785788087),
    ("COORD2(CENTROID(ivo_geom_transform('FK4', 'GALACTIC', CIRCLE(189.70303055, 22.96240006, 3))))", 84.99996154),
    ("ROUND(COORD1(ivo_geom_transform('ECLIPTIC', 'ICRS', POINT(90, 0))), 4)", 90.0), ("COORD2(ivo_geom_transform('SUPER_GALACTIC', 'GALACTIC', POINT(0, 0)))", 0.0),
    ("ivo_to_jd('1910-12-31T06:00:00')", 2419036.75), ("ivo_to_mjd('1910-12-31T06:00:00')", 19036.25), ("ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 2451546.0),
    ("ivo_nocasematch('ABcabc', 'ab__bc')", 1), ("ivo_nocasematch('abcabc', '%BC')", 1), ("ivo_nocasematch('abcabc', 'abcab')", 0),
    ("ivo_hasword('shown that a primordial', 'shown primordial')", 1), ("ivo_hasword('shown that a primordial', 'shown soup')", 0),
    ("ivo_hashlist_has('red#green#blue', 're')", 0), ("ivo_hashlist_has('red#green#blue', 'red#green')", 0), ("ivo_hashlist_has('Red#green#blue', 'red')", 1),
    ("COORD1(ivo_geom_transform('ICRS', 'GALACTIC', POINT(266.4051, -28.936175)))", float(SkyCoord(266.4051, -28.936175, unit="deg").galactic.l.deg)),
]  # fmt: skip

# Queries over the tables (sections 2 and 4), with their rows in any order unless they say one.
QUERIES: dict[str, tuple[str, Answer]] = {
    "all columns": (f"SELECT * FROM {P}", lambda s, p: [tuple(row.values()) for row in p]),
    "an expression and its name": (f"SELECT id, pm * 2 AS twice FROM {T}", lambda s, p: [(r["id"], r["pm"] * 2) for r in s]),
    "AS may be left out": (f"SELECT s.id number FROM {T} s", lambda s, p: [(r["id"],) for r in s]),
    "comparisons": (f"SELECT id FROM {T} WHERE mag >= 14 AND mag < 16.5 AND flags <> 3", lambda s, p: [(r["id"],) for r in known(s) if 14 <= r["mag"] < 16.5 and r["flags"] != 3]),
    "NOT before AND before OR": (f"SELECT id FROM {T} WHERE NOT flags > 8 AND field = 1 OR field = 2", lambda s, p: [(r["id"],) for r in s if (not r["flags"] > 8 and r["field"] == 1) or r["field"] == 2]),
    "a comparison with NULL is not true": (f"SELECT id FROM {T} WHERE mag > 0 OR mag <= 0", lambda s, p: [(r["id"],) for r in known(s)]),
    "IS NULL": (f"SELECT id FROM {T} WHERE mag IS NULL", lambda s, p: [(r["id"],) for r in s if r["mag"] is None]),
    "IS NOT NULL": (f"SELECT COUNT(*) FROM {T} WHERE mag IS NOT NULL", lambda s, p: [(len(known(s)),)]),
    "BETWEEN": (f"SELECT id FROM {T} WHERE field BETWEEN 3 AND 5", lambda s, p: [(r["id"],) for r in s if 3 <= r["field"] <= 5]),
    "NOT BETWEEN": (f"SELECT id FROM {T} WHERE field NOT BETWEEN 3 AND 5", lambda s, p: [(r["id"],) for r in s if not 3 <= r["field"] <= 5]),
    "IN a list": (f"SELECT id FROM {T} WHERE class IN ('QSO', 'galaxy')", lambda s, p: [(r["id"],) for r in s if r["class"] in ("QSO", "galaxy")]),
    "NOT IN": (f"SELECT id FROM {T} WHERE class NOT IN ('QSO')", lambda s, p: [(r["id"],) for r in s if r["class"] != "QSO"]),
    "IN a subquery": (f"SELECT id FROM {T} WHERE id IN (SELECT id FROM {P} WHERE quality = 4)", lambda s, p: [(r["id"],) for r in s if r["id"] in {x["id"] for x in p if x["quality"] == 4}]),
    "EXISTS with a row around it": (f"SELECT s.id FROM {T} AS s WHERE EXISTS (SELECT p.spec FROM {P} AS p WHERE p.id = s.id AND p.z > 2)", lambda s, p: [(r["id"],) for r in s if r["id"] in {x["id"] for x in known(p, "z") if x["z"] > 2}]),
    "NOT EXISTS": (f"SELECT s.id FROM {T} AS s WHERE NOT EXISTS (SELECT 1 FROM {P} WHERE {P}.id = s.id)", lambda s, p: [(r["id"],) for r in s if r["id"] not in {x["id"] for x in p}]),
    "LIKE has case": (f"SELECT id FROM {T} WHERE name LIKE 'Star 00_1' OR name LIKE 'star%'", lambda s, p: [(r["id"],) for r in s if r["name"][:7] == "Star 00" and r["name"][8:] == "1"]),
    "NOT LIKE": (f"SELECT id FROM {T} WHERE name NOT LIKE '%7'", lambda s, p: [(r["id"],) for r in s if not r["name"].endswith("7")]),
    "ILIKE has none": (f"SELECT id FROM {T} WHERE name ILIKE 'sTAR 12%'", lambda s, p: [(r["id"],) for r in s if r["name"].startswith("Star 12")]),
    "texts are compared with case": (f"SELECT id FROM {T} WHERE class = 'qso'", lambda s, p: []),
    "LOWER makes them alike": (f"SELECT id FROM {T} WHERE LOWER(class) = 'qso'", lambda s, p: [(r["id"],) for r in s if r["class"] == "QSO"]),
    "texts have an order": (f"SELECT id FROM {T} WHERE name < 'Star 0003'", lambda s, p: [(r["id"],) for r in s[:3]]),
    "bits of a column": (f"SELECT id FROM {T} WHERE flags & 0x05 = 5 AND flags ^ 5 > 40", lambda s, p: [(r["id"],) for r in s if r["flags"] & 5 == 5 and r["flags"] ^ 5 > 40]),
    "DISTINCT": (f"SELECT DISTINCT class FROM {T}", lambda s, p: [(name,) for name in CLASSES]),
    "names without case": ("select ID, T.Class from SKY_dr1.STARS as t where t.FIELD = 0", lambda s, p: [(r["id"], r["class"]) for r in s if r["field"] == 0]),
    "delimited names": ('SELECT "id", t."class" AS "Kind of" FROM sky_dr1."stars" AS t', lambda s, p: [(r["id"], r["class"]) for r in s]),
    "a table's full name qualifies": (f"SELECT {T}.id, stars.field FROM {T}", lambda s, p: [(r["id"], r["field"]) for r in s]),
    "comments": (f"SELECT id -- the identifier\nFROM {T} -- 'stars'\nWHERE field = 1", lambda s, p: [(r["id"],) for r in s if r["field"] == 1]),
    "aggregates": (f"SELECT COUNT(*), COUNT(mag), MIN(mag), MAX(mag), AVG(mag), SUM(flags) FROM {T}", lambda s, p: [(len(s), len(known(s)), min(r["mag"] for r in known(s)), max(r["mag"] for r in known(s)), math.fsum(r["mag"] for r in known(s)) / len(known(s)), sum(r["flags"] for r in s))]),
    "COUNT DISTINCT": (f"SELECT COUNT(DISTINCT class), COUNT(DISTINCT flags) FROM {T}", lambda s, p: [(4, len({r["flags"] for r in s}))]),
    "aggregates of nothing": (f"SELECT COUNT(*), SUM(pm), MAX(name) FROM {T} WHERE field = -1", lambda s, p: [(0, None, None)]),
    "GROUP BY": (f"SELECT class, COUNT(*) AS n, AVG(pm) FROM {T} GROUP BY class", lambda s, p: [(key, len(rows), math.fsum(r["pm"] for r in rows) / len(rows)) for key, rows in grouped(s, "class").items()]),
    "GROUP BY an expression": (f"SELECT FLOOR(pm / 10) AS bin, COUNT(*) FROM {T} GROUP BY FLOOR(pm / 10)", lambda s, p: list(Counter(float(math.floor(r["pm"] / 10)) for r in s).items())),
    "GROUP BY the name of an expression": (f"SELECT MOD(flags, 5) AS m, COUNT(*) FROM {T} GROUP BY m", lambda s, p: list(Counter(r["flags"] % 5 for r in s).items())),
    "HAVING": (f"SELECT flags FROM {T} GROUP BY flags HAVING COUNT(*) > 25", lambda s, p: [(key,) for key, rows in grouped(s, "flags").items() if len(rows) > 25]),
    "JOIN ON": (f"SELECT s.name, p.z FROM {T} AS s JOIN {P} AS p ON s.id = p.id", lambda s, p: [(by[x["id"]]["name"], x["z"]) for by in [{r["id"]: r for r in s}] for x in p if x["id"] in by]),
    "INNER JOIN USING": (f"SELECT id, name, spec FROM {T} INNER JOIN {P} USING (id)", lambda s, p: [(x["id"], by[x["id"]]["name"], x["spec"]) for by in [{r["id"]: r for r in s}] for x in p if x["id"] in by]),
    "USING shows its column once": (f"SELECT a.*, b.* FROM (SELECT id, field FROM {T}) AS a JOIN (SELECT id, spec FROM {P}) AS b USING (id)", lambda s, p: [(x["id"], by[x["id"]]["field"], x["id"], x["spec"]) for by in [{r["id"]: r for r in s}] for x in p if x["id"] in by]),
    "NATURAL JOIN": (f"SELECT * FROM (SELECT id, field FROM {T}) AS a NATURAL JOIN (SELECT spec, id FROM {P}) AS b", lambda s, p: [(x["id"], by[x["id"]]["field"], x["spec"]) for by in [{r["id"]: r for r in s}] for x in p if x["id"] in by]),
    "LEFT JOIN": (f"SELECT p.spec, s.name FROM {P} AS p LEFT OUTER JOIN {T} AS s ON p.id = s.id", lambda s, p: [(x["spec"], by.get(x["id"], {}).get("name")) for by in [{r["id"]: r for r in s}] for x in p]),
    "RIGHT JOIN": (f"SELECT p.spec, s.name FROM {T} AS s RIGHT JOIN {P} AS p ON p.id = s.id", lambda s, p: [(x["spec"], by.get(x["id"], {}).get("name")) for by in [{r["id"]: r for r in s}] for x in p]),
    "FULL JOIN USING": (f"SELECT id FROM {T} FULL OUTER JOIN {P} USING (id)", lambda s, p: [(r["id"],) for r in s for _ in range(max(1, sum(x["id"] == r["id"] for x in p)))] + [(x["id"],) for x in p if x["id"] <= 0]),
    "RIGHT JOIN USING gives the right column": (f"SELECT id, COUNT(*) FROM {T} RIGHT JOIN {P} USING (id) WHERE id < 0 GROUP BY id", lambda s, p: [(x["id"], 1) for x in p if x["id"] < 0]),
    "three tables": (f"SELECT COUNT(*) FROM {T} AS a JOIN {P} AS b ON a.id = b.id JOIN {P} AS c ON c.id = a.id", lambda s, p: [(sum(n * n for key, n in Counter(x["id"] for x in p).items() if key > 0),)]),
    "a cross product": (f"SELECT COUNT(*) FROM {T} AS a, {P} AS b WHERE a.field = 1 AND b.quality = 1", lambda s, p: [(sum(r["field"] == 1 for r in s) * sum(x["quality"] == 1 for x in p),)]),
    "joins in parentheses": (f"SELECT a.id FROM {T} AS a LEFT JOIN ({P} AS b JOIN {P} AS c ON b.spec = c.spec) ON a.id = b.id WHERE b.spec IS NULL", lambda s, p: [(r["id"],) for r in s if r["id"] not in {x["id"] for x in p}]),
    "a subquery in FROM": (f"SELECT q.n, COUNT(*) FROM (SELECT id, COUNT(*) AS n FROM {P} WHERE id > 0 GROUP BY id) AS q GROUP BY q.n", lambda s, p: list(Counter(Counter(x["id"] for x in p if x["id"] > 0).values()).items())),
    "a subquery for a value": (f"SELECT id FROM {T} WHERE pm = (SELECT MAX(pm) FROM {T})", lambda s, p: [(max(s, key=lambda r: r["pm"])["id"],)]),
    "WITH": (f"WITH bright AS (SELECT * FROM {T} WHERE mag < 12), n AS (SELECT COUNT(*) AS many FROM bright) SELECT many FROM n", lambda s, p: [(sum(r["mag"] < 12 for r in known(s)),)]),
    "WITH and a join of it": (f"WITH q AS (SELECT id, z FROM {P} WHERE z > 2.9) SELECT s.name, q.z FROM q JOIN {T} AS s ON s.id = q.id", lambda s, p: [(by[x["id"]]["name"], x["z"]) for by in [{r["id"]: r for r in s}] for x in known(p, "z") if x["z"] > 2.9 and x["id"] in by]),
    "UNION": (f"SELECT field FROM {T} UNION SELECT quality FROM {P}", lambda s, p: [(value,) for value in {r["field"] for r in s} | {x["quality"] for x in p}]),
    "UNION ALL": (f"SELECT field FROM {T} UNION ALL SELECT quality FROM {P}", lambda s, p: [(r["field"],) for r in s] + [(x["quality"],) for x in p]),
    "EXCEPT": (f"SELECT field FROM {T} EXCEPT SELECT quality FROM {P}", lambda s, p: [(value,) for value in {r["field"] for r in s} - {x["quality"] for x in p}]),
    "EXCEPT ALL": (f"SELECT field FROM {T} EXCEPT ALL SELECT quality FROM {P}", lambda s, p: [(value,) for value in (Counter(r["field"] for r in s) - Counter(x["quality"] for x in p)).elements()]),
    "INTERSECT": (f"SELECT field FROM {T} INTERSECT SELECT quality FROM {P}", lambda s, p: [(value,) for value in {r["field"] for r in s} & {x["quality"] for x in p}]),
    "INTERSECT ALL": (f"SELECT field FROM {T} INTERSECT ALL SELECT quality FROM {P}", lambda s, p: [(value,) for value in (Counter(r["field"] for r in s) & Counter(x["quality"] for x in p)).elements()]),
    "INTERSECT before UNION": (f"SELECT 99 AS v FROM {T} UNION SELECT field FROM {T} INTERSECT SELECT quality FROM {P}", lambda s, p: [(99,), *((value,) for value in {r["field"] for r in s} & {x["quality"] for x in p})]),
    "set operations in parentheses": (f"(SELECT 99 AS v FROM {T} UNION SELECT field FROM {T}) INTERSECT SELECT quality FROM {P}", lambda s, p: [(value,) for value in {r["field"] for r in s} & {x["quality"] for x in p}]),
    "IN_UNIT": (f"SELECT IN_UNIT(width, 'deg'), IN_UNIT(pm, 'deg/yr') FROM {T}", lambda s, p: [(r["width"] / 3600, r["pm"] / 3.6e6) for r in s]),
    "COALESCE of a column": (f"SELECT id, COALESCE(mag, -1) FROM {T}", lambda s, p: [(r["id"], -1.0 if r["mag"] is None else r["mag"]) for r in s]),
    "CAST of a column": (f"SELECT CAST(ra AS INTEGER), CAST(field AS VARCHAR) || class FROM {T}", lambda s, p: [(int(r["ra"]), str(r["field"]) + r["class"]) for r in s]),
    "CASE": (f"SELECT id, CASE WHEN mag < 14 THEN 'bright' WHEN mag >= 14 THEN 'faint' ELSE 'unknown' END FROM {T}", lambda s, p: [(r["id"], "unknown" if r["mag"] is None else "bright" if r["mag"] < 14 else "faint") for r in s]),
    "a time as a date": (f"SELECT id, ivo_to_mjd(seen) FROM {T}", lambda s, p: list(zip([r["id"] for r in s], Time([r["seen"] for r in s]).mjd.tolist(), strict=True))),
    "ivo_hashlist_has": (f"SELECT id FROM {T} WHERE ivo_hashlist_has(tags, 'Variable') = 1", lambda s, p: [(r["id"],) for r in s if "variable" in r["tags"].split("#")]),
    "ivo_hasword": (f"SELECT id FROM {T} WHERE 1 = ivo_hasword(class, 'dwarf')", lambda s, p: [(r["id"],) for r in s if r["class"] == "white dwarf"]),
    "ivo_string_agg": (f"SELECT quality, ivo_string_agg(CAST(spec AS VARCHAR), ',') FROM {P} WHERE spec < 50 GROUP BY quality", lambda s, p: [(key, ",".join(sorted(str(r["spec"]) for r in rows))) for key, rows in grouped(p[:50], "quality").items()]),
    "a point is a column": (f"SELECT POINT(ra, dec) FROM {T}", lambda s, p: [([r["ra"], r["dec"]],) for r in s]),
    "a circle is a column": (f"SELECT CIRCLE(ra, dec, 0.5) AS c FROM {T}", lambda s, p: [([r["ra"], r["dec"], 0.5],) for r in s]),
    "outside a circle": (f"SELECT id FROM {T} WHERE CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 90)) = 0", lambda s, p: [(r["id"],) for r in s if math.cos(math.radians(r["ra"])) * math.cos(math.radians(r["dec"])) < 0]),
    "a cone OR something": (f"SELECT id FROM {T} WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 0.2)) OR field = 3", lambda s, p: [(r["id"],) for r in s if r["dec"] >= 89.8 or r["field"] == 3]),
    "a cone in a subquery": (f"SELECT COUNT(*) FROM (SELECT ra, dec FROM {T}) AS q WHERE DISTANCE(q.ra, q.dec, 0, -90) < 0.5", lambda s, p: [(sum(r["dec"] < -89.5 for r in s),)]),
    "a column as radius": (f"SELECT id FROM {T} WHERE DISTANCE(ra, dec, 0, 90) < width / 9", lambda s, p: [(r["id"],) for r in s if 90 - r["dec"] < r["width"] / 9]),
    "the cell of a position": (f"SELECT COUNT(DISTINCT ivo_healpix_index(0, ra, dec)), MIN(ivo_healpix_index(12, ra, dec) / 16777216 - ivo_healpix_index(0, ra, dec)) FROM {T}", lambda s, p: [(12, 0)]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "answer"), VALUES, ids=[written for written, _ in VALUES])
def test_a_value_is_what_the_standard_says(sky: Sky, expression: str, answer: Any) -> None:
    [(found,)] = sky.rows(one(f"{expression} AS v"))
    assert found == number(answer)
    if isinstance(answer, int):
        assert isinstance(found, int)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_has_the_rows_that_python_computes(sky: Sky, name: str) -> None:
    text, answer = QUERIES[name]
    found, wanted = sorted(sky.rows(text), key=repr), sorted(answer(sky.stars, sky.spectra), key=repr)
    assert len(found) == len(wanted)
    for row, right in zip(found, wanted, strict=True):
        assert len(row) == len(right)
        for value, exact in zip(row, right, strict=True):
            assert value == number(exact)


def test_order_by_name_number_and_expression_with_top_and_offset(sky: Sky) -> None:
    wanted = [row["id"] for row in sorted(sky.stars, key=lambda row: (-row["field"], row["pm"]))]
    assert [row[0] for row in sky.rows(f"SELECT id, field FROM {T} ORDER BY field DESC, pm")] == wanted
    assert [row[0] for row in sky.rows(f"SELECT id, field AS f, pm FROM {T} ORDER BY f DESC, 3 ASC")] == wanted
    assert [row[0] for row in sky.rows(f"SELECT id FROM {T} ORDER BY -field, pm")] == wanted
    assert [row[0] for row in sky.rows(f"SELECT TOP 7 id FROM {T} ORDER BY field DESC, pm OFFSET 5")] == wanted[5:12]
    assert [row[0] for row in sky.rows(f"SELECT id FROM {T} ORDER BY field DESC, pm OFFSET 1490")] == wanted[1490:]
    assert sky.rows(f"SELECT TOP 0 id FROM {T}") == []
    both = sky.rows(f"SELECT field AS v FROM {T} UNION SELECT quality FROM {P} ORDER BY v DESC OFFSET 2")
    assert [row[0] for row in both] == list(range(14, -1, -1))


def test_a_limit_is_kept_under_a_larger_top_and_over_a_set_operation(sky: Sky) -> None:
    assert sky.query(f"SELECT TOP 10 id FROM {T}", limit=4).sql.endswith("LIMIT 4")
    assert sky.query(f"SELECT TOP 3 id FROM {T}", limit=4).sql.endswith("LIMIT 3")
    assert sky.query(f"SELECT id FROM {T} UNION SELECT id FROM {P}", limit=4).sql.endswith("LIMIT 4")


def test_random_numbers_lie_between_zero_and_one(sky: Sky) -> None:
    values = [row[0] for row in sky.rows(f"SELECT RAND() FROM {T}")]
    assert 0 <= min(values) < max(values) < 1
