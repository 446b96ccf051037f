"""Small steps on the sky: unit vectors, and offsets east and north of a point along great circles."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  # numpy float64; numpy's own types of shapes help nobody here

_TINY = 1e-300


def vectors(points: Array) -> Array:
    """Return the unit vectors of (longitude, latitude) in degrees."""
    longitude, latitude = np.radians(points[..., 0]), np.radians(points[..., 1])
    level = np.cos(latitude)
    ends = np.empty((*np.shape(longitude), 3))
    ends[..., 0], ends[..., 1], ends[..., 2] = level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)
    return ends


class Around:
    """The neighbourhoods of points, one each: offsets are (east, north) in degrees, their length is the distance.

    With n points, offsets and places are arrays of n × k × 2.
    """

    def __init__(self, centres: Array) -> None:
        longitude, latitude = np.radians(centres[:, 0]), np.radians(centres[:, 1])
        sine, cosine, level, height = np.sin(longitude), np.cos(longitude), np.cos(latitude), np.sin(latitude)
        self.latitudes = centres[:, 1]
        east = np.stack([-sine, cosine, np.zeros_like(sine)], axis=-1)
        north = np.stack([-height * cosine, -height * sine, level], axis=-1)
        self._up = np.stack([level * cosine, level * sine, height], axis=-1)[:, :, None]
        self._sideways = np.stack([east, north], axis=1)

    def points(self, offsets: Array) -> Array:
        """Return where offsets lead, as (longitude, latitude) in degrees."""
        distance = np.radians(np.hypot(offsets[..., 0], offsets[..., 1]))[..., None]
        # sinc(x / pi) is sin(x) / x, and 1 at the centre itself.
        step = np.radians(offsets) * np.sinc(distance / np.pi)
        ends = np.cos(distance) * self._up.swapaxes(1, 2) + step @ self._sideways
        points = np.empty_like(step)
        points[..., 0] = np.degrees(np.arctan2(ends[..., 1], ends[..., 0])) % 360
        points[..., 1] = np.degrees(np.arctan2(ends[..., 2], np.hypot(ends[..., 0], ends[..., 1])))
        return points

    def offsets(self, points: Array) -> Array:
        """Return the offsets that lead to points."""
        ends = vectors(points)
        flat = ends @ self._sideways.swapaxes(1, 2)
        sine = np.hypot(flat[..., 0], flat[..., 1])
        distance = np.arctan2(sine, (ends @ self._up)[..., 0])
        # At the centre itself sine and distance are both zero, and so is the offset.
        return flat * np.degrees(distance / np.maximum(sine, _TINY))[..., None]

    def distances(self, points: Array) -> Array:
        """Return how far points are, in degrees."""
        offsets = self.offsets(points)
        return np.hypot(offsets[..., 0], offsets[..., 1])
