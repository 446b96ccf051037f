"""DALI 1.1, section 3.3, and SIA 2.0, section 2.1: the values of parameters that several protocols share: intervals and regions."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from bowerbird_services.sky_regions import DECLINATIONS, RADII, RIGHT_ASCENSIONS, Circle, Interval, Polygon, Range, Region
from bowerbird_services.vo.dali import Fault, shown

_MOST_VERTICES: Final = 1000
_PAIR: Final = 2
# DALI 1.1, section 3.3: as a program writes it; `float` also takes `1_0` and the digits of all scripts.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
# SIA 2.0, section 2.1, and SODA 1.0, section 3.3: what the numbers of an interval are, and an example of two.
_INTERVALS: Final = {
    "BAND": ("wavelengths in metres", "5e-7", "7e-7"),
    "TIME": ("times as MJD, in days", "60310", "60341.5"),
    "FOV": ("fields of view in degrees", "0.5", "1"),
    "SPATRES": ("angular resolutions in arcsec", "0.5", "1"),
    "SPECRP": ("resolving powers, which have no unit", "1000", "5000"),
    "EXPTIME": ("exposure times in seconds", "60", "600"),
    "TIMERES": ("resolutions in time in seconds", "1", "60"),
}
_INFINITE: Final = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf}


def interval(name: str, text: str) -> Interval:
    """Return an interval, or a value alone as the interval of itself; Fault where it is none."""
    what, lower, upper = _INTERVALS[name]
    how = f"one number or two, {what}, as in '{lower} {upper}', '-Inf {upper}' or '{lower} +Inf'"
    numbers = _numbers(name, text, how, infinite=True)
    if len(numbers) not in {1, _PAIR}:
        raise Fault(f"{name} is {shown(text)}; it is {how}")
    low, high = numbers[0], numbers[-1]
    if low > high or math.inf in (low, -high):
        raise Fault(f"{name} is {shown(text)}, which holds nothing; write the lower end first, -Inf or +Inf for an open one")
    return Interval(low, high)


def circle(name: str, text: str) -> Circle:
    """Return a circle from 'ra dec radius'; Fault where it is none."""
    how = "right ascension, declination and radius in degrees, as in '53.1 -27.8 0.1'"
    numbers = _numbers(name, text, how)
    if len(numbers) != 3:  # noqa: PLR2004  as `how` says
        raise Fault(f"{name} has {len(numbers)} numbers; it is {how}")
    _places(name, numbers[:2])
    if not (numbers[2] and RADII.holds(numbers[2])):
        raise Fault(f"{name} has the radius {numbers[2]:g}; it must be above 0 and at most {RADII.high:g} degrees")
    return Circle(*numbers)


def polygon(name: str, text: str) -> Polygon:
    """Return a polygon from 'ra dec ra dec ra dec …'; Fault where it is none."""
    how = "three vertices or more, right ascension and declination of each in degrees"
    numbers = _numbers(name, text, how)
    if len(numbers) < 3 * _PAIR or len(numbers) % _PAIR:
        raise Fault(f"{name} has {len(numbers)} numbers; it is {how}")
    if len(numbers) > _MOST_VERTICES * _PAIR:
        raise Fault(f"{name} has {len(numbers) // _PAIR} vertices; the most are {_MOST_VERTICES}")
    _places(name, numbers)
    return Polygon(tuple(numbers))


def sky_range(name: str, text: str) -> Range:
    """Return a range from 'ra1 ra2 dec1 dec2'; an open end reaches to the end of the sky. Fault where it is none."""
    how = "two right ascensions and two declinations in degrees, -Inf or +Inf for an open end, as in '10 20 -5 5'"
    numbers = _numbers(name, text, how, infinite=True)
    if len(numbers) != 2 * _PAIR:
        raise Fault(f"{name} has {len(numbers)} numbers; it is {how}")
    ends = (RIGHT_ASCENSIONS, RIGHT_ASCENSIONS, DECLINATIONS, DECLINATIONS)
    west, east, south, north = (
        number if math.isfinite(number) else end.low if number < 0 else end.high for number, end in zip(numbers, ends, strict=True)
    )
    _places(name, [west, south, east, north])
    if south > north:
        raise Fault(f"{name} has the declinations {south:g} and {north:g}; write the lower first")
    return Range(Interval(west, east), Interval(south, north))


_SHAPES: Final[Mapping[str, Callable[[str, str], Region]]] = {"CIRCLE": circle, "RANGE": sky_range, "POLYGON": polygon}


def position(name: str, text: str) -> Region:
    """Return the region that a POS says; Fault where it is none."""
    kind, rest = [*text.split(None, 1), "", ""][:2]
    shape = _SHAPES.get(kind.upper())
    if shape is None:
        raise Fault(f"{name} is {shown(text)}; it begins with {', '.join(_SHAPES)}, as in 'CIRCLE 53.1 -27.8 0.1'")
    return shape(f"{name}={kind.upper()}", rest)


def _numbers(name: str, text: str, how: str, infinite: bool = False) -> list[float]:
    found = []
    for word in text.split():
        endless = _INFINITE.get(word.lower()) if infinite else None
        if endless is None and not _NUMBER.fullmatch(word):
            raise Fault(f"{name} is {shown(text)}; it is {how}")
        number = float(word) if endless is None else endless
        if not math.isfinite(number) and not (infinite and word.lower() in _INFINITE):
            raise Fault(f"{name} is {shown(text)}; its numbers must be finite")
        found.append(number)
    return found


def _places(name: str, numbers: list[float]) -> None:
    for ra, dec in zip(numbers[::2], numbers[1::2], strict=True):
        if not RIGHT_ASCENSIONS.holds(ra):
            raise Fault(f"{name} has the right ascension {ra:g}; it must be between 0 and 360 degrees")
        if not DECLINATIONS.holds(dec):
            raise Fault(f"{name} has the declination {dec:g}; it must be between -90 and 90 degrees")
