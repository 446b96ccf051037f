"""Footprints on the sky: of `s_region` as ObsCore writes it, and of images."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowerbird.errors import BadArgument, CutoutError
from bowerbird.image import Choices, file_descriptor, image, plain
from bowerbird.refusals import explained

_WORD = re.compile(r"[A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_FRAMES = {"ICRS", "FK5", "J2000", "UNION", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "UNKNOWNREFPOS", "SPHERICAL"}
_CIRCLE = 3
_CORNERS = 3
_ROUND = np.linspace(0, 2 * np.pi, 48, endpoint=False)
# More would only make the browser slow.
MOST_SHAPES = 2000


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed line on the sky: its corners in degrees, ICRS."""

    ra: Any
    dec: Any

    def pairs(self) -> list[list[float]]:
        """Return the corners as pairs of numbers."""
        return np.stack([self.ra, self.dec], axis=-1).tolist()  # type: ignore[no-any-return]  # of floats


def outlines_of(footprints: Any) -> list[Outline]:
    """Return the outlines of a table with a column `s_region`, of texts like it, or of FITS files; ValueError where it is none of them."""
    if footprints is None:
        return []
    columns = getattr(footprints, "colnames", None)
    if columns is not None:
        if "s_region" not in columns:
            raise BadArgument(f"footprints of a table are in its column s_region, which this one lacks; it has {', '.join(columns)}")
        footprints = footprints["s_region"]
    elif isinstance(footprints, str | os.PathLike):
        footprints = [footprints]
    found: list[Outline] = []
    for one in footprints:
        if one is None or np.ma.is_masked(one):
            continue
        found += [of_image(one)] if _is_file(one) else list(read_region(str(one)))
        if len(found) >= MOST_SHAPES:
            break
    return found


def _is_file(one: Any) -> bool:
    return isinstance(one, os.PathLike) or (isinstance(one, str) and ("/" in one or ".fits" in one))


def read_region(text: str) -> Iterator[Outline]:
    """Yield the outlines of STC-S or DALI regions: circles and polygons, ICRS or close to it; what else stands there is left out."""
    shape = ""
    numbers: list[str] = []
    for word in [*_WORD.findall(text), "END"]:
        if word[0].isalpha():
            if word.upper() in _FRAMES:
                continue
            with suppress(ValueError):
                yield from _outline(shape, [float(number) for number in numbers])
            shape, numbers = word.upper(), []
        else:
            numbers.append(word)


def _outline(shape: str, numbers: list[float]) -> Iterable[Outline]:
    if shape == "CIRCLE" and len(numbers) == _CIRCLE:
        return [circle(*numbers)]
    if shape == "POLYGON" and len(numbers) >= 2 * _CORNERS and len(numbers) % 2 == 0:
        return [Outline(np.array(numbers[::2]), np.array(numbers[1::2]))]
    return []


def circle(ra: float, dec: float, radius: float) -> Outline:
    """Return a circle on the sphere as a line of many corners."""
    up, away = np.radians(dec), np.radians(radius)
    latitude = np.arcsin(np.sin(up) * np.cos(away) + np.cos(up) * np.sin(away) * np.cos(_ROUND))
    turn = np.arctan2(np.sin(_ROUND) * np.sin(away) * np.cos(up), np.cos(away) - np.sin(up) * np.sin(latitude))
    return Outline((ra + np.degrees(turn)) % 360, np.degrees(latitude))


def of_image(path: str | os.PathLike[str], hdu: Choices = None) -> Outline:
    """Return the outline of an image's pixels; CutoutError where it has no place on the sky."""
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  # slow, and rarely asked for

    choice = hdu if not isinstance(hdu, list) else hdu[0]
    with explained(path), file_descriptor(path) as file, plain(file) as descriptor:
        found = image(descriptor, choice)  # type: ignore[arg-type]  # one choice
    across, up = (found.shape[axis] for axis in found.sky.axes)
    corners = np.array([[-0.5, -0.5], [across - 0.5, -0.5], [across - 0.5, up - 0.5], [-0.5, up - 0.5]])
    points = found.sky.points(corners)
    if not np.isfinite(points).all():
        raise CutoutError(f"{os.fspath(path)}: its corners lie outside the sky, so it has no outline")
    at = SkyCoord(points[:, 0], points[:, 1], unit="deg", frame=found.sky.frame).icrs
    return Outline(at.ra.deg, at.dec.deg)
