"""How many rows of a table lie where on the sky, beside its Parquet file as JSON: counted once, when the rows are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bowerbird_services.store import sidecar
from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER

SUFFIX = ".coverage.json"
# Pixels of 13 square degrees: as fine as a picture of the whole sky shows.
ORDER = 4
PIXELS = 12 << 2 * ORDER
_SHIFT = 2 * (HEALPIX_ORDER - ORDER)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Rows by nested HEALPix pixel at ORDER; pixels without any are left out."""

    counts: Mapping[int, int]

    @property
    def fraction(self) -> float:
        """The part of the sky whose pixels have a row."""
        return len(self.counts) / PIXELS


def path_of(rows: Path) -> Path:
    """Return where the coverage of a Parquet file stands."""
    return rows.with_suffix(SUFFIX)


def write(rows: Path) -> None:
    """Count the rows of a Parquet file that has HEALPIX_COLUMN; OSError where the count cannot be written."""
    pixel = f'"{HEALPIX_COLUMN}" >> {_SHIFT}'
    asked = f'SELECT {pixel} AS pixel, count(*) FROM read_parquet($1) WHERE "{HEALPIX_COLUMN}" >= 0 GROUP BY ALL ORDER BY 1'  # noqa: S608
    try:
        with duckdb.connect(config={"threads": 2}) as database:
            found = database.execute(asked, [str(rows)]).fetchall()
    except duckdb.Error as error:
        raise OSError(f"the rows of {rows.name} cannot be counted over the sky: {error}") from error
    sidecar.replace_json(path_of(rows), {"order": ORDER, "counts": found})


def read(rows: Path) -> Coverage | None:
    """Return the coverage of a Parquet file; None where it was not counted."""
    try:
        content = sidecar.read_json(path_of(rows))
        return Coverage({int(pixel): int(count) for pixel, count in content["counts"]}) if content["order"] == ORDER else None
    except (ValueError, KeyError, TypeError):
        return None
