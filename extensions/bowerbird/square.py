"""One square on the sky: how far it reaches in pixels by few points, in a fraction of the time that arrays of squares take for one."""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from bowerbird.sphere import Array

Transform: TypeAlias = Callable[[Array], Array]
# Least and most pixel along both axes, and how far the true ones may be from these.
Reach: TypeAlias = tuple[Array, Array, Array]

# A pixel's centre and the ends of the two steps of one pixel across it.
CROSS: Final = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5]])
# A position must come back from its pixel to within this many pixels, or the projection has no inverse there.
RETURNS: Final = 1e-2
# A pixel so little beside the straight way to it (a part of its length) lies on no other side of a seam.
BENT: Final = 0.25
# Where an outline bends by less than this (a part of its reach), its ends lie on its edge, and few points show how far it goes.
GENTLE: Final = 0.01
FEW: Final = 5
# What the order of the arithmetic may make of a pixel's place.
_NOISE: Final = 1e-7
_TINY: Final = 1e-300


def reach(centre: tuple[float, float], sides: tuple[float, float], outline: Array, pixels: Transform, points: Transform) -> Reach | None:
    """Return how far a square reaches; None where there is anything about it that takes more than this.

    `outline` has the points of a square of side 1 around 0 whose sides run as the rows and columns of the image,
    (longitude, latitude) and all else are degrees. ValueError where wcslib refuses.
    """
    middle = pixels(np.array([centre]))[0]
    if not np.isfinite(middle).all():
        return None
    east, north = zip(*(_offset(centre, point) for point in points(middle + CROSS).tolist()), strict=True)
    across = ((east[1] - east[3]), (north[1] - north[3]))
    along = ((east[2] - east[4]), (north[2] - north[4]))
    determinant = across[0] * along[1] - across[1] * along[0]
    if not determinant or not math.isfinite(determinant):
        return None
    slopes = np.array([[along[1], -across[1]], [-along[0], across[0]]]) / determinant
    back = np.array([east[0], north[0]]) @ slopes
    length = math.hypot(*across)
    row = np.array([across[0] / length, across[1] / length])
    turned = np.array([sides[0] * row, [-sides[1] * row[1], sides[1] * row[0]]])
    if not (np.abs(back) < RETURNS).all():
        return None
    return _judged(pixels(_places(centre, outline @ turned)), middle, outline @ (turned @ slopes))


def _offset(centre: tuple[float, float], point: list[float]) -> tuple[float, float]:
    """Return the offset from one point to another, east and north."""
    turn, latitude, there = math.radians(point[0] - centre[0]), math.radians(centre[1]), math.radians(point[1])
    level = math.cos(there)
    east = level * math.sin(turn)
    north = math.sin(there) * math.cos(latitude) - level * math.sin(latitude) * math.cos(turn)
    up = math.sin(there) * math.sin(latitude) + level * math.cos(latitude) * math.cos(turn)
    sine = math.hypot(east, north)
    share = math.degrees(math.atan2(sine, up) / max(sine, _TINY))
    return east * share, north * share


def _places(centre: tuple[float, float], offsets: Array) -> Array:
    """Return where offsets from a point lead."""
    around, latitude = math.radians(centre[0]), math.radians(centre[1])
    steps = np.radians(offsets).T
    distances = np.hypot(*steps)
    steps *= np.sin(distances) / np.maximum(distances, _TINY)
    level = np.cos(distances)
    forth = level * math.cos(latitude) - steps[1] * math.sin(latitude)
    up = level * math.sin(latitude) + steps[1] * math.cos(latitude)
    places = np.empty((len(offsets), 2))
    places[:, 0] = np.degrees(np.arctan2(steps[0], forth) + around) % 360
    places[:, 1] = np.degrees(np.arctan2(up, np.hypot(forth, steps[0])))
    return places


def _judged(pixels: Array, middle: Array, way: Array) -> Reach | None:
    """Return the reach of points on an outline, None where they bend too much to tell it; `way` is where they would be in a plane."""
    away = pixels - (middle + way)
    if not (np.hypot(away[:, 0], away[:, 1]) <= np.hypot(way[:, 0], way[:, 1]) * BENT).all():
        return None
    sides = pixels.reshape(4, FEW, 2)
    bends = np.abs(sides[:, 2:] - 2 * sides[:, 1:-1] + sides[:, :-2]).max(axis=(0, 1))
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return (low, high, bends + _NOISE) if (bends <= (high - low) * GENTLE).all() else None
