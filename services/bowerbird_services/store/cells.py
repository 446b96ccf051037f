"""Circles on the sky as cells of HEALPix: each in all the cells that it touches. Pure."""

import math
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix, neighbours

from bowerbird_services.sky_order import FINEST
from bowerbird_services.tables import HEALPIX_ORDER

# Between a cell and all but its neighbours lie 0.69 radians by nside or more; what is below that leaves room for rounding.
_REACH = 0.6
# A cell is so many halvings coarser than the circle that few circles touch a second one, and has so few rows to look at.
_MOST_HALVINGS = 5
_MOST_ROWS = 4.0


@dataclass(frozen=True, slots=True)
class Cells:
    """Which circle (`row`) touches which stretch of the order of the sky, from `first` up to before `after`; sorted."""

    row: np.ndarray
    first: np.ndarray
    after: np.ndarray


def touched(ra: np.ndarray, dec: np.ndarray, radius: float, density: float) -> Cells:
    """Return the cells that circles of `radius` degrees touch, each once; circles without a middle touch none.

    `density` is how many rows are looked for in a cell of HEALPIX_ORDER: how large the cells are follows from it.
    """
    known = np.flatnonzero(np.isfinite(ra) & (np.abs(dec) <= 90))  # noqa: PLR2004  a pole
    if not len(known):
        nothing = np.zeros(0, np.int64)
        return Cells(nothing, nothing, nothing)
    order = min(FINEST, max(0, math.floor(math.log2(_REACH / max(math.radians(radius), 1e-9)))))
    halvings = _halvings(order, density)
    middles = lonlat_to_healpix(Longitude(ra[known], "deg", copy=False), Latitude(dec[known], "deg", copy=False), order)
    middles = middles.astype(np.int64)
    own = middles >> (2 * halvings)
    outer = np.flatnonzero(_at_edge(middles, halvings))
    around = neighbours(middles[outer].astype(np.uint64), order).astype(np.int64)
    around = np.sort(np.where(around < 0, -1, around >> (2 * halvings)), axis=1)
    other = (around >= 0) & (around != own[outer, None])
    other[:, 1:] &= around[:, 1:] != around[:, :-1]
    row = np.concatenate([known, known[outer[np.nonzero(other)[0]]]])
    cell = np.concatenate([own, around[other]])
    sorting = np.argsort(cell)
    shift = 2 * (HEALPIX_ORDER - order + halvings)
    first = cell[sorting] << shift
    return Cells(row[sorting], first, first + (1 << shift))


def _halvings(order: int, density: float) -> int:
    """Return by how many halvings cells are coarser than an order, so that they have few rows."""
    for halvings in range(min(_MOST_HALVINGS, order), 0, -1):
        if density * 4.0 ** (HEALPIX_ORDER - order + halvings) <= _MOST_ROWS:
            return halvings
    return 0


def _at_edge(cells: np.ndarray, halvings: int) -> np.ndarray:
    """Return which cells lie at the edge of those that are coarser by some halvings: their neighbours may lie beyond it."""
    within = (1 << 2 * halvings) - 1
    east = 0x5555555555555555 & within
    north = east << 1
    along_east, along_north = cells & east, cells & north
    return np.asarray((along_east == 0) | (along_east == east) | (along_north == 0) | (along_north == north))
