"""A sky of two tables with every kind of value, as a shelf that DuckDB reads and as plain rows that Python computes with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bowerbird.votable.field import Datatype
from bowerbird_services.adql import Query, register, translate
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.tables import Catalogue, Column, Table

from tests.support.shelves import put

Row = dict[str, Any]
STARS, SPECTRA = 1500, 900
CLASSES = ("star", "galaxy", "QSO", "white dwarf")
UNITS = {"ra": "deg", "dec": "deg", "mag": "mag", "pm": "mas/yr", "width": "arcsec", "z": None}
UCDS = {"ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main", "mag": "phot.mag", "id": "meta.id;meta.main"}


def star_rows() -> list[Row]:
    """Return stars all over the sky and, densely, around both poles and RA 0."""
    dice = np.random.default_rng(7)
    ra, dec = dice.uniform(0, 360, STARS), np.degrees(np.arcsin(dice.uniform(-1, 1, STARS)))
    ra[:200], dec[:200] = dice.normal(0, 0.5, 200) % 360, dice.normal(0, 0.5, 200)
    dec[200:350], dec[350:500] = 90 - np.abs(dice.normal(0, 0.5, 150)), -90 + np.abs(dice.normal(0, 0.5, 150))
    rows = []
    for number in range(STARS):
        rows.append(
            {
                "id": number + (1 << 60),
                "ra": float(ra[number]),
                "dec": float(dec[number]),
                "mag": None if number % 11 == 0 else round(float(dice.normal(14, 3)), 3),
                "flags": int(dice.integers(0, 64)),
                "pm": float(dice.normal(0, 30)),
                "width": float(dice.uniform(0.1, 9)),
                "name": f"Star {number:04d}",
                "class": CLASSES[number % 4],
                "seen": f"20{number % 25:02d}-0{number % 9 + 1}-1{number % 10}T0{number % 10}:30:00",
                "tags": "#".join(sorted({"red", "blue", "variable", "binary"} - {("red", "blue", "variable", "binary")[number % 4]})),
                "field": number % 17,
            }
        )
    return rows


def spectrum_rows(stars: Sequence[Row]) -> list[Row]:
    """Return spectra of some stars, near where those are, some twice, and a few of nothing."""
    dice = np.random.default_rng(8)
    rows = []
    for number in range(SPECTRA):
        star = stars[int(dice.integers(0, STARS))]
        offset = dice.normal(0, 0.0005, 2)
        dec = min(90.0, max(-90.0, star["dec"] + float(offset[0])))
        rows.append(
            {
                "spec": number,
                "id": star["id"] if number % 9 else -number,
                "ra": (star["ra"] + float(offset[1]) / max(np.cos(np.radians(dec)), 1e-6)) % 360,
                "dec": dec,
                "z": None if number % 7 == 0 else round(float(dice.uniform(0, 3)), 4),
                "quality": int(dice.integers(0, 5)),
            }
        )
    return rows


def described(table: Table) -> Table:
    """Return a table whose columns say what they are."""
    columns = []
    for column in table.columns:
        unit, ucd = UNITS.get(column.name), UCDS.get(column.name)
        columns.append(replace(column, unit=unit, ucd=ucd, description=f"the {column.name}"))
    return replace(table, columns=tuple(columns))


@dataclass(frozen=True)
class Sky:
    """The tables, their rows, and who computes over them."""

    stars: list[Row]
    spectra: list[Row]
    catalogue: Catalogue
    backend: DuckDBBackend

    def __repr__(self) -> str:
        # Hypothesis prints what a failing test was given: not all rows.
        return f"Sky of {len(self.stars)} stars"

    def query(self, text: str, *, limit: int | None = None, uploads: Catalogue | None = None) -> Query:
        """Return a translated query."""
        return translate(text, self.catalogue, limit=limit, uploads=uploads or Catalogue(()))

    def rows(self, text: str, given: Mapping[str, pa.Table] | None = None, uploads: Catalogue | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        query = self.query(text, uploads=uploads)
        with self.backend.run(query, given or {}) as result:
            assert result.schema.names == [column.name for column in query.columns]
            return [row for batch in result.batches() for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


def upload(name: str, rows: pa.Table) -> Catalogue:
    """Return the catalogue of one uploaded table."""
    kinds = {pa.float64(): Datatype.DOUBLE, pa.int64(): Datatype.LONG, pa.string(): Datatype.UNICODE_CHAR}
    columns = tuple(Column(field.name, kinds[field.type]) for field in rows.schema)
    return Catalogue([Table("TAP_UPLOAD", name, columns, rows=rows.num_rows)])


def open_sky(root: Path) -> Sky:
    """Lay the tables under a directory; whoever opens it closes its back end."""
    stars = star_rows()
    spectra = spectrum_rows(stars)
    tables = [
        described(put(root, ("sky", "dr1"), "stars", pa.Table.from_pylist(stars), row_group_size=200)),
        described(put(root, ("sky", "dr1"), "spectra", pa.Table.from_pylist(spectra), row_group_size=200)),
    ]
    return Sky(stars, spectra, Catalogue(tables), DuckDBBackend(Room(root, root / "spill"), prepare=register))
