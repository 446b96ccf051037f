"""Many squares on the sky, from a table or a list: what is wrong with one is told of it alone."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from bowerbird.errors import BadArgument
from bowerbird.stencil import ORDER, Stencils, checked, stencil
from bowerbird.vo.sources import numbers, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bowerbird.stencil import Position, Size

    Positions: TypeAlias = Table | SkyCoord | Sequence[Position]

_PAIR = 2


@dataclass(frozen=True, slots=True)
class Regions:
    """Squares, ICRS, and for each what is wrong with it ("" where nothing is)."""

    squares: Stencils
    troubles: list[str]

    def __len__(self) -> int:
        return len(self.troubles)

    def of(self, rows: Any) -> Stencils:
        """Return the squares of some rows."""
        mine = self.squares
        return Stencils(mine.longitude[rows], mine.latitude[rows], mine.width[rows], mine.height[rows])


def regions(positions: "Positions", size: "Size | Any") -> Regions:
    """Read positions and sizes; ValueError where the argument as a whole is none."""
    if isinstance(positions, Table | SkyCoord):
        longitudes, latitudes = places(positions)
        troubles = [""] * len(longitudes)
    else:
        longitudes, latitudes, troubles = _listed(positions)
    widths, heights = _sides(size, len(longitudes))
    squares = Stencils(longitudes, latitudes, widths, heights)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(longitudes) & (np.abs(latitudes) <= 90)  # noqa: PLR2004  # the poles
        good &= (widths > 0) & (widths <= 360) & (heights > 0) & (heights <= 360)  # noqa: PLR2004  # the whole sky
    for row in np.flatnonzero(~good).tolist():
        troubles[row] = troubles[row] or checked(longitudes[row], latitudes[row], widths[row], heights[row])
    return Regions(squares, troubles)


def _listed(positions: Any) -> tuple[Any, Any, list[str]]:
    if isinstance(positions, str | os.PathLike) or not hasattr(positions, "__len__"):
        raise BadArgument(f"positions are a table, a SkyCoord or a list, not {positions!r}; one alone is for bowerbird.cutout; {ORDER}")
    if isinstance(positions, np.ndarray) and positions.ndim == _PAIR and positions.shape[1] == _PAIR:
        pairs = numbers(positions, u.deg)
        return pairs[:, 0], pairs[:, 1], [""] * len(pairs)
    _check_listed(positions)
    pairs, troubles = np.full((len(positions), 2), np.nan), []
    for row, position in enumerate(positions):
        trouble = ""
        try:
            pairs[row] = _icrs(position)
        except (BadArgument, TypeError, ValueError) as error:
            trouble = str(error)
        troubles.append(trouble)
    return pairs[:, 0], pairs[:, 1], troubles


def _check_listed(positions: Any) -> None:
    """Refuse one position where many are asked for, and right ascensions beside declinations."""
    shape = _shape(positions)
    if shape == (_PAIR,):
        raise BadArgument(f"{positions!r} is one position, which is for bowerbird.cutout; many are a list, like [(ra, dec), …]")
    if shape and 0 not in shape and shape[1:] != (_PAIR,):
        raise BadArgument(f"an array of positions is n × 2, (ra, dec) in degrees each; this is {' × '.join(map(str, shape))}")


def _shape(positions: Any) -> tuple[int, ...]:
    """Return the shape of an array of numbers, or of a pair of numbers or of columns; () of anything else."""
    try:
        if isinstance(positions, np.ndarray):
            numeric = np.asarray(positions)
        else:
            numeric = np.array([getattr(one, "value", one) for one in positions] if len(positions) == _PAIR else "")
    except (ValueError, TypeError):
        return ()
    return numeric.shape if numeric.dtype.kind in "iuf" else ()


def _icrs(position: Any) -> tuple[float, float]:
    one = stencil(position, 1 * u.deg)
    if one.coordinates is None:
        return one.longitude, one.latitude
    there = one.coordinates.icrs
    return float(there.ra.deg), float(there.dec.deg)


def _sides(size: Any, count: int) -> tuple[Any, Any]:
    """Return widths and heights in degrees: one size for all, or a column of them."""
    if _is_column(size, count):
        unit = getattr(size, "unit", None)
        if unit is None:
            raise BadArgument("the column of sizes has no unit; give it one, like table['size'].unit = 'arcsec'")
        if not u.Unit(unit).is_equivalent(u.deg):
            raise BadArgument(f"the column of sizes is in {unit}, which is no angle; give it a unit like 'arcsec'")
        angles = numbers(size, u.deg)
        return (angles, angles) if angles.ndim == 1 else (angles[:, 1], angles[:, 0])
    one = stencil((0.0, 0.0), size)
    # Views of one number: of a million positions nothing is made for each.
    return np.broadcast_to(one.width, count), np.broadcast_to(one.height, count)


def _is_column(size: Any, count: int) -> bool:
    shape = getattr(size, "shape", ())
    if shape not in ((count,), (count, _PAIR)):
        return False
    if shape != (_PAIR,) or isinstance(size, Column) or getattr(getattr(size, "info", None), "parent_table", None) is not None:
        return True
    if size[0] != size[1]:
        told = "two sizes for two positions could be a size each, or a height and a width for both"
        raise BadArgument(f"{told}; give a column of a table, or (height, width) as a tuple")
    return False
