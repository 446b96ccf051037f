# ruff: noqa: S608  names are quoted, values are made by Expressions
"""Joins of positions as joins of cells: each row of one side in all that its circle touches, each of the other in its own.

The sky is cut into zones of declination of height h > 2 r, each zone into whole cells so wide that the circle around any
row touches at most two of them: four at most in all, so that copies come of two short lists, and a row's own cell of a
few products. A pair within r meets in exactly one cell, that of the row that was not copied, so that no pair is lost or found
twice, also at the poles, where a zone is one cell, and across RA 0.
"""

import math
from collections.abc import Sequence

from bowerbird_services.adql.typed import Match, Place, Shape, Source, number
from bowerbird_services.sky_order import reach

_LEAST_RADIUS = 3e-5  # degrees; the cells of a zone are then fewer than 2 ** 24
# Degrees; `width` holds where a zone reaches less than a quarter turn beyond a pole.
_WIDEST = 20.0
# A cell in radii: wider ones touch fewer neighbours, and have more rows in them to look at.
_SPREAD = 3.0
_TWICE = "(VALUES (0), (1)) AS copies(k)"


def join(match: Match, kept: Sequence[Source], copied: Source) -> str | None:
    """Return the equality that finds a match between the sources `kept` and `copied`, whose rows it copies.

    None where the match is not between these.
    """
    if match.radius > _WIDEST:
        return None
    for near, far in ((match.left, match.right), (match.right, match.left)):
        if _movable(near) and _movable(far) and _aliases(far) == {copied.alias}:
            own = _own_cell(near, match.radius, {source.alias: source for source in kept})
            if own:
                copied.replicas.append(Place(far.parts[0].sql, far.parts[1].sql, match.radius))
                return f'{own} = {copied.alias}."_adql_cell{len(copied.replicas) - 1}"'
    return None


def _movable(shape: Shape) -> bool:
    """Return whether a position can be computed inside FROM: it is one of rows, without a query that names what is around it."""
    return shape.kind == "POINT" and len(shape.parts) > 1 and not any("SELECT " in part.sql for part in shape.parts)


def _aliases(shape: Shape) -> frozenset[str]:
    return shape.parts[0].sources | shape.parts[1].sources


def _own_cell(near: Shape, radius: float, kept: dict[str, Source]) -> str | None:
    """Return the cell of a position, computed once a row where it is of one table."""
    aliases = _aliases(near)
    if not aliases or not aliases <= kept.keys():
        return None
    place = Place(near.parts[0].sql, near.parts[1].sql, radius)
    if len(aliases) > 1:
        zone = f"adql_zone({place.dec}, {_Grid(radius).height})"
        return f"adql_cell({zone}, {_Grid(radius).width(zone)}, adql_turn({place.ra}))"
    source = kept[next(iter(aliases))]
    if place not in source.cells:
        source.cells.append(place)
    return f'{source.alias}."_adql_own{source.cells.index(place)}"'


class _Grid:
    """The zones and cells for one radius; all numbers as SQL."""

    def __init__(self, radius: float) -> None:
        far = max(reach(radius), _LEAST_RADIUS)
        sine = math.sin(math.radians(far))
        self.reach = number(far)
        self.height = number(_SPREAD * far)
        self._quarters = [number(value / 90) for value in (_SPREAD * far, 90 - _SPREAD / 2 * far, (_SPREAD / 2 + 1) * far)]
        self._cells = number(2 * math.pi / (_SPREAD * sine)), number(2 * math.pi / _SPREAD)

    def width(self, zone: str) -> str:
        """Return how many cells a zone has: one where it is so near a pole that a circle may go all around."""
        return f"adql_width({zone}, {', '.join(self._quarters)}, {', '.join(self._cells)})"


def relation(source: Source) -> str:
    """Return a source as it stands in FROM, with its cells and copies."""
    sql = f"{source.sql} AS {source.alias}"
    for at, place in enumerate(source.cells):
        sql = _with_cell(sql, source.alias, place, f"own{at}")
    for at, place in enumerate(source.replicas):
        sql = _copied(sql, source.alias, place, at)
    return sql


def _with_cell(sql: str, alias: str, place: Place, at: str) -> str:
    grid, zone, width, turn = _Grid(place.radius), f'"_adql_zone_{at}"', f'"_adql_width_{at}"', f'"_adql_turn_{at}"'
    zones = f"SELECT {alias}.*, adql_zone({place.dec}, {grid.height}) AS {zone}, adql_turn({place.ra}) AS {turn} FROM {sql}"
    widths = f"SELECT {alias}.*, {grid.width(zone)} AS {width} FROM ({zones}) AS {alias}"
    return f'(SELECT {alias}.*, adql_cell({zone}, {width}, {turn}) AS "_adql_{at}" FROM ({widths}) AS {alias}) AS {alias}'


def _copied(sql: str, alias: str, place: Place, at: int) -> str:
    grid, zone, width, turn = _Grid(place.radius), f'"_adql_zone{at}"', f'"_adql_width{at}"', f'"_adql_turn{at}"'
    south, north = (f"adql_zone({place.dec} {sign} {grid.reach}, {grid.height})" for sign in "-+")
    zones = (
        f"SELECT {alias}.*, {south} + copies.k AS {zone}, adql_turn({place.ra}) AS {turn} "
        f"FROM {sql}, {_TWICE} WHERE {south} + copies.k <= {north}"
    )
    widths = f"SELECT {alias}.*, {grid.width(zone)} AS {width} FROM ({zones}) AS {alias}"
    west, east = (f"floor({turn} * {width} {sign} {number(1 / _SPREAD)})" for sign in "-+")
    cells = (
        f'SELECT {alias}.*, adql_copy({zone}, {width}, {west} + copies.k) AS "_adql_cell{at}" FROM ({widths}) AS {alias}, {_TWICE} '
        f"WHERE copies.k = 0 OR ({width} > 1 AND {west} <> {east})"
    )
    return f"({cells}) AS {alias}"
