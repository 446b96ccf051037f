"""Intervals, and regions on the sky in degrees, ICRS, as questions name them. Pure."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both ends within; an open end is infinite."""

    low: float
    high: float


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
