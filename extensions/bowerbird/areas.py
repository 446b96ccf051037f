"""Areas of the sky in degrees, ICRS: circles, ranges of the two coordinates and polygons; and the pixels that cover one."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from bowerbird.errors import BadArgument, OutsideImage
from bowerbird.sky import LOST, TOUCH, Box, Sky
from bowerbird.sphere import Around, Array, vectors
from bowerbird.stencil import Stencil

# An outline is followed by a point every so many pixels, so many points at most.
_PIXELS_A_STEP = 8
_MOST_POINTS = 1 << 13
# A step that is longer (in pixels) leads over a seam, or to where pixels are stretched.
_A_LEAP = 4 * _PIXELS_A_STEP
_FEWEST_POINTS = 8
_POLES = np.array([[0.0, 90.0], [0.0, -90.0]])
# The edge of an image is looked at in so many places a side.
_EDGE_POINTS = 33
# Where a step of the outline leads so much farther over the image than on the sky, the projection is torn between its ends.
_TORN = 2.0
_FAR = 2.0**52


class Area(Protocol):
    """A part of the sky; points are arrays of n × 2, (longitude, latitude)."""

    def outline(self, step: float) -> Array:
        """Return points all around it, no farther than `step` degrees from each other unless those were too many; the last is the first."""

    def contains(self, points: Array) -> Array:
        """Return which points lie in it, or on its edge."""


@dataclass(frozen=True)
class Circle:
    """All that is at most `radius` from a place."""

    longitude: float
    latitude: float
    radius: float

    @property
    def _around(self) -> Around:
        return Around(np.array([[self.longitude, self.latitude]]))

    def outline(self, step: float) -> Array:
        """Return points on the circle."""
        angles = np.linspace(0, 2 * np.pi, _points(2 * np.pi * self.radius, step))
        offsets = self.radius * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
        return self._around.points(offsets[None])[0]

    def contains(self, points: Array) -> Array:
        """Return which points are near enough."""
        return self._around.distances(points[None])[0] <= self.radius

    @property
    def square(self) -> Stencil:
        """The square around it: `bowerbird.cutout` of twice the radius."""
        return Stencil(self.longitude, self.latitude, 2 * self.radius, 2 * self.radius)


@dataclass(frozen=True)
class Range:
    """What lies from `west` on eastwards to `east`, and from `south` to `north`; 0 to 360 is all around."""

    west: float
    east: float
    south: float
    north: float

    @property
    def _width(self) -> float:
        return self.east - self.west if self.east >= self.west else self.east - self.west + 360

    def outline(self, step: float) -> Array:
        """Return points on its four sides."""
        across = self.west + np.linspace(0, self._width, _points(self._width, step))
        along = np.linspace(self.south, self.north, _points(self.north - self.south, step))
        sides = [
            (across, np.full(len(across), self.south)),
            (np.full(len(along), across[-1]), along),
            (across[::-1], np.full(len(across), self.north)),
            (np.full(len(along), self.west), along[::-1]),
        ]
        return np.concatenate([np.stack(side, axis=-1) for side in sides])

    def contains(self, points: Array) -> Array:
        """Return which points lie between its sides; a pole has every longitude."""
        longitudes, latitudes = points[:, 0], points[:, 1]
        between = ((longitudes - self.west) % 360 <= self._width) | (np.abs(latitudes) == 90)  # noqa: PLR2004  # the poles
        return between & (latitudes >= self.south) & (latitudes <= self.north)


@dataclass(frozen=True)
class Polygon:
    """What lies within great circles from vertex to vertex, on the side of their middle; it is no wider than half the sky."""

    vertices: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not (self._corners @ self._middle > TOUCH).all():
            raise BadArgument("the polygon reaches over half of the sky; ask for a smaller one")

    @cached_property
    def _corners(self) -> Array:
        return vectors(np.array(self.vertices))

    @cached_property
    def _middle(self) -> Array:
        total = self._corners.sum(axis=0)
        return total / max(float(np.linalg.norm(total)), TOUCH)

    def outline(self, step: float) -> Array:
        """Return points on its sides."""
        ends = np.roll(self._corners, -1, axis=0)
        lengths = np.degrees(np.arccos(np.clip((self._corners * ends).sum(axis=1), -1, 1)))
        room = _MOST_POINTS // len(lengths)
        made = []
        for start, end, length in zip(self._corners, ends, lengths.tolist(), strict=True):
            shares = np.linspace(0, 1, min(_points(length, step), max(room, 2)))[:, None]
            made.append((1 - shares) * start + shares * end)
        x, y, z = np.concatenate(made).T
        return np.stack([np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=-1)

    def contains(self, points: Array) -> Array:
        """Return which points lie within, by how often a line to them crosses its sides where great circles are straight."""
        east = np.cross(self._middle, np.eye(3)[int(np.argmin(np.abs(self._middle)))])
        plane = np.stack([east, np.cross(self._middle, east)], axis=-1)
        wanted = vectors(points)
        depth = wanted @ self._middle
        inside = np.zeros(len(points), dtype=bool)
        near = depth > TOUCH
        x, y = (wanted[near] @ plane / depth[near, None]).T
        corners = self._corners @ plane / (self._corners @ self._middle)[:, None]
        for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y1 != y2:
                inside[near] ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
        return inside


def _points(length: float, step: float) -> int:
    return int(np.clip(math.ceil(length / step) + 1, _FEWEST_POINTS, _MOST_POINTS))


def covered(sky: Sky, lengths: tuple[int, int], area: Area) -> Box:
    """Return the smallest box of pixels that covers an area; it may reach beyond an image of these lengths.

    OutsideImage where none of the area is in the image.
    """
    if not isinstance(area, Circle):
        return _bounds(sky, lengths, area)
    box = sky.box(area.square)
    if any(start < 0 or stop > length for start, stop, length in zip(box.start, box.stop, lengths, strict=True)):
        _bounds(sky, lengths, area)  # the corners of the square may be all that the image has
    return box


def _bounds(sky: Sky, lengths: tuple[int, int], area: Area) -> Box:
    points = area.outline(_PIXELS_A_STEP * sky.scale)
    pixels, edge = sky.find(points), _edge(lengths)
    within = area.contains(sky.places(edge))
    if not (within.any() or _crosses(sky, points, pixels, lengths)):
        raise OutsideImage("the region is outside the image" if np.isfinite(pixels).any() else LOST)
    poles = sky.find(_POLES)[area.contains(_POLES)]
    torn = not np.isfinite(pixels).all()
    reach = np.concatenate([pixels, poles, *_ends(pixels), *(_margins(edge[within], lengths) if torn else ())])
    reach = reach[np.isfinite(reach).all(axis=1)]
    low = np.clip(np.floor(reach.min(axis=0) + 0.5 + TOUCH), -_FAR, _FAR)
    high = np.clip(np.ceil(reach.max(axis=0) + 0.5 - TOUCH), low + 1, _FAR)
    return Box((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))


def _edge(lengths: tuple[int, int]) -> Array:
    """Return places on the edge of an image."""
    across, along = (np.linspace(-0.5, length - 0.5, _EDGE_POINTS) for length in lengths)
    sides = [(across, along[:1]), (across, along[-1:]), (across[:1], along), (across[-1:], along)]
    return np.concatenate([np.stack(np.broadcast_arrays(*side), axis=-1) for side in sides])


def _ends(pixels: Array) -> list[Array]:
    """Return where an outline goes on, by one more step, on both sides of a seam that it crosses."""
    way = np.diff(pixels, axis=0, append=pixels[:1])
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero(np.hypot(way[:, 0], way[:, 1]) > _A_LEAP)
    return [pixels[far] + way[far - 1], pixels[(far + 1) % len(pixels)] - way[(far + 1) % len(pixels)]]


def _margins(within: Array, lengths: tuple[int, int]) -> list[Array]:
    """Return how far the image itself is in an area whose outline has no place in parts: up to the next place that was looked at."""
    step = np.array(lengths) / (_EDGE_POINTS - 1)
    top = np.array(lengths) - 0.5
    return [np.clip(within - step, -0.5, top), np.clip(within + step, -0.5, top)]


def _crosses(sky: Sky, points: Array, pixels: Array, lengths: tuple[int, int]) -> bool:
    """Return whether an outline comes anywhere over the image."""
    start, way = pixels[:-1], np.diff(pixels, axis=0)
    low, high = np.array([-0.5, -0.5]) + TOUCH, np.array(lengths) - 0.5 - TOUCH
    with np.errstate(all="ignore"):
        # Where each step enters and leaves the strip of each axis, as shares of the step.
        first, second = (low - start) / way, (high - start) / way
        inside = (start >= low) & (start <= high)
        enters = np.where(way == 0, np.where(inside, 0.0, 2.0), np.minimum(first, second)).max(axis=1)
        leaves = np.where(way == 0, np.where(inside, 1.0, -1.0), np.maximum(first, second)).min(axis=1)
        hits = (np.maximum(enters, 0) <= np.minimum(leaves, 1)) & np.isfinite(way).all(axis=1)
    if not hits.any():
        return False
    middles = sky.places((start + way / 2)[hits])
    steps = Around(points[:-1][hits])
    there = steps.distances(points[1:][hits][:, None])[:, 0]
    halfway = steps.distances(middles[:, None])[:, 0]
    return bool((halfway <= _TORN * there + sky.scale).any())
