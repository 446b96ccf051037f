"""The order of the sky through subqueries: a query whose columns are a table's main position passes its HEALPix on, unseen."""

from collections.abc import Sequence

from bowerbird_services.adql.typed import Expression, Position, Source, quoted
from bowerbird_services.tables import HEALPIX_COLUMN, Column

HIDDEN = quoted(HEALPIX_COLUMN)


def carried(sources: Sequence[Source], outputs: Sequence[Expression], columns: Sequence[Column]) -> tuple[Position, str] | None:
    """Return which columns of a query are a main position, and the SQL of its HEALPix.

    It follows from the position, so that rows which DISTINCT or GROUP BY make one by their positions have one HEALPix too.
    """
    if any(column.name.lower() == HEALPIX_COLUMN for column in columns):
        return None
    for source in sources:
        names = {output.direct[1].name: column.name for output, column in _of(source, outputs, columns) if output.direct}
        if source.position is not None and names.keys() >= set(source.position):
            ra, dec = source.position
            return (names[ra], names[dec]), f"{source.alias}.{HIDDEN}"
    return None


def _of(source: Source, outputs: Sequence[Expression], columns: Sequence[Column]) -> list[tuple[Expression, Column]]:
    pairs = zip(outputs, columns, strict=True)
    return [(output, column) for output, column in pairs if output.direct is not None and output.direct[0] is source]


def renamed(position: Position | None, before: Sequence[Column], after: Sequence[Column]) -> Position | None:
    """Return a position under the new names of its columns."""
    if position is None or any(column.name.lower() == HEALPIX_COLUMN for column in after):
        return None
    names = {old.name: new.name for old, new in zip(before, after, strict=True)}
    return names[position[0]], names[position[1]]


def with_names(before: Sequence[Column], after: Sequence[Column], position: Position | None) -> str:
    """Return what SELECT lists to give columns other names."""
    listed = [f"{quoted(old.name)} AS {quoted(new.name)}" for old, new in zip(before, after, strict=True)]
    return ", ".join([*listed, *([HIDDEN] if position else [])])
