"""Constant regions as few ranges of the HEALPix order in which the rows of a table lie."""

import math
from itertools import pairwise

import numpy as np
from astropy.coordinates import Angle, Latitude, Longitude
from cdshealpix.nested import cone_search, polygon_search

from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER

_CELL_DEGREES = 58.6  # a cell of order 0
_FINEST = 22
_WIDEST_DEGREES = 40.0
# Rows are read by the group: each range costs half a millisecond of planning, and finer ones leave out no more groups.
_MOST_RANGES = 4


def cone(alias: str, ra: float, dec: float, radius: float) -> str | None:
    """Return the condition that a row may lie in a circle; None where the circle is so wide that it would not help."""
    if radius > _WIDEST_DEGREES:
        return None
    padded = radius * 1.000001 + 1e-9
    order = _order(padded)
    cells, orders, _ = cone_search(Longitude(ra % 360, "deg"), Latitude(dec, "deg"), Angle(padded, "deg"), depth=order, flat=False)
    return _condition(alias, np.asarray(cells), np.asarray(orders))


def polygon(alias: str, vertices: list[tuple[float, float]], size: float) -> str | None:
    """Return the condition that a row may lie in a polygon whose vertices lie within `size` degrees of its middle."""
    if size > _WIDEST_DEGREES:
        return None
    ra, dec = np.asarray(vertices).T
    cells, orders, _ = polygon_search(Longitude(ra % 360, "deg"), Latitude(dec, "deg"), depth=_order(size), flat=False)
    return _condition(alias, np.asarray(cells), np.asarray(orders))


def _order(radius: float) -> int:
    return min(_FINEST, max(0, math.ceil(math.log2(_CELL_DEGREES / radius)) + 1))


def _condition(alias: str, cells: np.ndarray, orders: np.ndarray) -> str:
    shift = (2 * (HEALPIX_ORDER - orders.astype(np.int64))).astype(np.int64)
    first = cells.astype(np.int64) << shift
    ranges = _merged(sorted(zip(first.tolist(), (first + (np.int64(1) << shift) - 1).tolist(), strict=True)))
    if not ranges:
        return "FALSE"
    name = f'{alias}."{HEALPIX_COLUMN}"'
    within = " OR ".join(f"{name} BETWEEN {low} AND {high}" for low, high in ranges)
    return f"{name} BETWEEN {ranges[0][0]} AND {ranges[-1][1]} AND ({within})" if len(ranges) > 1 else within


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges without those that touch, and so few that the narrowest gaps are closed too."""
    gaps = sorted(after[0] - before[1] for before, after in pairwise(ranges))
    closed = max(1, gaps[-_MOST_RANGES]) if len(gaps) >= _MOST_RANGES else 1
    merged: list[tuple[int, int]] = []
    for low, high in ranges:
        if merged and low - merged[-1][1] <= closed:
            merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged
