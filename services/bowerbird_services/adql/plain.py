"""Which queries are a cone around a place and nothing else, so that a back end may take the shortest way to their rows."""

from collections.abc import Sequence

from sqlglot import exp

from bowerbird_services.adql.geometry import constants
from bowerbird_services.adql.ivoa import main_position
from bowerbird_services.adql.typed import Expression, Source
from bowerbird_services.cone import ConeSearch
from bowerbird_services.tables import Column

_MORE = ("joins", "group", "having", "order", "offset", "distinct")


def cone(
    node: exp.Expr, sources: Sequence[Source], found: Sequence[Expression], outputs: Sequence[tuple[Expression, Column]], most: int | None
) -> ConeSearch | None:
    """Return the cone that a SELECT from one source alone is; None where it asks for anything else.

    `found` are its conditions, `outputs` its values with the columns that they become, `most` the most rows that it may give.
    """
    match = found[0].match if len(found) == 1 else None
    if match is None or len(sources) != 1 or sources[0].table is None or any(node.args.get(word) for word in _MORE):
        return None
    source, table = sources[0], sources[0].table
    for point, centre in ((match.left, match.right), (match.right, match.left)):
        place = constants(centre) if centre.kind == "POINT" else None
        if place is None or point.kind != "POINT" or main_position(*point.parts) != source.alias:
            continue
        names = [(value.direct[1].name, column.name) for value, column in outputs if value.direct is not None]
        top = node.args.get("limit")
        limits = [limit for limit in (most, int(top.args["expression"].this) if top else None) if limit is not None]
        if len(names) < len(outputs):
            return None
        return ConeSearch(table, tuple(names), place[0], place[1], match.radius, min(limits, default=None), match.closed)
    return None
