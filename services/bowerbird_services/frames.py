"""What positions and times of an answer are counted by: a COOSYS or TIMESYS for each, and which columns refer to it."""

from collections.abc import Mapping, Sequence

from bowerbird.votable import Coosys, Timesys

from bowerbird_services.tables import Column, Position, Table, TimeFrame


def systems(columns: Sequence[Column], tables: Sequence[Table]) -> tuple[tuple[Coosys, ...], Mapping[Column, str]]:
    """Return the systems of the tables whose positions are among the columns, and the id of each such column's system.

    A column that may be of either of two systems refers to none.
    """
    known: dict[tuple[str, float | None], Coosys] = {}
    found: dict[Column, set[str]] = {}
    for table in tables:
        if table.position is None:
            continue
        place = table.position
        system = known.get((place.frame, place.epoch)) or Coosys(f"system{len(known) + 1}", place.frame, _epoch(place.epoch))
        kinds = {_kind(own) for name in _names(place) if (own := table.column(name)) is not None}
        of_it = [column for column in columns if _kind(column) in kinds]
        if of_it:
            known[place.frame, place.epoch] = system
        for column in of_it:
            found.setdefault(column, set()).add(system.id)
    return tuple(known.values()), {column: ids.pop() for column, ids in found.items() if len(ids) == 1}


def times(columns: Sequence[Column]) -> tuple[tuple[Timesys, ...], Mapping[Column, str]]:
    """Return the time systems of the columns, and the id of each column's own where it has one."""
    known: dict[TimeFrame, Timesys] = {}
    found: dict[Column, str] = {}
    for column in columns:
        if column.time is None:
            continue
        frame = column.time
        system = known.setdefault(frame, Timesys(f"time{len(known) + 1}", frame.scale, frame.place, frame.origin))
        found[column] = system.id
    return tuple(known.values()), found


def _names(place: Position) -> list[str]:
    return [name for name in (place.ra, place.dec, place.pm_ra, place.pm_dec) if name is not None]


def _kind(column: Column) -> tuple[str | None, str | None, str]:
    # A query may give a column another name; what it is stays.
    return column.ucd, column.unit, column.description


def _epoch(year: float | None) -> str | None:
    return f"J{year!r}" if year is not None else None
