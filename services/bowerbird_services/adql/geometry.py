"""The geometry of ADQL 2.1 (section 4.2): written regions stay numbers, so that what is constant is known before a row is read."""

from collections.abc import Callable
from dataclasses import replace

from bowerbird.votable.field import Datatype

from bowerbird_services.adql import regions
from bowerbird_services.adql.errors import Unfit
from bowerbird_services.adql.typed import TEXTS, Expression, Match, Shape, number, together
from bowerbird_services.sky_regions import DECLINATIONS, RADII
from bowerbird_services.tables import Column

_FRAMES = {"", "ICRS", "UNKNOWNFRAME"}
_XTYPES = {"POINT": ("2", "point"), "CIRCLE": ("3", "circle"), "POLYGON": ("*", "polygon"), "BOX": ("*", "polygon"), "REGION": ("*", None)}


def shape_of(part: Expression) -> Shape:
    """Return the region that a value is, also where it is a column of regions."""
    if part.shape is not None:
        return part.shape
    xtype = (part.column.xtype or "").lower()
    if xtype in {"point", "circle", "polygon"}:
        return Shape(xtype.upper(), (part,)) if xtype != "point" else Shape("REGION", (part,))
    if xtype.startswith("adql:") or xtype == "region":
        return Shape("REGION", (replace(part, sql=f"adql_region({part.sql})"),))
    raise Unfit(f"{part.column.name} is no region or position")


def shape_sql(shape: Shape) -> str:
    """Return a region as a list of its numbers."""
    if shape.kind == "BOX" and len(shape.parts) > 1:
        return f"adql_box({', '.join(part.sql for part in shape.parts)})"
    if len(shape.parts) == 1:
        return f"CAST({shape.parts[0].sql} AS DOUBLE[])"
    return f"CAST([{', '.join(part.sql for part in shape.parts)}] AS DOUBLE[])"


def constants(shape: Shape) -> list[float] | None:
    """Return the numbers of a region that is written out; None where it depends on a row."""
    numbers = [part.constant for part in shape.parts]
    known = [value for value in numbers if value is not None]
    if len(known) != len(numbers) or len(known) < 2:  # noqa: PLR2004  a point
        return None
    return regions.box(*known) if shape.kind == "BOX" else known


def region(kind: str, parts: tuple[Expression, ...], name: str | None = None) -> Expression:
    """Return a region as a value."""
    arraysize, xtype = _XTYPES[kind]
    shape = Shape(kind, parts)
    column = Column(name or kind.lower(), Datatype.DOUBLE, arraysize, xtype, unit="deg")
    return Expression(shape_sql(shape), column, together(parts), shape=shape)


def _numbers(name: str, parts: list[Expression]) -> list[Expression]:
    """Return the arguments without the deprecated coordinate system, each a number; points become two."""
    if parts and parts[0].column.datatype in TEXTS and parts[0].sql.startswith("'"):
        frame = parts[0].sql[1:-1].split()
        if (frame[0].upper() if frame else "") not in _FRAMES:
            raise Unfit(f"{name} is in ICRS; turn other frames with ivo_geom_transform")
        parts = parts[1:]
    flat: list[Expression] = []
    for part in parts:
        is_point = part.shape is not None and part.shape.kind == "POINT"
        if is_point and part.shape is not None:
            flat.extend(part.shape.parts)
        elif (part.column.xtype or "").lower() == "point":
            flat.extend(replace(part, sql=f"({part.sql})[{which}]", column=Column("coord", Datatype.DOUBLE)) for which in (1, 2))
        elif part.shape is not None or part.is_condition or part.column.datatype in TEXTS:
            raise Unfit(f"{name} takes numbers in degrees, or a POINT")
        else:
            flat.append(part)
    return flat


def _latitudes(name: str, values: list[Expression]) -> None:
    if any(value.constant is not None and not DECLINATIONS.holds(value.constant) for value in values):
        raise Unfit(f"a declination in {name} is beyond a pole")


def _point(parts: list[Expression]) -> Expression:
    values = _numbers("POINT", parts)
    if len(values) != 2:  # noqa: PLR2004
        raise Unfit("POINT takes a right ascension and a declination")
    _latitudes("POINT", values[1:])
    return region("POINT", tuple(values))


def _circle(parts: list[Expression]) -> Expression:
    values = _numbers("CIRCLE", parts)
    if len(values) != 3:  # noqa: PLR2004
        raise Unfit("CIRCLE takes a position and a radius")
    _latitudes("CIRCLE", values[1:2])
    radius = values[2].constant
    if radius is not None and not RADII.holds(radius):
        raise Unfit(f"the radius of a CIRCLE is between {RADII.low:g} and {RADII.high:g} degrees")
    return region("CIRCLE", tuple(values))


def _polygon(parts: list[Expression]) -> Expression:
    values = _numbers("POLYGON", parts)
    if len(values) < 6 or len(values) % 2:  # noqa: PLR2004
        raise Unfit("POLYGON takes three or more positions")
    _latitudes("POLYGON", values[1::2])
    shape = region("POLYGON", tuple(values))
    known = constants(Shape("POLYGON", tuple(values)))
    if known and not regions.Polygon(known).fits:
        raise Unfit("a POLYGON must fit into a hemisphere")
    return shape


def _box(parts: list[Expression]) -> Expression:
    values = _numbers("BOX", parts)
    if len(values) != 4:  # noqa: PLR2004
        raise Unfit("BOX takes a position, a width and a height")
    _latitudes("BOX", values[1:2])
    if any(value.constant is not None and not 0 <= value.constant < 180 for value in values[2:]):  # noqa: PLR2004
        raise Unfit("the sides of a BOX are between 0 and 180 degrees")
    return region("BOX", tuple(values))


def _region(parts: list[Expression]) -> Expression:
    written = parts[0].sql
    if parts[0].column.datatype not in TEXTS or not written.startswith("'"):
        raise Unfit("REGION takes a text in quotes")
    numbers = regions.parse(written[1:-1])
    if numbers is None:
        raise Unfit("REGION understands CIRCLE, POLYGON, BOX and POSITION in ICRS")
    kind = {2: "POINT", 3: "CIRCLE"}.get(len(numbers), "POLYGON")
    return region(kind, tuple(constant(value) for value in numbers), "region")


def constant(value: float) -> Expression:
    """Return a number as a value."""
    return Expression(number(value), Column("value", Datatype.DOUBLE), constant=value)


def _coordinate(which: int) -> Callable[[list[Expression]], Expression]:
    def build(parts: list[Expression]) -> Expression:
        shape = shape_of(parts[0])
        column = Column(f"coord{which}", Datatype.DOUBLE, unit="deg", ucd=f"pos.eq.{'ra' if which == 1 else 'dec'}")
        if shape.kind == "POINT":
            part = shape.parts[which - 1]
            return replace(part, sql=f"CAST({part.sql} AS DOUBLE)", column=column, direct=None)
        if (parts[0].column.xtype or "") != "point":
            raise Unfit(f"COORD{which} takes a POINT")
        return Expression(f"({parts[0].sql})[{which}]", column, parts[0].sources)

    return build


def _system(parts: list[Expression]) -> Expression:
    shape_of(parts[0])
    return Expression("'ICRS'", Column("coordsys", Datatype.CHAR, "*"), parts[0].sources)


def _centroid(parts: list[Expression]) -> Expression:
    shape = shape_of(parts[0])
    if shape.kind in {"POINT", "CIRCLE", "BOX"} and len(shape.parts) > 1:
        return region("POINT", shape.parts[:2], "centroid")
    known = constants(shape)
    if known:
        return region("POINT", tuple(constant(value) for value in regions.centroid(known)), "centroid")
    column = Column("centroid", Datatype.DOUBLE, "2", "point", unit="deg")
    return Expression(f"adql_centroid({shape_sql(shape)})", column, parts[0].sources)


def _area(parts: list[Expression]) -> Expression:
    shape = shape_of(parts[0])
    column = Column("area", Datatype.DOUBLE, unit="deg**2", ucd="phys.angArea")
    return Expression(f"adql_area({shape_sql(shape)})", column, parts[0].sources)


def _distance(parts: list[Expression]) -> Expression:
    values = _numbers("DISTANCE", parts)
    if len(values) != 4:  # noqa: PLR2004
        raise Unfit("DISTANCE takes two positions")
    _latitudes("DISTANCE", values[1::2])
    column = Column("distance", Datatype.DOUBLE, unit="deg", ucd="pos.angDistance")
    pair = Shape("POINT", tuple(values[:2])), Shape("POINT", tuple(values[2:]))
    return Expression(f"adql_distance({', '.join(value.sql for value in values)})", column, together(values), distance=pair)


def within(first: Shape, second: Shape, radius: Expression, comparison: str = "<=") -> tuple[str, Match | None]:
    """Return the condition that two positions lie within a radius, and what a join can use of it."""
    separation = f"adql_haversine({', '.join(part.sql for part in (*first.parts, *second.parts))})"
    limit = f"pow(sin(radians(least(180, {radius.sql})) / 2), 2)"
    # The limit of a negative radius is that of a positive one.
    sure = radius.constant is not None and radius.constant >= 0
    sql = f"({separation} {comparison} {limit})" if sure else f"({separation} {comparison} {limit} AND {radius.sql} >= 0)"
    if radius.constant is None or not RADII.holds(radius.constant):
        return sql, None
    return sql, Match(first, second, radius.constant, comparison == "<=")


def _truth(name: str, parts: list[Expression], sql: str, match: Match | None) -> Expression:
    return Expression(f"CAST({sql} AS INTEGER)", Column(name, Datatype.INT), together(parts), predicate=sql, match=match)


def _contains(parts: list[Expression]) -> Expression:
    inner, outer = shape_of(parts[0]), shape_of(parts[1])
    if inner.kind == "POINT" and outer.kind == "CIRCLE" and len(outer.parts) > 1:
        sql, match = within(inner, Shape("POINT", outer.parts[:2]), outer.parts[2])
        return _truth("contains", parts, sql, match)
    if inner.kind == "POINT" and outer.kind in {"POLYGON", "BOX"}:
        known = constants(outer)
        match = Match(inner, Shape("POLYGON", tuple(constant(value) for value in known)), 0.0) if known else None
        return _truth("contains", parts, f"adql_inside({shape_sql(inner)}, {shape_sql(outer)})", match)
    return _truth("contains", parts, f"adql_contains({shape_sql(inner)}, {shape_sql(outer)})", None)


def _intersects(parts: list[Expression]) -> Expression:
    first, second = shape_of(parts[0]), shape_of(parts[1])
    if first.kind == "POINT" or second.kind == "POINT":
        return replace(_contains(parts if first.kind == "POINT" else parts[::-1]), column=Column("intersects", Datatype.INT))
    return _truth("intersects", parts, f"adql_intersects({shape_sql(first)}, {shape_sql(second)})", None)


FUNCTIONS: tuple[tuple[str, int, int, Callable[[list[Expression]], Expression]], ...] = (
    ("POINT", 2, 3, _point),
    ("CIRCLE", 2, 4, _circle),
    ("POLYGON", 3, 2001, _polygon),
    ("BOX", 3, 5, _box),
    ("REGION", 1, 1, _region),
    ("CENTROID", 1, 1, _centroid),
    ("AREA", 1, 1, _area),
    ("COORD1", 1, 1, _coordinate(1)),
    ("COORD2", 1, 1, _coordinate(2)),
    ("COORDSYS", 1, 1, _system),
    ("CONTAINS", 2, 2, _contains),
    ("INTERSECTS", 2, 2, _intersects),
    ("DISTANCE", 2, 5, _distance),
)
