"""The functions that a query may call, each with its arguments, its SQL and the column that it makes (ADQL 2.1, sections 2.3 and 4)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bowerbird.votable.field import Datatype

from bowerbird_services.adql import geometry, ivoa
from bowerbird_services.adql.errors import Unfit
from bowerbird_services.adql.typed import NUMBERS, TEXTS, WHOLE, Expression, together
from bowerbird_services.tables import Column

Build = Callable[[list[Expression]], Expression]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of ADQL: how many arguments it takes, how its SQL is made, and under which feature it is declared."""

    name: str
    least: int
    most: int
    build: Build
    feature: str = ""
    form: str = ""
    description: str = ""
    aggregate: bool = False


def made(sql: str, column: Column, parts: list[Expression]) -> Expression:
    """Return a value that was computed of others."""
    return Expression(sql, column, together(parts), aggregates=any(part.aggregates for part in parts))


def _name(name: str) -> str:
    return name.lower()


def _numeric(name: str, form: str, *, unit: str | None = None, datatype: Datatype = Datatype.DOUBLE, keep: bool = False) -> Build:
    """Return a builder of `form`, in which {0} and {1} stand for numbers; `keep` keeps unit and kind of the first."""

    def build(parts: list[Expression]) -> Expression:
        for part in parts:
            if part.column.datatype in TEXTS or part.shape or part.is_condition:
                raise Unfit(f"{name} takes numbers")
        column = Column(_name(name), datatype, unit=unit)
        if keep:
            first = parts[0].column
            column = replace(column, datatype=first.datatype if first.datatype in NUMBERS else datatype, unit=first.unit, ucd=first.ucd)
        return made(form.format(*(part.sql for part in parts)), column, parts)

    return build


def _rounding(name: str, macro: str) -> Build:
    def build(parts: list[Expression]) -> Expression:
        digits = parts[1].sql if len(parts) > 1 else "0"
        return _numeric(name, f"{macro}({{0}}, {digits})", keep=False)(parts)

    return build


def _text(name: str) -> Build:
    def build(parts: list[Expression]) -> Expression:
        if parts[0].column.datatype not in TEXTS:
            raise Unfit(f"{name} takes a text")
        column = replace(parts[0].column, name=_name(name), principal=True, indexed=False, std=False)
        return made(f"{_name(name)}({parts[0].sql})", column, parts)

    return build


def _aggregate(name: str) -> Build:
    def build(parts: list[Expression]) -> Expression:
        part = parts[0]
        if part.aggregates:
            raise Unfit(f"{name} cannot be computed of another aggregate")
        whole = part.column.datatype in WHOLE
        if name in ("SUM", "AVG") and (part.column.datatype in TEXTS or part.shape):
            raise Unfit(f"{name} takes numbers")
        column = Column(_name(name), part.column.datatype, part.column.arraysize, unit=part.column.unit, ucd=part.column.ucd)
        sql = f"{_name(name)}({part.sql})"
        if name == "AVG":
            column = replace(column, datatype=Datatype.DOUBLE)
        elif name == "SUM":
            column = replace(column, datatype=Datatype.LONG if whole else Datatype.DOUBLE)
            sql = f"CAST({sql} AS {'BIGINT' if whole else 'DOUBLE'})"
        return replace(made(sql, replace(column, description=_of(name, part)), parts), aggregates=True)

    return build


def _of(name: str, part: Expression) -> str:
    words = {"MIN": "least", "MAX": "greatest", "SUM": "sum", "AVG": "mean"}
    return f"{words[name]} of {part.column.name}" if part.direct else ""


def _count(parts: list[Expression]) -> Expression:
    column = Column("count", Datatype.LONG, ucd="meta.number")
    return replace(made(f"count({parts[0].sql})", column, parts), aggregates=True)


def _coalesce(parts: list[Expression]) -> Expression:
    kinds = [part.column for part in parts]
    first = next((kind for part, kind in zip(parts, kinds, strict=True) if part.sql != "NULL"), kinds[0])
    wide = _widest([kind.datatype for kind in kinds])
    column = replace(first, name="coalesce", datatype=wide if first.datatype in NUMBERS else first.datatype, indexed=False, std=False)
    return made(f"coalesce({', '.join(part.sql for part in parts)})", column, parts)


_WIDTH = [Datatype.UNSIGNED_BYTE, Datatype.SHORT, Datatype.INT, Datatype.LONG, Datatype.FLOAT, Datatype.DOUBLE]


def _widest(kinds: list[Datatype]) -> Datatype:
    return max((kind for kind in kinds if kind in NUMBERS), key=_WIDTH.index, default=Datatype.DOUBLE)


def widest(kinds: list[Datatype]) -> Datatype:
    """Return the datatype that holds numbers of all these; the first where they are no numbers."""
    return _widest(kinds) if all(kind in NUMBERS for kind in kinds) else kinds[0]


def _in_unit(parts: list[Expression]) -> Expression:
    from bowerbird_services.adql import units  # noqa: PLC0415  astropy's units, which few queries need

    target = parts[1].sql
    value = parts[0]
    if parts[1].column.datatype not in TEXTS or not target.startswith("'"):
        raise Unfit("the second argument of IN_UNIT is a unit in quotes")
    try:
        factor, unit = units.factor(value.column.unit, target[1:-1])
    except ValueError as error:
        raise Unfit(str(error)) from error
    column = replace(value.column, datatype=Datatype.DOUBLE, unit=unit, indexed=False, std=False)
    return made(f"({value.sql} * {factor!r}::DOUBLE)", column, parts)


def _mathematics() -> list[Function]:
    one = {
        "ABS": ("abs({0})", True), "CEILING": ("ceil({0})", True), "FLOOR": ("floor({0})", True), "EXP": ("exp({0})", False),
        "LOG": ("adql_ln({0})", False), "LOG10": ("adql_log10({0})", False), "SQRT": ("adql_sqrt({0})", False),
        "DEGREES": ("degrees({0})", False), "RADIANS": ("radians({0})", False), "SIN": ("sin({0})", False), "COS": ("cos({0})", False),
        "TAN": ("tan({0})", False), "COT": ("(1 / tan({0}))", False), "ASIN": ("adql_asin({0})", False), "ACOS": ("adql_acos({0})", False),
        "ATAN": ("atan({0})", False), "SIGN": ("sign({0})", False),
    }  # fmt: skip
    units = {"DEGREES": "deg", "RADIANS": "rad", "ASIN": "rad", "ACOS": "rad", "ATAN": "rad"}
    listed = [Function(name, 1, 1, _numeric(name, form, unit=units.get(name), keep=keep)) for name, (form, keep) in one.items()]
    return [
        *listed,
        Function("ATAN2", 2, 2, _numeric("ATAN2", "atan2({0}, {1})", unit="rad")),
        Function("MOD", 2, 2, _numeric("MOD", "({0} % {1})", keep=True)),
        Function("POWER", 2, 2, _numeric("POWER", "pow({0}, {1})")),
        Function("PI", 0, 0, lambda parts: made("pi()", Column("pi", Datatype.DOUBLE), parts)),
        Function("RAND", 0, 1, lambda parts: made("random()", Column("rand", Datatype.DOUBLE), parts)),
        Function("ROUND", 1, 2, _rounding("ROUND", "adql_round")),
        Function("TRUNCATE", 1, 2, _rounding("TRUNCATE", "adql_truncate")),
    ]


def _others() -> list[Function]:
    string, conditional = "ivo://ivoa.net/std/TAPRegExt#features-adql-string", "ivo://ivoa.net/std/TAPRegExt#features-adql-conditional"
    unit = "ivo://ivoa.net/std/TAPRegExt#features-adql-unit"
    return [
        Function("LOWER", 1, 1, _text("LOWER"), string, "LOWER"),
        Function("UPPER", 1, 1, _text("UPPER"), string, "UPPER"),
        Function("COALESCE", 1, 64, _coalesce, conditional, "COALESCE"),
        Function("IN_UNIT", 2, 2, _in_unit, unit, "IN_UNIT"),
        Function("COUNT", 1, 1, _count, aggregate=True),
        *(Function(name, 1, 1, _aggregate(name), aggregate=True) for name in ("MIN", "MAX", "SUM", "AVG")),
    ]


def _regions() -> list[Function]:
    feature = "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo"
    return [Function(name, least, most, build, feature, name) for name, least, most, build in geometry.FUNCTIONS]


def _defined() -> list[Function]:
    feature = "ivo://ivoa.net/std/TAPRegExt#features-udf"
    return [
        Function(defined.name, defined.least, defined.most, defined.build, feature, defined.form, defined.description, defined.aggregate)
        for defined in ivoa.DEFINED
    ]


FUNCTIONS: dict[str, Function] = {function.name.upper(): function for function in (*_mathematics(), *_others(), *_regions(), *_defined())}
