"""Tables on a shelf without an ingest: a few stars, public or a team's, for whoever serves tables."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import Latitude, Longitude
from bowerbird_config.tables import schema_name
from bowerbird_services.store import shelf, sidecar
from bowerbird_services.store.columns import datatype_of
from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER, Column, Position, Table
from cdshealpix.nested import lonlat_to_healpix

STARS = 2000


def stars(rows: int = STARS, seed: int = 1) -> pa.Table:
    """Return stars all over the sky, with 64-bit identifiers and some magnitudes that nobody measured."""
    dice = np.random.default_rng(seed)
    magnitude = dice.normal(12, 2, rows)
    return pa.table(
        {
            "source_id": np.arange(rows, dtype=np.int64) + (1 << 62) + 1,
            "ra": dice.uniform(0, 360, rows),
            "dec": np.degrees(np.arcsin(dice.uniform(-1, 1, rows))),
            "mag": pa.array(magnitude, mask=dice.random(rows) < 0.1),
            "name": pa.array([f"star {number}" for number in range(rows)]),
        }
    )


def put(root: Path, place: tuple[str, str], name: str, rows: pa.Table, *, row_group_size: int = 500, making: str = "") -> Table:
    """Lay a table on the shelf, sorted by position where it has one, and return it; another `making` is another file."""
    folder = root.joinpath(*place)
    folder.mkdir(parents=True, exist_ok=True)
    columns = tuple(Column(field.name, *datatype_of(field.type)) for field in rows.schema)
    position = Position("ra", "dec", epoch=2016.0) if {"ra", "dec"} <= set(rows.column_names) else None
    if position:
        order = lonlat_to_healpix(Longitude(rows["ra"].to_numpy(), "deg"), Latitude(rows["dec"].to_numpy(), "deg"), HEALPIX_ORDER)
        rows = rows.append_column(HEALPIX_COLUMN, pa.array(order.astype(np.int64))).sort_by(HEALPIX_COLUMN)
    file = folder / f"{name}{making}.parquet"
    pq.write_table(rows, file, row_group_size=row_group_size)
    table = Table(schema_name(*place), name, columns, release=place, position=position, files=(file,), rows=rows.num_rows)
    sidecar.write(folder / f"{name}{sidecar.SUFFIX}", sidecar.Sidecar(table, "by hand", {file.name: file.stat().st_size}))
    shelf.write_index(root, sorted({*shelf.read_index(root), place}))
    return table
