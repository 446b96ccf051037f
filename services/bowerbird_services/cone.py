"""The commonest question of all: columns of one table's rows around a place, and nothing else. Pure."""

from dataclasses import dataclass

from bowerbird_services.tables import Table


@dataclass(frozen=True, slots=True)
class ConeSearch:
    """Rows of `table` whose main position lies within `radius` of a place, all in degrees; at most `limit` of them.

    `outputs` are the columns of the answer, each as (column of the table, name in the answer). Whoever makes one has
    checked that the table has a position, that its columns are there, and that declination and radius are possible.
    """

    table: Table
    outputs: tuple[tuple[str, str], ...]
    ra: float
    dec: float
    radius: float
    limit: int | None = None
    # Whether rows at exactly the radius belong to the answer.
    closed: bool = True
