"""Cells of HEALPix by their nested numbers: the lines around them on the sky, and which one holds a place (Górski et al. 2005)."""

from typing import Any, Final

import numpy as np

# How far south the upper corner of each of the twelve base cells lies (in half-cells), and how far east.
_DOWN: Final = np.repeat([2.0, 3.0, 4.0], 4)
_EAST: Final = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7], dtype="f8")
_SIDES: Final = ((0, 0, 1, 0), (1, 0, 0, 1), (1, 1, -1, 0), (0, 1, 0, -1))
# Degrees along the side of a cell of order 0, about.
SIDE: Final = 58.6


def outlines(order: int, cells: Any, points: int = 1) -> tuple[Any, Any]:
    """Return right ascensions and declinations (degrees) along the outlines of cells: of each four sides of so many points."""
    face, x, y = _places(order, np.asarray(cells, dtype=np.int64))
    steps = np.arange(points) / points
    across = np.concatenate([left + steps * right for left, _, right, _ in _SIDES])
    along = np.concatenate([low + steps * up for _, low, _, up in _SIDES])
    size = 1 / (1 << order)
    return _sky(face[:, None], (x[:, None] + across) * size, (y[:, None] + along) * size)


def within(ra: Any, dec: Any) -> tuple[Any, Any, Any]:
    """Return the base cells that hold places (degrees), and how far within them these lie along both sides, from 0 to below 1."""
    height, quarters = np.sin(np.radians(dec)), (np.asarray(ra) % 360) / 90
    rising, falling = quarters + 0.5 - 0.75 * height, quarters + 0.5 + 0.75 * height
    up, down = np.floor(rising).astype(np.int64), np.floor(falling).astype(np.int64)
    belt = np.where(up == down, (up & 3) | 4, np.where(up < down, up & 3, (down & 3) + 8))
    part = np.minimum(quarters.astype(np.int64), 3)
    from_pole = np.sqrt(3 * (1 - np.abs(height)))
    east, west = (quarters - part) * from_pole, (1 - quarters + part) * from_pole
    north = height > 0
    polar = np.abs(height) > 2 / 3
    face = np.where(polar, np.where(north, part, part + 8), belt)
    x = np.where(polar, np.where(north, 1 - west, east), falling - down)
    y = np.where(polar, np.where(north, 1 - east, west), 1 - (rising - up))
    last = np.nextafter(1.0, 0.0)
    return face, np.clip(x, 0, last), np.clip(y, 0, last)


def number(order: int, face: Any, x: Any, y: Any) -> Any:
    """Return the nested numbers of cells: x and y of the bits along both sides of a base cell, whole numbers below 2 ** order."""
    found = face.astype(np.int64) << 2 * order
    for bit in range(order):
        found |= (((x >> bit) & 1) << 2 * bit) | (((y >> bit) & 1) << (2 * bit + 1))
    return found


def _places(order: int, cells: Any) -> tuple[Any, Any, Any]:
    """Return base cells, and how far within these cells lie: every second bit of a number counts along one side."""
    within = cells & ((1 << 2 * order) - 1)
    x, y = np.zeros_like(cells), np.zeros_like(cells)
    for bit in range(order):
        x |= ((within >> 2 * bit) & 1) << bit
        y |= ((within >> (2 * bit + 1)) & 1) << bit
    return cells >> 2 * order, x, y


def _sky(face: Any, x: Any, y: Any) -> tuple[Any, Any]:
    down = _DOWN[face] - x - y
    # Towards a pole, fewer parts go around it.
    parts = np.minimum(1.0, np.minimum(down, 4 - down))
    cap = 1 - parts**2 / 3
    height = np.where(down < 1, cap, np.where(down > 3, -cap, (2 - down) * 2 / 3))  # noqa: PLR2004  # below the southern cap's edge
    east = (_EAST[face] * parts + x - y) % 8
    with np.errstate(all="ignore"):
        turn = np.where(parts < 1e-12, 0.0, 45 * east / parts)  # noqa: PLR2004  # the pole itself
    return turn % 360, np.degrees(np.arcsin(np.clip(height, -1, 1)))
