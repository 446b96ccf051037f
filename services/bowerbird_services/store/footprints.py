"""Where observations lie on the sky, so that many are compared with a region at once: caps around them first, exactly where these touch."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np

from bowerbird_services.adql import regions
from bowerbird_services.sky_regions import Circle, Interval, Polygon, Range, Region

Array: TypeAlias = np.ndarray[Any, Any]
# Called before each step that may be long; it raises where nobody waits any more.
Watch: TypeAlias = Callable[[], None]
# (region as STC-S, right ascension, declination)
Place: TypeAlias = tuple[str | None, float | None, float | None]

_POINT, _CIRCLE = 2, 3
_TURN, _POLE = 360.0, 90.0
# Wider than the error of a sum of angles, and below what any footprint is known to (degrees).
_SLACK = 1e-9
_SIDES = 64


class Footprints:
    """The places of many observations, in the order that they were given in; those without one are nowhere."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._shapes = [_shape(*place) for place in places]
        caps = [_cap(shape) for shape in self._shapes]
        self._centres = np.array([cap[0] for cap in caps]).reshape(-1, 3)
        self._radii = np.array([cap[1] for cap in caps])
        self._there = np.array([shape is not None for shape in self._shapes], bool)

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """Return the places of all of them, in their order; they share what each is made of."""
        made = cls(())
        made._shapes = [shape for one in several for shape in one._shapes]
        made._centres, made._radii = (np.concatenate(part) for part in zip(*((one._centres, one._radii) for one in several), strict=True))
        made._there = np.concatenate([one._there for one in several])
        return made

    def touched(self, region: Region, among: Array, watch: Watch = lambda: None) -> Array:
        """Return which of those `among` have a place in common with a region; what `watch` raises ends it."""
        watch()
        near, sure = self._near(region)
        found: Array = sure & among & self._there
        asked = _Asked(region)
        for row in np.flatnonzero(near & ~sure & among & self._there).tolist():
            watch()
            found[row] = asked.meets(self._shapes[row] or [])
        return found

    def _near(self, region: Region) -> tuple[Array, Array]:
        """Return which may touch the region, and which surely do."""
        if isinstance(region, Range):
            longitudes, declinations = regions.positions(self._centres)
            reach = self._radii + _SLACK
            near = (declinations + reach >= region.dec.low) & (declinations - reach <= region.dec.high)
            near &= _beside(longitudes, region.ra) <= _widths(declinations, reach)
            whole = region.ra == Interval(0, _TURN)
            sure = whole & (declinations >= region.dec.low) & (declinations <= region.dec.high) & (self._radii == 0)
            return near, np.asarray(sure)
        centre, radius = _cap([region.ra, region.dec, region.radius] if isinstance(region, Circle) else list(region.numbers))
        apart = regions.separation(self._centres, centre)
        sure = apart + self._radii <= radius - _SLACK if isinstance(region, Circle) else np.zeros(len(apart), bool)
        return apart <= radius + self._radii + _SLACK, sure


def _shape(region: str | None, ra: float | None, dec: float | None) -> list[float] | None:
    """Return a footprint as the numbers of a region; a place alone is a point."""
    found = regions.parse(region) if region else None
    if found is None and ra is not None and dec is not None:
        found = [ra, dec]
    return found if regions.is_region(found) else None


def _cap(shape: list[float] | None) -> tuple[Array, float]:
    """Return the centre and radius (degrees) of a circle around a region."""
    if shape is None:
        return np.array([1.0, 0.0, 0.0]), 0.0
    if len(shape) <= _CIRCLE:
        return regions.vectors(*shape[:2]), shape[2] if len(shape) == _CIRCLE else 0.0
    corners = regions.Polygon(shape)
    return corners.middle, float(regions.separation(corners.middle, corners.vertices).max()) if corners.fits else _TURN / 2


def _widths(declinations: Array, radii: Array) -> Array:
    """Return how far caps reach to either side in right ascension; those around a pole, all around."""
    high = np.abs(declinations) + radii >= _POLE
    share = np.sin(np.radians(radii)) / np.where(high, 1.0, np.cos(np.radians(declinations)))
    return np.where(high, _TURN, np.degrees(np.arcsin(np.clip(share, 0.0, 1.0))) + _SLACK)


def _beside(longitudes: Array, span: Interval) -> Array:
    """Return how far right ascensions are from a span, the shorter way around."""
    width = span.high - span.low if span.low <= span.high else span.high - span.low + _TURN
    beyond = (longitudes - span.low) % _TURN
    return np.where(beyond <= width, 0.0, np.minimum(beyond - width, _TURN - beyond))


class _Asked:
    """A region that many footprints are compared with, so that it is made once."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._polygon = regions.Polygon(region.numbers) if isinstance(region, Polygon) else None

    def meets(self, shape: list[float]) -> bool:
        """Return whether a footprint has a place in common with the region."""
        if self._polygon is not None and len(shape) > _CIRCLE:
            return bool(regions.meet(self._polygon, regions.Polygon(shape)))
        match self._region:
            case Circle(ra, dec, radius):
                return bool(regions.intersects(shape, [ra, dec, radius]))
            case Polygon(numbers):
                return bool(regions.intersects(shape, list(numbers)))
            case Range() as span:
                return _in_range(shape, span)


def _in_range(shape: list[float], region: Range) -> bool:
    """Return whether a footprint touches what lies between meridians and parallels; these are no great circles."""
    if len(shape) == _CIRCLE:
        shape = _as_polygon(shape)
    longitudes, latitudes = np.array(shape[::2]), np.array(shape[1::2])
    if (_between(longitudes, region.ra) & (latitudes >= region.dec.low) & (latitudes <= region.dec.high)).any():
        return True
    if len(shape) == _POINT:
        return False
    polygon = regions.Polygon(shape)
    corners = regions.vectors([region.ra.low, region.ra.high] * 2, [region.dec.low] * 2 + [region.dec.high] * 2)
    if not polygon.fits or polygon.contains(corners).any():
        return True
    return any(_crosses(start, end, region) for start, end in zip(polygon.vertices, np.roll(polygon.vertices, -1, axis=0), strict=True))


def _as_polygon(circle: list[float]) -> list[float]:
    """Return a polygon around a circle, a thousandth wider at its corners."""
    centre = regions.vectors(*circle[:2])
    helper = np.eye(3)[np.abs(centre).argmin()]
    east = np.cross(helper, centre)
    east /= np.linalg.norm(east)
    angles = np.linspace(0, 2 * math.pi, _SIDES, endpoint=False)[:, None]
    reach = math.radians(min(circle[2], 89.0)) / math.cos(math.pi / _SIDES)
    rim = math.cos(reach) * centre + math.sin(reach) * (np.cos(angles) * east + np.sin(angles) * np.cross(centre, east))
    return [float(number) for pair in zip(*regions.positions(rim), strict=True) for number in pair]


def _between(longitudes: Any, span: Interval) -> Any:
    longitudes = np.asarray(longitudes) % _TURN
    if span.low <= span.high:
        return (longitudes >= span.low) & (longitudes <= span.high) | ((longitudes == 0) & (span.high == _TURN))
    return (longitudes >= span.low) | (longitudes <= span.high)


def _crosses(start: Array, end: Array, region: Range) -> bool:
    """Return whether an edge meets the outline of a range."""
    length = math.radians(float(regions.separation(start, end)))
    ahead = end - start * (start @ end)
    size = float(np.linalg.norm(ahead))
    if size == 0:
        return False
    ahead = ahead / size

    def at(angle: float) -> tuple[float, float] | None:
        """Return the place at that angle from the start (radians), where the edge reaches as far."""
        if not 0 <= angle <= length:
            return None
        longitude, latitude = regions.positions(math.cos(angle) * start + math.sin(angle) * ahead)
        return float(longitude), float(latitude)

    on_parallels = [place for angle in _at_parallels(start, ahead, region.dec) if (place := at(angle))]
    if any(_between(longitude, region.ra) for longitude, _ in on_parallels):
        return True
    return any(
        region.dec.low <= place[1] <= region.dec.high
        for meridian in (region.ra.low, region.ra.high)
        for angle in _at_meridian(start, ahead, meridian)
        if (place := at(angle)) and math.cos(math.radians(place[0] - meridian)) > 0
    )


def _at_parallels(start: Array, ahead: Array, span: Interval) -> list[float]:
    """Return the angles at which a great circle has one of two declinations."""
    height, phase = math.hypot(start[2], ahead[2]), math.atan2(ahead[2], start[2])
    found = []
    for declination in (span.low, span.high):
        share = math.sin(math.radians(declination)) / height if height else math.inf
        if abs(share) <= 1:
            found += [(phase + sign * math.acos(share)) % (2 * math.pi) for sign in (1, -1)]
    return found


def _at_meridian(start: Array, ahead: Array, meridian: float) -> list[float]:
    """Return the angles at which a great circle crosses a meridian or the one opposite, within half a turn."""
    turn = math.radians(meridian)
    across = np.array([-math.sin(turn), math.cos(turn), 0.0])
    return [math.atan2(-float(start @ across), float(ahead @ across)) % math.pi]
