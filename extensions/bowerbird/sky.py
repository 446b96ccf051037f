"""The sky of one image: which pixel axes run along it, and which box of pixels covers a square on it."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy.coordinates import ConvertError, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, Wcsprm
from astropy.wcs.utils import wcs_to_celestial_frame

from bowerbird.errors import NotCuttable, OutsideImage
from bowerbird.fits_cards import Cards
from bowerbird.sphere import Around, Array
from bowerbird.stencil import Stencil

# A pixel that a region touches by less than this (in pixels) is not part of it: the noise of the arithmetic.
TOUCH = 1e-6
# A position must come back from its pixel to within this many pixels, or the projection has no inverse there.
_RETURNS = 1e-2
_PIXELS_A_STEP = 8
_MOST_STEPS = 256
_FEWEST_STEPS = 8
_INSIDE_STEPS = 9
_FAR = 2.0**52
_HALF_A_SIDE = 0.5
# A pixel's centre and the ends of the two steps of one pixel across it.
_CROSS = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5]])
_POLES = np.array([[0.0, 90.0], [0.0, -90.0]])
# With any of these astropy repairs, or adds to, what wcslib understands.
_DISTORTIONS = ("PV", "A_", "B_", "AP_", "BP_", "CPDIS", "CQDIS", "D2IM", "DP", "DQ", "AXISCORR", "WAT")
_LOOKUPS = ("CPDIS", "D2IM")
# How astropy ends when a card holds what nobody expects there.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, OSError, MemoryError)
_LOST = "this position has no place in the projection of the image"


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels along the two axes of the sky, counted from 0; `stop` is the first that is outside."""

    start: tuple[int, int]
    stop: tuple[int, int]


class Sky:
    """The celestial part of an image's WCS; `axes` are its two pixel axes, counted from 0, NAXIS1 first."""

    def __init__(self, full: WCS) -> None:
        self.axes = _celestial_axes(full)
        try:
            self.wcs = full.celestial
            self.frame = wcs_to_celestial_frame(self.wcs)
        except ValueError as error:
            raise NotCuttable(f"no two axes of the image are the sky alone, in a frame that is understood ({error})") from None
        self._order = slice(None) if self.wcs.wcs.lng == 0 else slice(None, None, -1)
        self._straight = not self.wcs.has_distortion
        # wcslib keeps notes in the object while it transforms, and runs without the interpreter's lock.
        self._lock = threading.Lock()

    def pixels(self, points: Array) -> Array:
        """Return the pixels, counted from 0, of (longitude, latitude) in the image's frame; nan where there is none."""
        world = points[:, self._order]
        with np.errstate(all="ignore"):
            if self._straight:
                return np.asarray(self.wcs.wcs_world2pix(world, 0))
            return np.asarray(self.wcs.all_world2pix(world, 0, tolerance=TOUCH, maxiter=50, quiet=True))

    def points(self, pixels: Array) -> Array:
        """Return the (longitude, latitude) of pixels."""
        world = self.wcs.wcs_pix2world(pixels, 0) if self._straight else self.wcs.all_pix2world(pixels, 0)
        return np.asarray(world)[:, self._order]

    def box(self, region: Stencil) -> Box:
        """Return the smallest box of pixels that covers the square; it may reach beyond the image."""
        centre = self._own_frame(region)
        with self._lock:
            try:
                corners = self._reach(centre, region)
            except ValueError:
                raise OutsideImage(_LOST) from None
        low = np.clip(np.floor(corners.min(axis=0) + 0.5 + TOUCH), -_FAR, _FAR)
        high = np.clip(np.ceil(corners.max(axis=0) + 0.5 - TOUCH), low + 1, _FAR)
        return Box((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))

    def _own_frame(self, region: Stencil) -> Array:
        if region.coordinates is None and self.frame.name == "icrs":
            return np.array([region.longitude, region.latitude])
        there = region.coordinates or SkyCoord(region.longitude, region.latitude, unit="deg", frame="icrs")
        try:
            here = there.transform_to(self.frame).spherical
        except ConvertError as error:
            raise NotCuttable(f"the position cannot be carried over to the image's frame, {self.frame.name}") from error
        return np.array([here.lon.deg, here.lat.deg])

    def _reach(self, centre: Array, region: Stencil) -> Array:
        """Return pixels on the outline, and at some places inside, of the square."""
        around = Around(centre)
        middle = self.pixels(centre[None])[0]
        if not np.isfinite(middle).all():
            raise OutsideImage(_LOST)
        ends = around.offsets(self.points(middle + _CROSS))
        # At the rim of a map of the whole sky half a step leads out of the sky: then the other half counts twice.
        halves = np.where(np.isfinite(ends[1:]), ends[1:] - ends[0], ends[0] - ends[[3, 4, 1, 2]])
        steps = halves[:2] - halves[2:]
        if not np.isfinite(steps).all() or np.linalg.det(steps) == 0:
            raise OutsideImage(_LOST)
        slopes = np.linalg.inv(steps)
        if not (np.abs(ends[0] @ slopes) < _RETURNS).all():
            raise OutsideImage(_LOST)
        offsets = _square(region, steps, around)
        return self._follow(around, middle, offsets, middle + offsets @ slopes)

    def _follow(self, around: Around, middle: Array, offsets: Array, expected: Array) -> Array:
        """Return the pixels of offsets; the image's own plane goes on where the projection is torn."""
        pixels = self.pixels(around.points(offsets))
        found = np.isfinite(pixels).all(axis=1)
        # A map of the whole sky has a seam: half-way to a pixel on its far side lies another part of the sky.
        halfway = around.distances(self.points((np.where(found[:, None], pixels, middle) + middle) / 2))
        near = halfway <= np.hypot(offsets[:, 0], offsets[:, 1]).max()
        return np.where((found & near)[:, None], pixels, expected)


def read_sky(cards: Cards, tables: Callable[[], fits.HDUList]) -> Sky:
    """Return the sky of an image; `tables` opens the file when its distortions need tables of other HDUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            full = _distorted(cards, tables) if _has(cards, _DISTORTIONS) else _plain(cards)
        except _UNREADABLE as error:
            raise NotCuttable(f"the coordinates in the image's header are not understood: {_first_line(error)}") from error
    return Sky(full)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _has(cards: Cards, beginnings: tuple[str, ...]) -> bool:
    return any(keyword.startswith(beginnings) for keyword in cards.keywords())


def _plain(cards: Cards) -> WCS:
    # Three times as fast as WCS(header): wcslib reads the cards and no second header is made of them.
    parameters = Wcsprm(header=cards.block(), relax=True)
    full = WCS(naxis=parameters.naxis)
    full.wcs = parameters
    full.fix()
    full.wcs.set()
    return full


def _distorted(cards: Cards, tables: Callable[[], fits.HDUList]) -> WCS:
    header = fits.Header.fromstring(cards.block())
    if not _has(cards, _LOOKUPS):
        return WCS(header)
    with tables() as hdus:
        return WCS(header, hdus)


def _celestial_axes(full: WCS) -> tuple[int, int]:
    longitude, latitude = full.wcs.lng, full.wcs.lat
    if longitude < 0 or latitude < 0:
        raise NotCuttable("the image says nothing of where on the sky it is: its header has no celestial coordinates")
    return min(longitude, latitude), max(longitude, latitude)


def _square(region: Stencil, steps: Array, around: Around) -> Array:
    """Return offsets on the outline of the square and inside it; its sides run as the rows of the image do at the centre."""
    rows = steps[0] / np.hypot(*steps[0])
    columns = np.array([-rows[1], rows[0]])
    sides = np.array([region.width, region.height])
    pixels = sides / np.hypot(steps[:, 0], steps[:, 1])
    # A power of two, so that a few outlines serve all sizes.
    wanted = int(np.clip(pixels.max() / _PIXELS_A_STEP, 1, _MOST_STEPS - 1))
    count = max(_FEWEST_STEPS, 1 << wanted.bit_length())
    shares = _shares(count)
    turn = np.array([rows, columns])
    if 90 - abs(around.latitude) <= sides.sum():
        poles = around.offsets(_POLES) @ turn.T / sides
        shares = np.concatenate([shares, poles[(np.abs(poles) <= _HALF_A_SIDE).all(axis=1)]])
    return (shares * sides) @ turn


@lru_cache(maxsize=16)
def _shares(count: int) -> Array:
    """Return points on the outline of a square of side 1 around 0, `count` a side, and a grid of some inside."""
    edge = np.linspace(-0.5, 0.5, count)
    ends = np.full(count, 0.5)
    outline = [(edge, ends), (edge, -ends), (ends, edge), (-ends, edge)]
    inside = np.meshgrid(np.linspace(-0.5, 0.5, _INSIDE_STEPS), np.linspace(-0.5, 0.5, _INSIDE_STEPS))
    return np.concatenate([np.stack(pair, axis=-1) for pair in outline] + [np.stack(inside, axis=-1).reshape(-1, 2)])
