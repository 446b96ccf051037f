# ruff: noqa: S608  names are quoted, values are made by Expressions
"""Joins of positions as joins of cells: each row of one side stands in all cells around it, each of the other in its own.

The sky is cut into zones of declination of height h ≥ 2 r, each zone into whole cells at least h wide; a pair within r
meets in exactly one cell, that of the row that was not copied, so that no pair is lost or found twice, also at the poles
and across RA 0.
"""

from bowerbird_services.adql.typed import Expression, Match, Replica, Shape, Source

_LEAST_HEIGHT = 1e-4  # degrees; the cells of a zone are then fewer than 2 ** 24
_WIDEST = 30.0


def join(match: Match, kept: frozenset[str], copied: Source) -> str | None:
    """Return the equality that finds a match between the sources `kept` and `copied`, whose rows it copies.

    None where the match is not between these.
    """
    if match.radius > _WIDEST:
        return None
    for near, far in ((match.left, match.right), (match.right, match.left)):
        if near.kind == far.kind == "POINT" and _sources(far) == {copied.alias} and _sources(near) and _sources(near) <= kept:
            replica = Replica(far.parts[0].sql, far.parts[1].sql, match.radius, len(copied.replicas))
            copied.replicas.append(replica)
            cell = f"adql_cell({near.parts[0].sql}, {near.parts[1].sql}, {_height(match.radius)!r}::DOUBLE)"
            return f'{cell} = {copied.alias}."_adql_cell{replica.number}"'
    return None


def _sources(shape: Shape) -> frozenset[str]:
    parts: tuple[Expression, ...] = shape.parts
    return parts[0].sources | parts[1].sources


def _height(radius: float) -> float:
    return max(2 * radius, _LEAST_HEIGHT)


def relation(source: Source) -> str:
    """Return a source as it stands in FROM, with its copies."""
    sql = f"{source.sql} AS {source.alias}"
    for replica in source.replicas:
        sql = _copied(sql, source.alias, replica)
    return sql


def _copied(sql: str, alias: str, replica: Replica) -> str:
    height, radius, at = f"{_height(replica.radius)!r}::DOUBLE", f"{replica.radius * 1.000001 + 1e-11!r}::DOUBLE", replica.number
    zone, reach, ra, width, first, last = (f'{alias}."_adql_{name}{at}"' for name in ("zone", "reach", "ra", "width", "first", "last"))
    # Only names and numbers of our own, and what Expressions made.
    zones = (
        f'SELECT {alias}.*, adql_reach({replica.dec}, {radius}) AS "_adql_reach{at}", adql_wrap({replica.ra}) AS "_adql_ra{at}", '
        f"unnest(range(adql_zone({replica.dec} - {radius}, {height}), adql_zone({replica.dec} + {radius}, {height}) + 1)) "
        f'AS "_adql_zone{at}" FROM {sql}'
    )
    widths = f'SELECT {alias}.*, adql_width({zone}, {height}) AS "_adql_width{at}" FROM ({zones}) AS {alias}'
    steps = (
        f'SELECT {alias}.*, adql_step({ra} - {reach}, {width}) AS "_adql_first{at}", '
        f'adql_step({ra} + {reach}, {width}) AS "_adql_last{at}" FROM ({widths}) AS {alias}'
    )
    cells = (
        f"SELECT {alias}.*, {zone} * 16777216 + ((unnest(range({first}, least({last}, {first} + {width} - 1) + 1)) % {width}) "
        f'+ {width}) % {width} AS "_adql_cell{at}" FROM ({steps}) AS {alias}'
    )
    return f"({cells}) AS {alias}"
