"""Positions in cells of HEALPix, at other epochs and in other frames, whole columns at a time."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from astropy.coordinates import Latitude, Longitude, SkyCoord
from cdshealpix.nested import healpix_to_lonlat, lonlat_to_healpix
from duckdb.func import ARROW, SPECIAL

from bowerbird_services.adql.regions import is_region, positions, vectors
from bowerbird_services.tables import HEALPIX_ORDER

_MAS = np.radians(1 / 3.6e6)
_KM_S_YEAR_PER_AU = 1 / 4.740470446  # astronomical units a year in one km/s
_CIRCLE = 3


def _array(column: Any) -> np.ndarray:
    """Return numbers of an Arrow column; NaN where there is none."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(column.to_numpy(zero_copy_only=False), float)


def _points(ra: np.ndarray, dec: np.ndarray, known: np.ndarray) -> pa.Array:
    flat = np.column_stack([ra, dec]).ravel()
    offsets = np.arange(0, 2 * len(ra) + 1, 2, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), mask=pa.array(~known))


def healpix(order: Any, ra: Any, dec: Any) -> pa.Array:
    """Return the nested cells of positions; none where order or position are none."""
    orders, ra, dec = _array(order), _array(ra), _array(dec)
    known = np.isfinite(ra) & (np.abs(dec) <= 90) & (orders >= 0) & (orders <= HEALPIX_ORDER)  # noqa: PLR2004  a pole
    cells = np.zeros(len(ra), np.int64)
    for level in np.unique(orders[known]):
        rows = known & (orders == level)
        cells[rows] = lonlat_to_healpix(Longitude(ra[rows] % 360, "deg"), Latitude(dec[rows], "deg"), int(level)).astype(np.int64)
    return pa.array(cells, mask=~known)


def healpix_center(order: Any, cell: Any) -> pa.Array:
    """Return the middles of nested cells."""
    orders = _array(order)
    cells = np.asarray((cell.combine_chunks() if isinstance(cell, pa.ChunkedArray) else cell).fill_null(-1).to_numpy(zero_copy_only=False))
    known = (orders >= 0) & (orders <= HEALPIX_ORDER) & (cells >= 0)
    known &= cells < 12 * 4.0 ** np.where(known, orders, 0)
    ra, dec = np.full(len(cells), np.nan), np.full(len(cells), np.nan)
    for level in np.unique(orders[known]):
        rows = known & (orders == level)
        lon, lat = healpix_to_lonlat(cells[rows].astype(np.uint64), int(level))
        ra[rows], dec[rows] = lon.to_value("deg"), lat.to_value("deg")
    return _points(ra, dec, known)


def propagated(  # noqa: PLR0913, PLR0917  the catalogue's eight
    ra: Any, dec: Any, parallax: Any, pmra: Any, pmdec: Any, velocity: Any, start: Any, end: Any
) -> pa.Array:
    """Return positions that moved along straight lines in space from one epoch to another."""
    ra, dec, parallax, pmra, pmdec, velocity, start, end = map(_array, (ra, dec, parallax, pmra, pmdec, velocity, start, end))
    dec = np.where(np.abs(dec) <= 90, dec, np.nan)  # noqa: PLR2004  a pole
    place, years = vectors(ra, dec), end - start
    turn, tilt = np.radians(ra), np.radians(dec)
    east = np.stack([-np.sin(turn), np.cos(turn), np.zeros_like(turn)], axis=-1)
    north = np.stack([-np.sin(tilt) * np.cos(turn), -np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=-1)
    away = np.nan_to_num(velocity) * _KM_S_YEAR_PER_AU * np.nan_to_num(np.maximum(parallax, 0))
    motion = (east * np.nan_to_num(pmra)[:, None] + north * np.nan_to_num(pmdec)[:, None] + place * away[:, None]) * _MAS
    ra, dec = positions(place + motion * years[:, None])
    return _points(ra, dec, np.isfinite(ra) & np.isfinite(dec))


def transformed(start: Any, end: Any, region: Any) -> pa.Array:
    """Return regions in another frame; all rows of a query have the same two frames."""
    rows = region.to_pylist()
    proper = [is_region(row) for row in rows]
    flat = [row[at : at + 2] for row, known in zip(rows, proper, strict=True) if known for at in range(0, len(row) - 1, 2)]
    pairs = np.asarray(flat, float).reshape(-1, 2)
    frames = start.to_pylist()[0], end.to_pylist()[0]
    turned = SkyCoord(pairs[:, 0], pairs[:, 1], unit="deg", frame=frames[0]).transform_to(frames[1])
    lon, lat = turned.spherical.lon.wrap_at("360d").to_value("deg"), turned.spherical.lat.to_value("deg")
    corners = iter(np.column_stack([lon, lat]).tolist())
    answers: list[list[float] | None] = []
    for row, known in zip(rows, proper, strict=True):
        if not known:
            answers.append(None)
            continue
        moved = [number for _ in range(len(row) // 2) for number in next(corners)]
        answers.append([*moved, row[2]] if len(row) == _CIRCLE else moved)
    return pa.array(answers, pa.list_(pa.float64()))


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a database the functions of positions."""
    point = "DOUBLE[]"
    functions: list[tuple[str, Any, list[Any], str]] = [
        ("adql_healpix", healpix, ["INTEGER", "DOUBLE", "DOUBLE"], "BIGINT"),
        ("adql_healpix_center", healpix_center, ["INTEGER", "BIGINT"], point),
        ("adql_propagated", propagated, ["DOUBLE"] * 8, point),
        ("adql_transformed", transformed, ["VARCHAR", "VARCHAR", point], point),
    ]
    for name, function, arguments, result in functions:
        # By default a function sees no NULL, and may not answer with one: a position that is none would end the query.
        connection.create_function(name, function, arguments, result, type=ARROW, null_handling=SPECIAL)
