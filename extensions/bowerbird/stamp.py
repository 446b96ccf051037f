"""Pictures of cutouts: of one by a stretch and a colour, of three as red, green and blue."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from bowerbird.colour_maps import coloured
from bowerbird.errors import BadArgument
from bowerbird.listed import unlisted_header
from bowerbird.png import png
from bowerbird.refusals import writable

if TYPE_CHECKING:
    from bowerbird.cut import Cut

ZSCALE = "zscale"
Limits: TypeAlias = float | str | tuple[float, float]

_SOFTENING = 10.0
_LOG_RANGE = 1000.0
_PLANE = 2
_WHITE = 255
# How bright 0 to 1 is drawn.
_STRETCHES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda share: share,
    "sqrt": np.sqrt,
    "asinh": lambda share: np.arcsinh(_SOFTENING * share) / np.arcsinh(_SOFTENING),
    "log": lambda share: np.log1p(_LOG_RANGE * share) / np.log1p(_LOG_RANGE),
}
# Red, green and blue of a brightness.
_COLOURS: dict[str, Callable[[Any], Any]] = {
    "grey": lambda light: light,
    "inverted": lambda light: 1 - light,
    "heat": lambda light: np.stack([np.clip(light * 3 - start, 0, 1) for start in (0, 1, 2)], axis=-1),
    "viridis": lambda light: coloured("viridis", light),
    "magma": lambda light: coloured("magma", light),
}
STRETCHES, COLOURS = tuple(_STRETCHES), tuple(_COLOURS)


@dataclass(frozen=True, slots=True)
class Look:
    """How pixels are drawn: by which curve, between which values, in which colours, and whether bright is dark."""

    stretch: str = "asinh"
    limits: Limits = 99.5
    colour: str = "grey"
    invert: bool = False

    def __post_init__(self) -> None:
        _named(_STRETCHES, "stretch", self.stretch)
        _named(_COLOURS, "colour", self.colour)
        percent = isinstance(self.limits, int | float) and 0 < self.limits <= 100  # noqa: PLR2004  # that is all of them
        known = percent or self.limits == ZSCALE or isinstance(self.limits, tuple)
        if not known:
            raise BadArgument(f"limits are percent of the pixels, such as 99.5, {ZSCALE!r}, or (black, white), not {self.limits!r}")


class Stamp:
    """A picture, north as the image has it, its first row at the bottom; pixels without data are transparent.

    In a notebook it shows itself.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        """The bytes of the PNG file."""

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the PNG file; one of that name is replaced."""
        with writable(path):
            Path(path).write_bytes(self.content)

    def _repr_png_(self) -> bytes:
        return self.content


def stamp(cut: "Cut", look: Look) -> Stamp:
    """Return the picture of one cutout."""
    return Stamp(png(picture(cut, look)))


def picture(cut: "Cut", look: Look, most: int = 0) -> Any:
    """Return the picture as an array, its first row at the top; with `most`, of so many pixels a side at most, each the mean of several."""
    plain = cut.plane()
    values = _plane(cut.hdu) if plain is None else plain.astype("f8")
    values = _fewer(values, -(-max(values.shape) // most)) if most else values
    return pictured(values, look)


def pictured(values: Any, look: Look) -> Any:
    """Return the picture of pixels of the sky as an array; their first row is at the bottom, and what is not finite is transparent."""
    light = _light(values, look.stretch, _limits(look.limits, values))
    return _drawn(_COLOURS[look.colour](1 - light if look.invert else light), np.isfinite(values))


def in_colour(red: "Cut", green: "Cut", blue: "Cut", look: Look) -> Stamp:
    """Return the picture of three cutouts, on the pixels of the first."""
    first = red.hdu
    planes = [_plane(first), *(_on_pixels_of(first, other.hdu) for other in (green, blue))]
    lights = [_light(values, look.stretch, _limits(look.limits, values)) for values in planes]
    return Stamp(png(_drawn(np.stack(lights, axis=-1), np.isfinite(planes).all(axis=0))))


def drawn(values: Any, limits: tuple[float, float], stretch: str = "asinh") -> bytes:
    """Return the PNG file of an image between two values; see `Stamp`."""
    return png(_drawn(_light(values, stretch, limits), np.isfinite(values)))


def _drawn(light: Any, there: Any) -> Any:
    pixels = np.rint(light * _WHITE).astype(np.uint8)
    if not there.all():
        colours = pixels if pixels.ndim > _PLANE else pixels[..., None]
        pixels = np.concatenate([colours, np.where(there, _WHITE, 0).astype(np.uint8)[..., None]], axis=-1)
    return pixels[::-1]


def _fewer(values: Any, side: int) -> Any:
    """Return the means of squares of so many pixels; those that reach beyond the picture have fewer."""
    if side <= 1:
        return values
    rows, columns = (-length % side for length in values.shape)
    whole = np.pad(values, ((0, rows), (0, columns)), constant_values=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is nothing
        return np.nanmean(whole.reshape(whole.shape[0] // side, side, -1, side), axis=(1, 3))


def _light(values: Any, stretch: str, limits: tuple[float, float]) -> Any:
    low, high = limits
    share = np.clip((values - low) / max(high - low, np.finfo("f8").tiny), 0, 1)
    return np.nan_to_num(_STRETCHES[stretch](share))


def _named(choices: dict[str, Callable[[Any], Any]], what: str, name: str) -> None:
    if name not in choices:
        raise BadArgument(f"{what} is one of {', '.join(map(repr, choices))}, not {name!r}")


def _limits(limits: Limits, values: Any) -> tuple[float, float]:
    if isinstance(limits, tuple):
        return limits
    there = values[np.isfinite(values)]
    if not there.size:
        return 0.0, 1.0
    if isinstance(limits, str):
        low, high = _zscale(there)
        return low, high
    low, high = np.percentile(there, [(100 - limits) / 2, (100 + limits) / 2])
    return float(low), float(high)


def _zscale(there: Any) -> tuple[float, float]:
    from astropy.visualization import ZScaleInterval  # noqa: PLC0415  # slow to import, and rarely asked for

    low, high = ZScaleInterval().get_limits(there)
    return float(low), float(high)


def _sky(header: fits.Header) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(unlisted_header(header))


def _plane(hdu: Any) -> Any:
    """Return the pixels of the sky as float64: of a cube, the mean along its other axes."""
    values = np.asarray(hdu.data, dtype="f8")
    if values.ndim == _PLANE:
        return values
    full = _sky(hdu.header)
    sky = {values.ndim - 1 - full.wcs.lng, values.ndim - 1 - full.wcs.lat}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is nothing
        return np.nanmean(values, axis=tuple(axis for axis in range(values.ndim) if axis not in sky))


def _on_pixels_of(first: Any, other: Any) -> Any:
    """Return the pixels of another image that lie nearest to those of the first; nan where there are none."""
    values, rows, columns = _plane(other), *np.indices(_plane(first).shape)
    here, there = _sky(first.header).celestial, _sky(other.header).celestial
    world = here.pixel_to_world(columns, rows)
    x, y = (np.rint(one) for one in there.world_to_pixel(world))
    inside = (x >= 0) & (y >= 0) & (x < values.shape[1]) & (y < values.shape[0])
    found = np.full(inside.shape, np.nan)
    found[inside] = values[y[inside].astype(int), x[inside].astype(int)]
    return found
