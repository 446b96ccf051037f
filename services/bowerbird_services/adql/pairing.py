"""FROM as pairs that are found by position, not by comparing: rows that came with the query, and a table in the order of the sky."""

from collections.abc import Sequence

from bowerbird.votable.field import Datatype
from sqlglot import exp

from bowerbird_services.adql.typed import Match, Pairing, Placed, Scope, Shape
from bowerbird_services.crossmatches import Crossmatch, Side

# Degrees; wider circles have so many rows in them that finding them is no longer what takes the time.
_WIDEST = 1.0


def of_two_tables(node: exp.Expr) -> bool:
    """Return whether a SELECT reads two tables whose rows it all compares: it names them, and nothing but conditions joins them."""
    origin: exp.Expr | None = node.args.get("from_")
    joins: Sequence[exp.Expr] = node.args.get("joins") or ()
    if origin is None or len(joins) != 1 or any(joins[0].args.get(word) for word in ("using", "method", "side")):
        return False
    return all(isinstance(part.this, exp.Table) and not part.this.args.get("joins") for part in (origin, joins[0]))


def taken(match: Match, scope: Scope) -> bool:
    """Return whether the FROM of a SELECT is of pairs; by this match it may become so."""
    if scope.pairing is None and scope.of_two_tables and match.radius <= _WIDEST:
        for near, far in ((match.left, match.right), (match.right, match.left)):
            given, stored = _placed(near), _placed(far)
            if given and stored and _is_given(given) and _is_sorted(stored) and not _copied(given, stored):
                scope.pairing = Pairing(given, stored, match.radius)
    return scope.pairing is not None


def _placed(shape: Shape) -> Placed | None:
    """Return the table of which two columns of doubles are a position."""
    if shape.kind != "POINT" or any(part.column.datatype is not Datatype.DOUBLE for part in shape.parts):
        return None
    columns = [part.direct for part in shape.parts if part.direct is not None]
    if len(columns) != 2 or columns[0][0] is not columns[1][0] or columns[0][0].table is None:  # noqa: PLR2004  right ascension, declination
        return None
    source, table = columns[0][0], columns[0][0].table
    return Placed(source, table, (columns[0][1].name, columns[1][1].name))


def _is_given(placed: Placed) -> bool:
    return not placed.table.files


def _is_sorted(placed: Placed) -> bool:
    return bool(placed.table.files) and placed.source.position == placed.position


def _copied(*placed: Placed) -> bool:
    return any(each.source.cells or each.source.replicas for each in placed)


def crossmatch(pairing: Pairing, view: str) -> Crossmatch:
    """Return what there is to find, when all of the SELECT is known."""
    return Crossmatch(view, _side(pairing.given), _side(pairing.stored), pairing.radius)


def _side(placed: Placed) -> Side:
    return Side(placed.source.alias, placed.table, *placed.position, tuple(sorted(placed.source.used)))
