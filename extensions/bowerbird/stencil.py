"""The region of a cutout: a position and a size as people write them, made into a point and two angles."""

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from bowerbird.angles import angle_in_degrees, with_points
from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

    Position: TypeAlias = SkyCoord | str | tuple[float, float]
    Length: TypeAlias = Quantity | str
    Size: TypeAlias = Length | tuple[Length, Length]

ORDER = "the order is bowerbird.cutout(path, position, size), and bowerbird.cutouts(positions, size, image) for many"

_PAIR = 2
_WHOLE_SKY = 360.0


@dataclass(frozen=True, slots=True)
class Stencil:
    """A square on the sky (degrees): its centre, and its sides along the image's rows (width) and columns (height).

    `longitude` and `latitude` are ICRS, or in the frame of `coordinates` where those are given.
    """

    longitude: float
    latitude: float
    width: float
    height: float
    coordinates: Any = None

    def alone(self) -> "Stencils":
        """Return this square as the only one of many."""
        longitude, latitude, width, height = np.array([[self.longitude], [self.latitude], [self.width], [self.height]])
        return Stencils(longitude, latitude, width, height, None if self.coordinates is None else self.coordinates.reshape(1))


@dataclass(frozen=True, slots=True)
class Stencils:
    """Many squares, each number of a Stencil as an array."""

    longitude: Any
    latitude: Any
    width: Any
    height: Any
    coordinates: Any = None


def stencil(position: "Position", size: "Size") -> Stencil:
    """Read a position and a size; ValueError says what is wrong with them."""
    height, width = _sides(size)
    if isinstance(position, tuple | list):
        longitude, latitude = _degrees(position)
        return Stencil(longitude, latitude, width, height)
    coordinates = _coordinates(position)
    place = coordinates.spherical
    longitude, latitude = float(place.lon.deg), float(place.lat.deg)
    _check(longitude, latitude)
    return Stencil(longitude, latitude, width, height, None if coordinates.name == "icrs" else coordinates)


def checked(longitude: float, latitude: float, width: float, height: float) -> str:
    """Return what is wrong with a square whose numbers (degrees) are of a table, or nothing."""
    try:
        _check(longitude, latitude)
        for side in (height, width):
            _check_side(side, f"{side:g} degrees")
    except BadArgument as error:
        return str(error)
    return ""


def _degrees(position: Any) -> tuple[float, float]:
    if len(position) != _PAIR:
        raise BadArgument(f"a position is (ra, dec) in degrees, a SkyCoord or a text, not {position!r}")
    longitude, latitude = (_degree(value) for value in position)
    _check(longitude, latitude)
    return longitude, latitude


def _check(longitude: float, latitude: float) -> None:
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise BadArgument(f"the position ({longitude:g}, {latitude:g}) is not a number; a position is (ra, dec) in degrees")
    if not -90 <= latitude <= 90:  # noqa: PLR2004  # the poles
        raise BadArgument(f"declination {latitude:g} is beyond the pole; a position is (ra, dec) in degrees")


def _degree(value: Any) -> float:
    return float(value.to_value("deg")) if hasattr(value, "to_value") else float(value)


def _coordinates(position: Any) -> "SkyCoord":
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  # half a second that most imports never need

    if isinstance(position, str):
        return _read_coordinates(position)
    if not isinstance(position, SkyCoord):
        raise BadArgument(f"a position is a SkyCoord, a text like '10h00m00s +02d12m00s' or (ra, dec) in degrees, not {position!r}")
    if position.size != 1:
        raise BadArgument(f"one position at a time: this SkyCoord holds {position.size}; take one of them, like at[0]")
    return position.reshape(())


def _read_coordinates(text: str) -> "SkyCoord":
    import astropy.units as u  # noqa: PLC0415  # as above
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  # as above

    # Without letters the standard's habit decides: sexagesimal right ascension is in hours, a decimal one in degrees.
    unit = (u.hourangle, u.deg) if ":" in text or len(text.split()) > _PAIR else (u.deg, u.deg)
    try:
        return SkyCoord(with_points(text), unit=unit)
    except (ValueError, TypeError):
        written = "write it like '10h00m00s +02d12m00s', '10:00:00 +02:12:00' or '150.0 2.2'"
        raise BadArgument(f"{text!r} is no position; {written}; names of objects are for bowerbird.cone alone") from None


def _sides(size: Any) -> tuple[float, float]:
    if isinstance(size, tuple | list):
        if len(size) != _PAIR:
            raise BadArgument(f"a size is one angle or a pair (height, width), not {size!r}")
        return _angle(size[0]), _angle(size[1])
    if getattr(size, "shape", ()) == (_PAIR,):
        return _angle(size[0]), _angle(size[1])
    side = _angle(size)
    return side, side


def _angle(size: Any) -> float:
    from astropy.units import UnitsError  # noqa: PLC0415  # as above

    if isinstance(size, os.PathLike) or (isinstance(size, str) and ("/" in size or ".fits" in size)):
        raise BadArgument(f"{os.fspath(size)!r} is a file where a size should be; {ORDER}")
    try:
        angle = angle_in_degrees(size)
    except (UnitsError, ValueError, TypeError):
        raise BadArgument(f"{size!r} is no angle; a size needs a unit, like '1 arcmin' or 30 * u.arcsec") from None
    _check_side(angle, size)
    return angle


def _check_side(angle: float, size: Any) -> None:
    if not 0 < angle <= _WHOLE_SKY:
        told = "is larger than the sky" if angle > _WHOLE_SKY else "has no pixels"
        raise BadArgument(f"a cutout of {size!s} {told}; give a size above zero and up to 360 degrees")
