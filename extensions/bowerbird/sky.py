"""The sky of one image: which pixel axes run along it, and which box of pixels covers a square on it."""

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import astropy.units as u
import numpy as np
from astropy.coordinates import ICRS, ConvertError, SkyCoord, UnitSphericalRepresentation
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, Wcsprm
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame

from bowerbird.errors import NoSky, NotCuttable, OutsideImage
from bowerbird.fits_cards import Cards
from bowerbird.listed import unlisted
from bowerbird.sphere import Around, Array
from bowerbird.square import BENT, CROSS, FEW, GENTLE, RETURNS, reach
from bowerbird.stencil import Stencil, Stencils

# A pixel that a region touches by less than this (in pixels) is not part of it: the noise of the arithmetic.
TOUCH = 1e-6
_PIXELS_A_STEP = 8
_MOST_STEPS = 256
_FEWEST_STEPS = 8
_INSIDE_STEPS = 9
_FAR = 2.0**52
_HALF_A_SIDE = 0.5
# Squares are followed so many at a time: their points then fit into the processor's cache.
_AT_ONCE = 512
_OUTLINES_AT_ONCE = 64
_POLES = np.array([[0.0, 90.0], [0.0, -90.0]])
# With any of these astropy repairs, or adds to, what wcslib understands.
_DISTORTIONS = ("PV", "A_", "B_", "AP_", "BP_", "CPDIS", "CQDIS", "D2IM", "DP", "DQ", "AXISCORR", "WAT")
_LOOKUPS = ("CPDIS", "D2IM")
# How astropy ends when a card holds what nobody expects there.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, OSError, MemoryError)
LOST = "this position has no place in the projection of the image"


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
        # A table may have any bump between two points.
        self._smooth = self.wcs.cpdis1 is self.wcs.cpdis2 is self.wcs.det2im1 is self.wcs.det2im2 is None
        # wcslib keeps notes in the object while it transforms, and runs without the interpreter's lock.
        self._lock = threading.Lock()

    def pixels(self, points: Array) -> Array:
        """Return the pixels, counted from 0, of (longitude, latitude) in the image's frame; nan where there is none."""
        world = points.reshape(-1, 2)[:, self._order]
        with np.errstate(all="ignore"):
            if self._straight:
                # What WCS.wcs_world2pix does, less its checks, which take longer than a few points do.
                found = self.wcs.wcs.s2p(world, 0)["pixcrd"]
            else:
                found = self.wcs.all_world2pix(world, 0, tolerance=TOUCH, maxiter=50, quiet=True)
        return np.asarray(found).reshape(points.shape)

    def points(self, pixels: Array) -> Array:
        """Return the (longitude, latitude) of pixels."""
        flat = pixels.reshape(-1, 2)
        world = self.wcs.wcs.p2s(flat, 0)["world"] if self._straight else self.wcs.all_pix2world(flat, 0)
        return np.asarray(world)[:, self._order].reshape(pixels.shape)

    @cached_property
    def scale(self) -> float:
        """The side of a pixel in degrees, where the projection is true; the shorter one."""
        return float(min(proj_plane_pixel_scales(self.wcs)))

    def find(self, points: Array) -> Array:
        """Return the pixels of (longitude, latitude), ICRS; nan where there is none."""
        own = self._own_frame(Stencils(points[:, 0], points[:, 1], None, None))
        with self._lock:
            return self._each(self.pixels, own)

    def places(self, pixels: Array) -> Array:
        """Return the (longitude, latitude), ICRS, of pixels; nan where there is none."""
        with self._lock:
            points = self._each(self.points, pixels)
        if self.frame.name == "icrs":
            return points
        there = self.frame.realize_frame(UnitSphericalRepresentation(*(points.T * u.deg))).transform_to(ICRS())
        return np.stack([there.ra.deg, there.dec.deg], axis=-1)

    @staticmethod
    def _each(turn: Callable[[Array], Array], given: Array) -> Array:
        """Return what becomes of all; where wcslib refuses all of them for one, that one is nan."""
        try:
            return turn(given)
        except ValueError:
            if len(given) == 1:
                return np.full(given.shape, np.nan)
            half = len(given) // 2
            return np.concatenate([Sky._each(turn, given[:half]), Sky._each(turn, given[half:])])

    def box(self, region: Stencil) -> Box:
        """Return the smallest box of pixels that covers the square; it may reach beyond the image."""
        box = self._quick(region)
        if box is not None:
            return box
        (low,), (high,), (found,) = self.boxes(region.alone())
        if not found:
            raise OutsideImage(LOST)
        return Box((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))

    def _quick(self, region: Stencil) -> Box | None:
        """Return the same box where little shows it beyond doubt, as `_few` finds it."""
        centre, sides = self._centre(region), (region.width, region.height)
        if not self._smooth or 90 - abs(centre[1]) <= sum(sides):
            return None
        try:
            with self._lock, np.errstate(all="ignore"):
                found = reach(centre, sides, _outline(FEW), self.pixels, self.points)
        except ValueError:
            return None
        if found is None:
            return None
        (left, right), (bottom, top) = (_certain(*axis) for axis in zip(*(one.tolist() for one in found), strict=True))
        return None if left == right or bottom == top else Box((left, bottom), (right, top))

    def _centre(self, region: Stencil) -> tuple[float, float]:
        """Return the centre of a square in the image's frame."""
        if region.coordinates is None and self.frame.name == "icrs":
            return region.longitude, region.latitude
        ((longitude, latitude),) = self._own_frame(region.alone()).tolist()
        return longitude, latitude

    def boxes(self, regions: Stencils) -> tuple[Array, Array, Array]:
        """Return the smallest boxes of pixels that cover squares: starts and stops (n × 2), and which have a place in the projection."""
        centres = self._own_frame(regions)
        sides = np.stack([regions.width, regions.height], axis=-1)
        starts, stops = np.zeros((2, len(centres), 2), dtype=np.int64)
        found = np.zeros(len(centres), dtype=bool)
        with self._lock, np.errstate(all="ignore"):
            for first in range(0, len(centres), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                for rows, reach in self._reaches(np.arange(len(centres))[part], centres[part], sides[part]):
                    low = np.clip(_starts(reach.min(axis=1)), -_FAR, _FAR)
                    starts[rows] = low
                    stops[rows] = np.clip(_stops(reach.max(axis=1)), low + 1, _FAR)
                    found[rows] = True
        return starts, stops, found

    def order(self, regions: Stencils) -> Array:
        """Return the numbers of squares in the order of their centres, row by row; those without a place come last."""
        centres = self._own_frame(regions)
        try:
            with self._lock:
                pixels = self.pixels(centres)
        except ValueError:
            # wcslib refuses all points for one of them; along the sky is an order too.
            pixels = centres
        return np.lexsort(pixels.T)

    def _own_frame(self, regions: Stencils) -> Array:
        if regions.coordinates is None and self.frame.name == "icrs":
            return np.stack([regions.longitude, regions.latitude], axis=-1)
        there = regions.coordinates
        if there is None:
            there = SkyCoord(regions.longitude, regions.latitude, unit="deg", frame="icrs")
        try:
            here = there.transform_to(self.frame).spherical
        except ConvertError as error:
            raise NotCuttable(f"the position cannot be carried over to the image's frame, {self.frame.name}") from error
        return np.stack([here.lon.deg, here.lat.deg], axis=-1)

    def _reaches(self, rows: Array, centres: Array, sides: Array) -> Iterator[tuple[Array, Array]]:
        """Yield rows that have a place in the projection, with pixels on the outline, and at some places inside, of their squares."""
        try:
            yield from self._outlines(rows, centres, sides)
        except ValueError:
            # wcslib refuses all points for one of them.
            half = len(rows) // 2
            if half:
                yield from self._reaches(rows[:half], centres[:half], sides[:half])
                yield from self._reaches(rows[half:], centres[half:], sides[half:])

    def _outlines(self, rows: Array, centres: Array, sides: Array) -> list[tuple[Array, Array]]:
        around = Around(centres)
        middles = self.pixels(centres)
        ends = around.offsets(self.points(middles[:, None] + CROSS))
        # At the rim of a map of the whole sky half a step leads out of the sky: then the other half counts twice.
        halves = np.where(np.isfinite(ends[:, 1:]), ends[:, 1:] - ends[:, :1], ends[:, :1] - ends[:, [3, 4, 1, 2]])
        steps = halves[:, :2] - halves[:, 2:]
        there = np.isfinite(middles).all(axis=1) & np.isfinite(steps).all(axis=(1, 2))
        steps[~there] = np.eye(2)
        there &= np.linalg.det(steps) != 0
        steps[~there] = np.eye(2)
        slopes = np.linalg.inv(steps)
        there &= (np.abs(ends[:, :1] @ slopes) < RETURNS).all(axis=(1, 2))
        reached = []
        if self._smooth:
            reach, certain = self._few(around, middles[:, None], _edges(sides, steps), slopes)
            certain &= there & ~_is_polar(around, sides)
            reached.append((rows[certain], reach[certain]))
            there &= ~certain
        counts = _counts(sides, steps)
        for count in np.unique(counts[there]).tolist():
            like = np.flatnonzero(there & (counts == count))
            for first in range(0, len(like), _OUTLINES_AT_ONCE):
                some = like[first : first + _OUTLINES_AT_ONCE]
                near, middle = Around(centres[some]), middles[some][:, None]
                offsets = _squares(sides[some], steps[some], near, count)
                reached.append((rows[some], self._follow(near, middle, offsets, middle + offsets @ slopes[some])))
        return reached

    def _few(self, around: Around, middle: Array, offsets: Array, slopes: Array) -> tuple[Array, Array]:
        """Return the pixels of a few points on each side of squares, and for which all others would give the same box.

        Between two points a side lies no farther from the straight line than the points nearby lie from theirs, if it
        is smooth or has a kink: by so much the true reach is uncertain, and where no edge of a pixel is that near, the
        box is the same. Where the image bends that little, no point inside a square reaches beyond its sides.
        """
        pixels = self.pixels(around.points(offsets))
        expected = middle + offsets @ slopes
        way, away = expected - middle, pixels - expected
        certain = (np.hypot(away[..., 0], away[..., 1]) <= np.hypot(way[..., 0], way[..., 1]) * BENT).all(axis=1)
        bends = np.abs(np.diff(pixels.reshape(len(pixels), 4, FEW, 2), n=2, axis=2)).max(axis=(1, 2))
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        certain &= (bends <= (high - low) * GENTLE).all(axis=1)
        certain &= (_starts(low - bends) == _starts(low + bends)).all(axis=1)
        certain &= (_stops(high - bends) == _stops(high + bends)).all(axis=1)
        return pixels, certain

    def _follow(self, around: Around, middle: Array, offsets: Array, expected: Array) -> Array:
        """Return the pixels of offsets; the image's own plane goes on where the projection is torn."""
        pixels = self.pixels(around.points(offsets))
        found = np.isfinite(pixels).all(axis=-1)
        way, away = expected - middle, pixels - expected
        near = np.hypot(away[..., 0], away[..., 1]) <= np.hypot(way[..., 0], way[..., 1]) * BENT + RETURNS
        if not near.all():
            # A map of the whole sky has a seam: half-way to a pixel on its far side lies another part of the sky.
            halfway = around.distances(self.points((np.where(found[..., None], pixels, middle) + middle) / 2))
            near |= halfway <= np.hypot(offsets[..., 0], offsets[..., 1]).max(axis=1, keepdims=True)
        return np.where((found & near)[..., None], pixels, expected)


def read_sky(cards: Cards, tables: Callable[[], fits.HDUList]) -> Sky:
    """Return the sky of an image; `tables` opens the file when its distortions need tables of other HDUs."""
    flat = unlisted(cards)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            full = _distorted(flat, tables) if _has(flat, _DISTORTIONS) else _plain(flat)
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
        raise NoSky("the image says nothing of where on the sky it is: its header has no celestial coordinates")
    return min(longitude, latitude), max(longitude, latitude)


def _counts(sides: Array, steps: Array) -> Array:
    """Return for each square how many points a side its outline needs: powers of two, so that a few outlines serve all sizes."""
    pixels = (sides / np.hypot(steps[..., 0], steps[..., 1])).max(axis=1)
    wanted = np.clip(np.nan_to_num(pixels / _PIXELS_A_STEP), 1, _MOST_STEPS - 1).astype(np.int64)
    return np.maximum(_FEWEST_STEPS, 1 << np.frexp(wanted)[1])


def _starts(low: Array) -> Array:
    """Return the first pixels of reaches."""
    return np.floor(low + 0.5 + TOUCH)


def _stops(high: Array) -> Array:
    """Return the first pixels behind reaches."""
    return np.ceil(high + 0.5 - TOUCH)


def _certain(low: float, high: float, doubt: float) -> tuple[int, int]:
    """Return the first pixel of a reach and the first behind it, twice the same where these are not beyond doubt."""
    start, stop = math.floor(low - doubt + 0.5 + TOUCH), math.ceil(high + doubt + 0.5 - TOUCH)
    if start != math.floor(low + doubt + 0.5 + TOUCH) or stop != math.ceil(high - doubt + 0.5 - TOUCH):
        return start, start
    return start, max(stop, start + 1)


def _turn(steps: Array) -> Array:
    """Return how squares are turned: their sides run as the rows of the image do at the centre."""
    rows = steps[:, 0] / np.hypot(steps[:, 0, 0], steps[:, 0, 1])[:, None]
    return np.stack([rows, np.stack([-rows[:, 1], rows[:, 0]], axis=-1)], axis=1)


def _is_polar(around: Around, sides: Array) -> Array:
    """Return which squares may have a pole inside."""
    return 90 - np.abs(around.latitudes) <= sides.sum(axis=1)


def _edges(sides: Array, steps: Array) -> Array:
    """Return offsets of a few points on each side of squares, the corners twice."""
    return (_outline(FEW) * sides[:, None]) @ _turn(steps)


def _squares(sides: Array, steps: Array, around: Around, count: int) -> Array:
    """Return offsets on the outline of squares and inside them."""
    turn = _turn(steps)
    shares = np.broadcast_to(_shares(count), (len(sides), *_shares(count).shape))
    if _is_polar(around, sides).any():
        poles = around.offsets(np.broadcast_to(_POLES, (len(sides), 2, 2))) @ turn.swapaxes(1, 2) / sides[:, None]
        inside = (np.abs(poles) <= _HALF_A_SIDE).all(axis=-1, keepdims=True)
        shares = np.concatenate([shares, np.where(inside, poles, 0.0)], axis=1)
    return (shares * sides[:, None]) @ turn


@lru_cache(maxsize=16)
def _shares(count: int) -> Array:
    """Return points on the outline of a square of side 1 around 0, `count` a side, and a grid of some inside."""
    inside = np.meshgrid(np.linspace(-0.5, 0.5, _INSIDE_STEPS), np.linspace(-0.5, 0.5, _INSIDE_STEPS))
    return np.concatenate([_outline(count), np.stack(inside, axis=-1).reshape(-1, 2)])


@lru_cache(maxsize=16)
def _outline(count: int) -> Array:
    """Return points on the outline of a square of side 1 around 0, side after side, each in the order along it."""
    edge = np.linspace(-0.5, 0.5, count)
    ends = np.full(count, 0.5)
    sides = [(edge, ends), (edge, -ends), (ends, edge), (-ends, edge)]
    return np.concatenate([np.stack(pair, axis=-1) for pair in sides])
