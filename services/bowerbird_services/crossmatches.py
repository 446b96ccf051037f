"""A join of rows that came with a query and rows of a table, by position: what there is to find. Pure."""

from dataclasses import dataclass

from bowerbird_services.tables import Table


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its table, which columns are its position (degrees), and which of them the query reads, under what alias."""

    alias: str
    table: Table
    ra: str
    dec: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Crossmatch:
    """A relation of pairs that a query names by `view`: one column for each side, by its alias, that is a row of it.

    It has every pair within `radius` degrees once, and others that are little farther apart: the query drops those.
    `given` lies in no file; `stored` does, in the order of HEALPIX_COLUMN, which its rows have too.
    """

    view: str
    given: Side
    stored: Side
    radius: float
