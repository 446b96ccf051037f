"""Constant regions as few ranges of the HEALPix order in which the rows of a table lie. Pure."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix import cdshealpix
from cdshealpix.nested import polygon_search

from bowerbird_services.tables import HEALPIX_ORDER

# The first and the last index of each range, in their order; none where the region has no place at all.
Ranges = tuple[tuple[int, int], ...]

# By how many orders the cells are finer that tell whether a cell is touched.
_FINER = 2
_CELL_DEGREES = 58.6  # a cell of order 0
FINEST = 22
_WIDEST_DEGREES = 40.0
# Rows are read by the group: each range costs half a millisecond of planning, and finer ones leave out no more groups.
_MOST_RANGES = 4


def reach(radius: float) -> float:
    """Return a radius in degrees that is larger by more than positions are rounded."""
    return radius * 1.000001 + 1e-9


@lru_cache(maxsize=64)
def of_circle(ra: float, dec: float, radius: float) -> Ranges | None:
    """Return the ranges that a row in a circle has its index in; None where the circle is so wide that they would not help."""
    if radius > _WIDEST_DEGREES:
        return None
    padded = reach(radius)
    # What `nested.cone_search` asks too, after it has spent twenty times as long on three angles with units.
    place = math.radians(ra % 360), math.radians(dec), math.radians(padded)
    cells, orders, _ = cdshealpix.cone_search(_order(padded), _FINER, *place, False)
    return _ranges(np.asarray(cells), np.asarray(orders))


def of_polygon(vertices: list[tuple[float, float]], size: float) -> Ranges | None:
    """Return the same for a polygon whose vertices lie within `size` degrees of its middle."""
    if size > _WIDEST_DEGREES:
        return None
    ra, dec = np.asarray(vertices).T
    cells, orders, _ = polygon_search(Longitude(ra % 360, "deg"), Latitude(dec, "deg"), depth=_order(size), flat=False)
    return _ranges(np.asarray(cells), np.asarray(orders))


def _order(radius: float) -> int:
    return min(FINEST, max(0, math.ceil(math.log2(_CELL_DEGREES / radius)) + 1))


def _ranges(cells: np.ndarray, orders: np.ndarray) -> Ranges:
    shift = (2 * (HEALPIX_ORDER - orders.astype(np.int64))).astype(np.int64)
    first = cells.astype(np.int64) << shift
    return _merged(sorted(zip(first.tolist(), (first + (np.int64(1) << shift) - 1).tolist(), strict=True)))


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    """Return ranges without those that touch, and so few that the narrowest gaps are closed too."""
    gaps = sorted(after[0] - before[1] for before, after in pairwise(ranges))
    closed = max(1, gaps[-_MOST_RANGES]) if len(gaps) >= _MOST_RANGES else 1
    merged: list[tuple[int, int]] = []
    for low, high in ranges:
        if merged and low - merged[-1][1] <= closed:
            merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)
