"""A table of one's own beside a table of a service, or beside another of one's own."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable, hstack, vstack

from bowerbird.errors import BadArgument
from bowerbird.vo.pairs import Find, Pairs, at_meeting, chosen, meeting, near, ordered
from bowerbird.vo.sources import Sources, motion_columns, sources
from bowerbird.warned import warn


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is asked: for rows, and for the reason why it has no such table, which is raised where it tells one."""

    ask: Callable[..., Any]
    explain: Callable[[str], None]


# A circle that all rows are looked for in may be so much wider than the one that was asked for.
_WIDENED = 2.0
_ROW, _RA, _DEC = "bowerbird_row", "bowerbird_ra", "bowerbird_dec"
_NAME = re.compile(r'(?:[A-Za-z_]\w*|"[^"]+")(?:\.(?:[A-Za-z_]\w*|"[^"]+")){0,2}')


def checked(name: str) -> str:
    """Return the name of a table as it stands in a query; ValueError where it is none."""
    if not _NAME.fullmatch(name):
        raise BadArgument(f"{name!r} is no name of a table; write it as a query does, like gaia_bright_dr3.stars")
    return name


def position_columns(service: Service, table: str) -> tuple[str, str]:
    """Return the columns of a service's table that hold the position (by TAP_SCHEMA), as a query writes them."""
    bare = checked(table).replace("'", "''")
    rows = service.ask(f"SELECT column_name, ucd FROM TAP_SCHEMA.columns WHERE table_name = '{bare}'")  # noqa: S608  # checked
    names = [str(name) for name in rows["column_name"]]
    ucds = [str(ucd).lower() for ucd in rows["ucd"]]
    if not names:
        service.explain(table)
        raise BadArgument(f"the service has no table {table}, or none that you may see; its tables are in TAP_SCHEMA.tables")
    by_ucd = dict(zip(reversed(ucds), reversed(names), strict=True))
    for ra, dec in (("pos.eq.ra;meta.main", "pos.eq.dec;meta.main"), ("pos.eq.ra", "pos.eq.dec")):
        if ra in by_ucd and dec in by_ucd:
            return by_ucd[ra], by_ucd[dec]
    raise BadArgument(f"table {table} says of none of its columns that they are its position")


def local(mine: QTable, other: QTable, radius_arcsec: float, find: Find, epochs: tuple[float | None, float | None]) -> QTable:
    """Return a table beside another that is here too."""
    first, second = sources(mine, epochs[0]), sources(other, epochs[1])
    meets = meeting(first, second)
    _say(meets.trouble)
    pairs = near(at_meeting(first, meets), at_meeting(second, meets), radius_arcsec)
    return _beside(mine, other, chosen(pairs, find))


def remote(
    service: Service, mine: QTable, table: str, radius_arcsec: float, find: Find, epochs: tuple[float | None, float | None]
) -> QTable:
    """Return a table beside one of a service; positions go there, nothing else of the table does."""
    ask = service.ask
    ra, dec = position_columns(service, table)
    first = sources(mine, epochs[0])
    empty = ask(f"SELECT TOP 1 * FROM {table}")  # noqa: S608  # checked
    looked = sources(empty, epochs[1])
    meets = meeting(first, looked)
    _say(meets.trouble)
    there, circles = first.at, [Circle(radius_arcsec)]
    if meets.epoch is not None and looked.epoch is not None:
        # What moves here is sent as it will be there; what moves there is looked for as far as it may have come.
        there = first.moved(looked.epoch) if first.motion is not None else first.at
        circles = _circles(ask, table, empty, radius_arcsec, abs(meets.epoch - looked.epoch))
    uploaded = {"bowerbird_positions": _positions(there)}
    parts = [ask(_query(table, ra, dec, circle), tables=uploaded) for circle in circles]
    filled = [part for part in parts if len(part)] or parts[:1]
    found = vstack(filled, metadata_conflicts="silent") if len(filled) > 1 else filled[0]
    if not len(found):
        return _beside(mine, found, _pairs(first, Sources(first.at[:0]), np.array([], dtype="i8"), radius_arcsec, meets))
    rows = np.asarray(found[_ROW], dtype="i8")
    found.remove_column(_ROW)
    pairs = _pairs(first, sources(found, epochs[1]), rows, radius_arcsec, meets)
    return _beside(mine, found, _chosen(pairs, found, find))


@dataclass(frozen=True, slots=True)
class Circle:
    """How far around each position (arcsec) which rows `t` are looked for; no condition means all."""

    radius_arcsec: float
    condition: str = ""


def _query(table: str, ra: str, dec: str, circle: Circle) -> str:
    inside = f"1 = CONTAINS(POINT('ICRS', t.{ra}, t.{dec}), CIRCLE('ICRS', u.{_RA}, u.{_DEC}, {circle.radius_arcsec / 3600:.12g}))"
    adql = f"SELECT u.{_ROW}, t.* FROM TAP_UPLOAD.bowerbird_positions AS u JOIN {table} AS t ON {inside}"  # noqa: S608  # checked
    return f"{adql} WHERE {circle.condition}" if circle.condition else adql


def _circles(ask: Callable[..., Any], table: str, rows: QTable, radius_arcsec: float, years: float) -> list[Circle]:
    """Return where to look for what has moved that long: the few fast ones far around, all others near by.

    One circle for all would be as wide as the fastest star has come, and bring everything that lies in it.
    """
    names = motion_columns(rows)
    if names is None or not years:
        return [Circle(radius_arcsec)]
    fastest = _fastest(ask, table, rows, names)
    wide = radius_arcsec + years * fastest
    if wide <= _WIDENED * radius_arcsec:
        return [Circle(wide)]
    slow = (_WIDENED - 1) * radius_arcsec / years
    squared = _squared(rows, names, "t.")
    unknown = " OR ".join(f"t.{name} IS NULL" for name in names)
    return [Circle(_WIDENED * radius_arcsec, f"({squared} <= {slow**2!r} OR {unknown})"), Circle(wide, f"{squared} > {slow**2!r}")]


def _squared(rows: QTable, names: tuple[str, str], prefix: str = "") -> str:
    """Return the square of the motion in arcsec a year, as a query computes it."""

    def one(name: str) -> str:
        unit = getattr(rows[name], "unit", None)
        factor = float(u.Unit(unit).to(u.arcsec / u.yr)) if unit else 1e-3
        return f"{prefix}{name}*{factor!r}"

    return " + ".join(f"{one(name)}*{one(name)}" for name in names)


def _positions(there: Any) -> dict[str, Any]:
    known = np.flatnonzero(np.isfinite(there.ra.deg) & np.isfinite(there.dec.deg))
    return {_ROW: known.astype("i8"), _RA: there.ra.deg[known], _DEC: there.dec.deg[known]}


def _fastest(ask: Callable[..., Any], table: str, rows: QTable, names: tuple[str, str]) -> float:
    """Return the largest motion in arcsec a year, and a little more."""
    top = ask(f"SELECT MAX({_squared(rows, names)}) AS fastest FROM {table}")  # noqa: S608  # names of its own columns
    squared = float(np.nan_to_num(np.asarray(getattr(top["fastest"], "value", top["fastest"]), dtype="f8")[0]))
    return float(np.sqrt(squared)) * 1.01


def _pairs(first: Sources, second: Sources, rows: Any, radius_arcsec: float, meets: Any) -> Pairs:
    here, there = at_meeting(first, meets), at_meeting(second, meets)
    separation = here[rows].separation(there).arcsec if len(rows) else np.array([])
    pairs = Pairs(rows, np.arange(len(rows)), separation)
    return ordered(pairs.taken(pairs.separation <= radius_arcsec))


def _chosen(pairs: Pairs, found: QTable, find: Find) -> Pairs:
    """Return what is asked for; a source of the service that came several times is one by its position."""
    if find != "symmetric":
        return pairs.taken(chosen(Pairs(pairs.first, np.arange(len(pairs.first)), pairs.separation), find).second)
    told = Pairs(pairs.first, _numbered(sources(found).at)[pairs.second], pairs.separation)
    best = chosen(told, find)
    partner = np.full(int(told.first.max(initial=-1)) + 1, -1)
    partner[best.first] = best.second
    return pairs.taken(partner[told.first] == told.second)


def _numbered(at: Any) -> Any:
    """Return a number for each position, the same for the same one."""
    ra, dec = at.ra.deg, at.dec.deg
    order = np.lexsort((dec, ra))
    others = (ra[order][1:] != ra[order][:-1]) | (dec[order][1:] != dec[order][:-1])
    numbers = np.empty(len(order), dtype="i8")
    numbers[order] = np.concatenate([[0], np.cumsum(others)])
    return numbers


def _beside(mine: QTable, other: QTable, pairs: Pairs) -> QTable:
    left, right = QTable(mine)[pairs.first], QTable(other)[pairs.second]
    for name in [name for name in right.colnames if name in left.colnames or name == "separation"]:
        right.rename_column(name, f"{name}_other")
    made = hstack([left, right], metadata_conflicts="silent") if len(right.colnames) else left
    made["separation"] = pairs.separation * u.arcsec
    return made


def _say(trouble: str) -> None:
    if trouble:
        warn(f"positions are compared as they stand: {trouble}")
