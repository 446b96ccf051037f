"""Intervals, and regions on the sky in degrees, ICRS, as questions name them. Pure."""

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both ends within; an open end is infinite."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a number lies within; what is none does not."""
        return self.low <= value <= self.high


# What numbers of the sky may be in a question, by whatever protocol: a radius of 180 is all of the sky.
RIGHT_ASCENSIONS: Final = Interval(0, 360)
DECLINATIONS: Final = Interval(-90, 90)
RADII: Final = Interval(0, 180)


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle."""

    ra: float
    dec: float
    radius: float


@dataclass(frozen=True, slots=True)
class Range:
    """What lies between two right ascensions and two declinations; from 350 to 10 it crosses the meridian of 0."""

    ra: Interval
    dec: Interval


@dataclass(frozen=True, slots=True)
class Polygon:
    """What lies within great circles through these vertices: right ascension and declination in turn."""

    numbers: tuple[float, ...]


Region: TypeAlias = Circle | Range | Polygon
