"""The axes of an image that are not the sky: wavelength, time and polarisation, and which of their pixels a slab takes."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import erfa
import numpy as np
from astropy.io import fits
from astropy.units import Unit, UnitsError
from astropy.wcs import FITSFixedWarning, Wcsprm

from bowerbird.errors import NotCuttable, OutsideImage
from bowerbird.fits_cards import Cards
from bowerbird.image import Image, Table
from bowerbird.listed import is_listed, listed, type_of, unlisted
from bowerbird.sky import TOUCH
from bowerbird.slab import Interval, Kind, Slab
from bowerbird.spectral import KINDS, C, wavelengths

# FITS 4.0, table 29: states of polarisation by the value of a STOKES axis.
STATE_OF: Final = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX"}
STATES: Final = frozenset(STATE_OF.values())
# FITS 4.0, table 30.
_TIME_SCALES: Final = frozenset({"TAI", "TT", "TDT", "ET", "IAT", "UT1", "UTC", "GMT", "TCG", "TCB", "TDB", "LOCAL"})
# Seconds after TAI of those scales that are no UTC; TCG and TCB as they were in the middle of the 2020s.
_FROM_TAI: Final = {"TAI": 0.0, "IAT": 0.0, **dict.fromkeys(("TT", "TDT", "ET", "TDB"), 32.184), "TCG": 33.25, "TCB": 55.9}
_MJD: Final = 2_400_000.5
# Names that are not the standard's, of cubes that give a wavelength and a unit all the same.
_NAMED_WAVELENGTH: Final = ("WAVELENGTH", "LAMBDA")
# A longer axis is a header that lies: no pixels could be read for it (2²⁴ values are 67 MB of one spectrum).
_LONGEST: Final = 1 << 24
# Of a header, and of the table that it names.
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, MemoryError)


class NoAxis(NotCuttable):
    """The image has no axis of the kind that is cut."""


def kinds(image: Image) -> frozenset[Kind]:
    """Return what the image has axes of, beside the sky."""
    return frozenset(_axes(image))


def cuts(image: Image, slab: Slab) -> Mapping[int, slice]:
    """Return the pixels of a slab by axis (from 0, NAXIS1 first): all that it touches. OutsideImage where there are none.

    Pixels are taken from the first to the last: states that do not lie side by side come with those between them.
    """
    if slab.filter and slab.filter != image.filter:
        own = f"the filter {image.filter!r}" if image.filter else "no filter that its header names"
        raise OutsideImage(f"the image is of {own}, not {slab.filter!r}")
    wanted = slab.kinds
    if not wanted:
        return {}
    axes = _axes(image)
    for kind in sorted(wanted - axes.keys()):
        raise NoAxis(f"the image has no axis of {kind}, so none can be cut from it")
    return {axes[kind]: _pixels(_touched(image, kind, axes[kind], slab), kind) for kind in wanted}


@lru_cache(maxsize=64)
def _axes(image: Image) -> Mapping[Kind, int]:
    """Return the first axis of each kind that has one; those of no coordinates have none."""
    return axes_of(image.cards, len(image.shape), image.sky.axes)


def axes_of(cards: Cards, count: int, sky: Collection[int]) -> dict[Kind, int]:
    """Return, of the header of an image of so many axes, the first of each kind (from 0) beside those of the sky."""
    found: dict[Kind, int] = {}
    for axis in range(count):
        if axis not in sky:
            kind = _kind(cards, axis + 1)
            if kind is not None:
                found.setdefault(kind, axis)
    return found


def _kind(cards: Cards, number: int) -> Kind | None:
    name = (cards.text(f"CTYPE{number}") or "").strip().upper()
    first = name.partition("-")[0]
    if first in KINDS or first == "FELO" or _is_named(name):
        return Kind.BAND
    if first == "TIME" or first.partition("(")[0] in _TIME_SCALES:
        return Kind.TIME
    return Kind.STATE if first == "STOKES" else None


def _is_named(name: str) -> bool:
    return name.startswith(_NAMED_WAVELENGTH)


def _touched(image: Image, kind: Kind, axis: int, slab: Slab) -> Any:
    """Return for each pixel of an axis whether the slab has some of it."""
    if kind is Kind.STATE:
        values = np.rint(_edges(image, axis)[:-1] + np.diff(_edges(image, axis)) / 2)
        return np.array([STATE_OF.get(int(value)) in slab.states if np.isfinite(value) else False for value in values])
    interval = slab.band if kind is Kind.BAND else slab.time
    assert interval is not None  # noqa: S101  for the reader of types: kinds of a slab are those that it has
    return _overlapping(_edges(image, axis), interval)


def _overlapping(edges: Any, interval: Interval) -> Any:
    low, high = np.fmin(edges[:-1], edges[1:]), np.fmax(edges[:-1], edges[1:])
    first, last = interval
    with np.errstate(invalid="ignore"):
        # A value alone is touched by the pixel around it.
        touch = TOUCH * (high - low) if last > first else 0.0
        return (high - touch >= first) & (low + touch <= last) & np.isfinite(edges[:-1] + edges[1:])


def _pixels(touched: Any, kind: Kind) -> slice:
    found = np.flatnonzero(touched)
    if not found.size:
        raise OutsideImage(f"the image has nothing of that {kind}")
    return slice(int(found[0]), int(found[-1]) + 1)


@lru_cache(maxsize=64)
def _edges(image: Image, axis: int) -> Any:
    return edges(image.cards, image.shape, axis, _file_of(image.tables))


def _file_of(tables: Sequence[Table]) -> fits.HDUList:
    """Return the tables that the coordinates of an image point to as astropy looks for them: in a file."""
    read = (fits.BinTableHDU.fromstring(table.cards.block() + table.content) for table in tables if not table.shifts)
    return fits.HDUList([fits.PrimaryHDU(), *read])


def edges(cards: Cards, lengths: Sequence[int], axis: int, file: fits.HDUList) -> Any:
    """Return where the pixels of an axis begin, and where the last ends: metres of vacuum, MJD, or what the header counts.

    `file` holds the tables in which the values of some axes stand (-TAB).
    """
    if lengths[axis] > _LONGEST:
        raise NotCuttable(f"axis {axis + 1} of the image has {lengths[axis]} pixels by its header, more than can be right")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            whole = Wcsprm(header=unlisted(cards).block(), relax=True)
            whole.fix()
            part = whole.sub([axis + 1])
            part.set()
            values = _counted(part, np.arange(0.5, lengths[axis] + 1))
            if is_listed(cards, axis + 1):
                part = _typed(part, cards, axis + 1)
                values = _counted(part, listed(cards, axis + 1, file, values))
        except _UNREADABLE as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise NotCuttable(f"the coordinates of axis {axis + 1} cannot be told from those of the others: {told}") from error
    kind = _kind(cards, axis + 1)
    if kind is Kind.BAND:
        return _in_metres(part, values)
    return _in_days(whole, part, values) if kind is Kind.TIME else values


def _counted(part: Wcsprm, places: Any) -> Any:
    return part.p2s(places[:, None], 1)["world"][:, 0]


def _typed(untyped: Wcsprm, cards: Cards, number: int) -> Wcsprm:
    """Return an axis of the type and the unit of a listed one, which counts as its table does."""
    made = Wcsprm(naxis=1)
    made.ctype, made.cunit = [type_of(cards, number)], [cards.text(f"CUNIT{number}") or ""]
    made.restfrq, made.restwav = untyped.restfrq, untyped.restwav
    made.set()
    return made


def _in_metres(part: Wcsprm, values: Any) -> Any:
    name = part.ctype[0].strip().upper()
    if _is_named(name):
        return wavelengths("WAVE", values * _factor(part.cunit[0], "m"), 0.0)
    rest = C / part.restfrq if part.restfrq > 0 else part.restwav
    return wavelengths(name.partition("-")[0], values, rest)


def _in_days(whole: Wcsprm, part: Wcsprm, values: Any) -> Any:
    """Return times as MJD, UTC; what neither CTYPE nor TIMESYS names a scale for is UTC (FITS 4.0, section 9.2.1)."""
    begin = np.nansum(whole.mjdref)
    unit = part.cunit[0] if str(part.cunit[0]) else Unit(whole.timeunit or "s")
    days = begin + values * _factor(unit, "d")
    name = part.ctype[0].strip().upper().partition("-")[0].partition("(")[0]
    scale = name if name in _TIME_SCALES else whole.timesys.strip().upper().partition("(")[0] or "UTC"
    # A second is as near as it needs to be: UT1 and times of no named scale are taken as UTC.
    return _utc(days, scale) if scale in _FROM_TAI and np.isfinite(days).all() else days


def _utc(days: Any, scale: str) -> Any:
    # Not astropy.time: it looks for a newer list of leap seconds in the net.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        whole, part = erfa.taiutc(_MJD, days - _FROM_TAI[scale] / 86400)
    return whole - _MJD + part


def _factor(unit: Any, into: str) -> float:
    try:
        return float(Unit(unit).to(into))
    except (UnitsError, ValueError, TypeError):
        raise NotCuttable(f"an axis counts in {str(unit) or 'no unit'}, which is not understood; nothing can be cut along it") from None
