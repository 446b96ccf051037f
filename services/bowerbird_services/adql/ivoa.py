"""The functions of the IVOA's Catalogue of ADQL User Defined Functions that we have."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bowerbird.votable.field import Datatype

from bowerbird_services.adql import geometry
from bowerbird_services.adql.errors import Unfit
from bowerbird_services.adql.typed import TEXTS, Expression, text, together
from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER, Column

# By the names of the IVOA's vocabulary of reference frames, with the equinoxes that the catalogue gives them; it asks for rotations, so
# FK4 has no terms of aberration.
FRAMES = {
    "ICRS": "icrs",
    "FK5": "fk5",
    "FK4": "fk4noeterms",
    "ECLIPTIC": "barycentricmeanecliptic",
    "GALACTIC": "galactic",
    "SUPER_GALACTIC": "supergalactic",
}
_COARSEST, _POINT = 0, 2


@dataclass(frozen=True, slots=True)
class Defined:
    """One function of the catalogue, in the form that languageFeatures gives it."""

    name: str
    least: int
    most: int
    build: Callable[[list[Expression]], Expression]
    form: str
    description: str
    aggregate: bool = False


def _value(sql: str, column: Column, parts: list[Expression]) -> Expression:
    return Expression(sql, column, together(parts), aggregates=any(part.aggregates for part in parts))


def _position(name: str, parts: list[Expression]) -> tuple[Expression, Expression]:
    if len(parts) == 1:
        shape = geometry.shape_of(parts[0])
        if shape.kind != "POINT":
            raise Unfit(f"{name} takes a POINT or two numbers")
        return shape.parts[0], shape.parts[1]
    return parts[0], parts[1]


def _healpix_index(parts: list[Expression]) -> Expression:
    order = parts[0].constant
    ra, dec = _position("ivo_healpix_index", parts[1:])
    if order is not None and not (order.is_integer() and _COARSEST <= order <= HEALPIX_ORDER):
        raise Unfit(f"an order of HEALPix is a whole number from 0 to {HEALPIX_ORDER}")
    column = Column("ivo_healpix_index", Datatype.LONG, ucd="pos.healpix")
    known = main_position(ra, dec)
    if order is not None and known:
        return _value(f'({known}."{HEALPIX_COLUMN}" >> {2 * (HEALPIX_ORDER - int(order))})', column, parts)
    return _value(f"adql_healpix({parts[0].sql}, {ra.sql}, {dec.sql})", column, parts)


def main_position(ra: Expression, dec: Expression) -> str | None:
    """Return the alias of the source whose main position two values are; None where they are none."""
    if ra.direct is None or dec.direct is None or ra.direct[0] is not dec.direct[0]:
        return None
    source = ra.direct[0]
    return source.alias if (ra.direct[1].name, dec.direct[1].name) == source.position else None


def _healpix_center(parts: list[Expression]) -> Expression:
    sql = f"adql_healpix_center({parts[0].sql}, {parts[1].sql})"
    return _value(sql, Column("ivo_healpix_center", Datatype.DOUBLE, "2", "point", unit="deg"), parts)


def _propagated(parts: list[Expression]) -> Expression:
    sql = f"adql_propagated({', '.join(f'CAST({part.sql} AS DOUBLE)' for part in parts)})"
    return _value(sql, Column("ivo_epoch_prop_pos", Datatype.DOUBLE, "2", "point", unit="deg"), parts)


def _transformed(parts: list[Expression]) -> Expression:
    frames = []
    for part in parts[:2]:
        name = part.sql[1:-1].upper() if part.sql.startswith("'") else ""
        if name not in FRAMES:
            raise Unfit(f"ivo_geom_transform knows the frames {', '.join(FRAMES)}, in quotes")
        frames.append(text(FRAMES[name]))
    shape = geometry.shape_of(parts[2])
    sql = f"adql_transformed({', '.join(frames)}, {geometry.shape_sql(shape)})"
    kinds = {"POINT": ("2", "point"), "CIRCLE": ("3", "circle"), "POLYGON": ("*", "polygon"), "BOX": ("*", "polygon")}
    arraysize, xtype = kinds.get(shape.kind, ("*", parts[2].column.xtype))
    return _value(sql, Column("ivo_geom_transform", Datatype.DOUBLE, arraysize, xtype, unit="deg"), parts)


def _date(name: str, offset: str, column: Column) -> Callable[[list[Expression]], Expression]:
    def build(parts: list[Expression]) -> Expression:
        if parts[0].column.datatype not in TEXTS:
            raise Unfit(f"{name} takes a timestamp")
        return _value(f"(adql_mjd({parts[0].sql}){offset})", replace(column, name=name), parts)

    return build


def _texts(name: str, form: str, column: Column) -> Callable[[list[Expression]], Expression]:
    def build(parts: list[Expression]) -> Expression:
        if any(part.column.datatype not in TEXTS for part in parts):
            raise Unfit(f"{name} takes texts")
        return _value(form.format(*(part.sql for part in parts)), replace(column, name=name), parts)

    return build


def _string_agg(parts: list[Expression]) -> Expression:
    if parts[1].column.datatype not in TEXTS:
        raise Unfit("the delimiter of ivo_string_agg is a text")
    value = f"CAST({parts[0].sql} AS VARCHAR)"
    made = _value(f"string_agg({value}, {parts[1].sql} ORDER BY {value})", Column("ivo_string_agg", Datatype.UNICODE_CHAR, "*"), parts)
    return replace(made, aggregates=True)


_DAYS = Column("", Datatype.DOUBLE, unit="d", ucd="time.epoch")
_TRUTH = Column("", Datatype.INT)
DEFINED: tuple[Defined, ...] = (
    Defined("ivo_healpix_index", 2, 3, _healpix_index, "ivo_healpix_index(hpxOrder INTEGER, long DOUBLE, lat DOUBLE) -> BIGINT",
        "The nested HEALPix cell of an order in which a position lies; a POINT may stand for the two numbers."),
    Defined("ivo_healpix_center", 2, 2, _healpix_center, "ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT",
        "The middle of a nested HEALPix cell of an order."),
    Defined("ivo_epoch_prop_pos", 8, 8, _propagated, "ivo_epoch_prop_pos(ra DOUBLE, dec DOUBLE, parallax DOUBLE, pmra DOUBLE, "
        "pmdec DOUBLE, radial_velocity DOUBLE, ref_epoch DOUBLE, out_epoch DOUBLE) -> POINT",
        "A position at another epoch, moved along a straight line in space; degrees, mas, mas/yr, km/s, years. "
        "A parallax, proper motion or radial velocity that is not known counts as none."),
    Defined("ivo_geom_transform", 3, 3, _transformed, "ivo_geom_transform(from_sys TEXT, to_sys TEXT, geo GEOMETRY) -> GEOMETRY",
        f"A region in another frame: {', '.join(FRAMES)}."),
    Defined("ivo_to_mjd", 1, 1, _date("ivo_to_mjd", "", _DAYS), "ivo_to_mjd(d TIMESTAMP) -> DOUBLE", "The modified Julian date of a time."),
    Defined("ivo_to_jd", 1, 1, _date("ivo_to_jd", " + 2400000.5e0", _DAYS), "ivo_to_jd(d TIMESTAMP) -> DOUBLE",
        "The Julian date of a time."),
    Defined("ivo_string_agg", 2, 2, _string_agg, "ivo_string_agg(expression TEXT, delimiter TEXT) -> TEXT",
        "The texts of a group in order, with a delimiter between them.", aggregate=True),
    Defined("ivo_hasword", 2, 2, _texts("ivo_hasword", "adql_hasword({0}, {1})", _TRUTH),
        "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER", "1 where all words of needle are words of haystack, without case; else 0."),
    Defined("ivo_hashlist_has", 2, 2, _texts("ivo_hashlist_has", "adql_hashlist_has({0}, {1})", _TRUTH),
        "ivo_hashlist_has(hashlist TEXT, item TEXT) -> INTEGER", "1 where item, without case, stands in a list delimited by #; else 0."),
    Defined("ivo_nocasematch", 2, 2, _texts("ivo_nocasematch", "CAST({0} ILIKE {1} AS INTEGER)", _TRUTH),
        "ivo_nocasematch(value TEXT, pattern TEXT) -> INTEGER", "1 where value is LIKE pattern, without case; else 0."),
)  # fmt: skip
