"""Ingest: files of a million rows made into tables, from opening the file to the table that can be queried."""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from astropy.io import fits
from bowerbird_config.tables import ReleaseTable
from bowerbird_services.ingest.table import ingest

from tests.bench.row import Row

ROWS = 1_000_000
GOAL = 200_000.0


def _stars() -> pa.Table:
    dice = np.random.default_rng(11)
    return pa.table(
        {
            "id": np.arange(ROWS, dtype=np.int64) + (1 << 60),
            "ra": dice.uniform(0, 360, ROWS),
            "dec": np.degrees(np.arcsin(dice.uniform(-1, 1, ROWS))),
            "g": dice.normal(15, 2, ROWS).astype(np.float32),
            "bp": dice.normal(15, 2, ROWS).astype(np.float32),
            "pm_ra": dice.normal(0, 10, ROWS),
            "pm_dec": dice.normal(0, 10, ROWS),
            "name": pa.array([f"star {number}" for number in range(ROWS)]),
        }
    )


def _write_fits(table: pa.Table, path: Path) -> None:
    letters = {"int64": "K", "double": "D", "float": "E", "string": "12A"}
    columns = [fits.Column(f.name, letters[str(f.type)], array=np.asarray(table[f.name].to_pylist())) for f in table.schema]
    fits.BinTableHDU.from_columns(columns).writeto(path)


def _rate(file: Path) -> float:
    asked = ReleaseTable.model_validate({"file": file.name, "title": "Stars", "position": {"ra": "ra", "dec": "dec"}})
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        began = time.perf_counter()
        ingest(file.parent, ("sky", "dr1"), "stars", asked, Path(folder))
        return ROWS / (time.perf_counter() - began)


def rows(rounds: int) -> list[Row]:
    """Measure the ingest of each format that has a goal."""
    writers: dict[str, Callable[[pa.Table, Path], object]] = {"parquet": pq.write_table, "fits": _write_fits, "csv": pyarrow.csv.write_csv}
    table, found = _stars(), []
    with tempfile.TemporaryDirectory() as folder:
        for kind, write in writers.items():
            file = Path(folder) / f"stars.{kind}"
            write(table, file)
            measured = [rate() for rate in [functools.partial(_rate, file)] * rounds]
            what = f"ingest of {ROWS:,} rows of 8 columns from {kind.upper() if kind != 'parquet' else 'Parquet'}, sorted by position"
            found.append(Row.alone(f"ingest {kind}", what, measured, unit="rows/s", goal=GOAL, better="higher"))
    return found
