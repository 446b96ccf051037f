"""What a product file says of itself: images, cubes and spectra in FITS files, by their headers."""

import math
import os
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import Angle
from astropy.io import fits
from astropy.wcs import WCS
from bowerbird.axes import STATE_OF, axes_of, edges
from bowerbird.errors import NotCuttable
from bowerbird.fits_cards import Cards
from bowerbird.listed import unlisted_header
from bowerbird.slab import Kind
from bowerbird.spectral import to_vacuum

from bowerbird_services.regular_files import names, opened, path_of
from bowerbird_services.store.products import FITS, Product

_PLANE, _HYPERCUBE = 2, 4
# A spectrum in a table names its axis so.
_WAVELENGTHS = ("wave", "wavelength", "lambda", "loglam")
# Where a wavelength axis names no unit: all that a spectrograph on the ground reaches in Angstrom.
_ANGSTROMS = (1000.0, 60_000.0)
# MJD of the first and last year that an observation may be of.
_MJD = (0.0, 100_000.0)
_MJD_ZERO = datetime(1858, 11, 17)
_SECONDS_PER_DAY = 86_400.0
_ARCSECONDS = 3600.0
# Exposure in seconds; FITS 4.0 has XPOSURE.
_EXPOSED = ("EXPTIME", "XPOSURE", "EXPOSURE")
# By FITS 4.0 (9.3) these are counted in the unit that TIMEUNIT of the same header names, in seconds where it names none.
_IN_TIMEUNIT = frozenset({"XPOSURE", "TIMEDEL"})
_YEAR = 365.25 * _SECONDS_PER_DAY
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": _SECONDS_PER_DAY, "a": _YEAR, "yr": _YEAR, "cy": 100 * _YEAR}
# Sharpness in arcseconds, as ESO's data standard and most pipelines write it; a radio beam's is in degrees.
_SHARP = ("PSF_FWHM", "SKY_RES", "SEEING")
_BEAM = ("BMAJ",)
# Resolving power: of the IVOA's spectra, and of ESO's data standard.
_RESOLVING = ("SPEC_RP", "SPEC_RES")


def products(directory: Path, without: set[str]) -> Iterator[Product]:
    """Yield what can be told of each FITS file of a release, but of those in `without`; a file that tells nothing is left out.

    So is a symbolic link, and what lies behind one: it may lead to what others may not read.
    """
    for name in names(directory):
        if name in without or not name.lower().endswith(FITS):
            continue
        found = _product(directory, name)
        if found is not None:
            yield found


def _product(directory: Path, name: str) -> Product | None:
    try:
        with warnings.catch_warnings(action="ignore"), opened(directory, name) as descriptor, fits.open(path_of(descriptor)) as file:
            told, own = next(((told, hdu.header) for hdu in file if (told := _told(hdu, file))), (None, None))
            if told is None:
                return None
            told = _origin(file[0].header, own) | told
            return Product(file=name, access_format="application/fits", size_bytes=os.fstat(descriptor).st_size, **told)
    except Exception:  # astropy meets a damaged header in many ways: the file is there for who reads it, and has no row
        return None


def _told(hdu: Any, file: Any) -> dict[str, Any] | None:
    """Return what one part of a file is; None where it is no product."""
    if isinstance(hdu, fits.BinTableHDU) and not isinstance(hdu, fits.CompImageHDU):
        return _table_spectrum(hdu)
    shape = tuple(hdu.shape or ())
    if len(shape) == 1 and shape[0] > 1:
        return _spectrum(hdu.header, shape[0])
    if not _PLANE <= len(shape) <= _HYPERCUBE:
        return None
    # The distortions of some stand in tables of the file.
    wcs = WCS(unlisted_header(hdu.header), file)
    if not wcs.has_celestial or max(wcs.wcs.lng, wcs.wcs.lat) >= len(shape):
        return None
    lengths = shape[::-1]  # NAXIS1 first
    width, height = lengths[wcs.wcs.lng], lengths[wcs.wcs.lat]
    # An axis of one pixel makes no cube: radio images have one for the frequency and one for the polarisation.
    kind = {"dataproduct_type": "cube" if math.prod(lengths) > width * height else "image", "o_ucd": "phot.flux"}
    return kind | _field(wcs.celestial, width, height) | _along(hdu.header, lengths, wcs, file) | _polarised(wcs, lengths)


def _field(wcs: WCS, width: int, height: int) -> dict[str, Any]:
    """Return the place on the sky of a plane of so many pixels, in ICRS."""
    x, y = [-0.5, width - 0.5, width - 0.5, -0.5], [-0.5, -0.5, height - 0.5, height - 0.5]
    centre = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
    corners = wcs.pixel_to_world(np.array(x), np.array(y)).icrs
    numbers = [f"{number:.7f}" for corner in corners for number in (corner.ra.deg, corner.dec.deg)]
    return {
        "s_ra": float(centre.ra.deg),
        "s_dec": float(centre.dec.deg),
        "s_fov": float(2 * centre.separation(corners).deg.max()),
        "s_region": f"POLYGON ICRS {' '.join(numbers)}",
        "s_xel1": width,
        "s_xel2": height,
    }


def _along(header: Any, lengths: tuple[int, ...], wcs: WCS, file: Any) -> dict[str, Any]:
    """Return the wavelengths in vacuum and the times of a cube, by the pixels that a cutout along them would have."""
    cards = Cards.from_block(header.tostring().encode("ascii"))
    axes = axes_of(cards, len(lengths), {wcs.wcs.lng, wcs.wcs.lat})
    told: dict[str, Any] = {}
    if (band := axes.get(Kind.BAND)) is not None:
        ends = _ends(cards, lengths, band, file)
        told |= {"em_xel": lengths[band]} | ({"em_min": ends[0], "em_max": ends[1]} if ends else {})
    if (time := axes.get(Kind.TIME)) is not None:
        ends = _ends(cards, lengths, time, file)
        told |= {"t_xel": lengths[time]} | (_times(*ends, lengths[time]) if ends and _MJD[0] + 1 < ends[0] < _MJD[1] else {})
    return told


def _times(begin: float, end: float, samples: int) -> dict[str, Any]:
    return {"t_min": begin, "t_max": end, "t_resolution": (end - begin) * _SECONDS_PER_DAY / samples}


def _ends(cards: Cards, lengths: tuple[int, ...], axis: int, file: Any) -> tuple[float, float] | None:
    try:
        known = edges(cards, lengths, axis, file)
    except NotCuttable:  # velocities of a line that the header does not name, units that are none, tables that are not there
        return None
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else None


def _polarised(wcs: WCS, lengths: tuple[int, ...]) -> dict[str, Any]:
    """Return the states of polarisation in the words of ObsCore 1.1, section B.6.6; none where a pixel is of no state."""
    axis = next((number for number, kind in enumerate(wcs.wcs.ctype) if kind.strip() == "STOKES" and number < len(lengths)), None)
    if axis is None or lengths[axis] > len(STATE_OF):
        return {}
    first, step = wcs.wcs.crval[axis], wcs.wcs.get_cdelt()[axis]
    codes = [first + (pixel - wcs.wcs.crpix[axis]) * step for pixel in range(1, lengths[axis] + 1)]
    states = [STATE_OF.get(round(code)) for code in codes]
    named = [state for state in states if state]
    return {"pol_states": f"/{'/'.join(named)}/", "pol_xel": len(named)} if len(named) == len(states) else {}


def _spectrum(header: Any, length: int) -> dict[str, Any] | None:
    """Return what is told of a spectrum whose axis is linear in wavelength or in its logarithm."""
    step = header.get("CDELT1", header.get("CD1_1"))
    if "CRVAL1" not in header or step is None:
        return None
    first, reference = float(header["CRVAL1"]), float(header.get("CRPIX1", 1))
    ends = np.array([first + (pixel - reference) * float(step) for pixel in (1, length)])
    if header.get("DC-FLAG") == 1:
        ends = 10**ends
    metres = _metres(ends, header.get("CUNIT1"), in_air=str(header.get("CTYPE1", "")).startswith("AWAV"))
    if metres is None:
        return None
    return {"dataproduct_type": "spectrum", "o_ucd": "phot.flux.density;em.wl", "em_xel": length} | metres | _pointing(header)


def _table_spectrum(hdu: Any) -> dict[str, Any] | None:
    names = {name.lower(): name for name in hdu.columns.names}
    axis = next((names[name] for name in _WAVELENGTHS if name in names), None)
    if axis is None:
        return None
    values = np.asarray(hdu.data[axis], dtype=float)
    values = values[np.isfinite(values)]
    metres = _metres(10**values if axis.lower() == "loglam" else values, hdu.columns[axis].unit) if values.size else None
    if metres is None:
        return None
    return {"dataproduct_type": "spectrum", "o_ucd": "phot.flux.density;em.wl", "em_xel": values.size} | metres | _pointing(hdu.header)


def _metres(values: Any, unit: str | None, *, in_air: bool = False) -> dict[str, float] | None:
    low, high = float(values.min()), float(values.max())
    if not unit and not (_ANGSTROMS[0] <= low < high <= _ANGSTROMS[1]):
        return None
    try:
        ends = (units.Quantity([low, high], unit or "Angstrom")).to_value(units.m, units.spectral())
    except (ValueError, TypeError):
        return None
    ends = to_vacuum(ends) if in_air else ends
    return {"em_min": float(ends.min()), "em_max": float(ends.max())}


def _pointing(header: Any) -> dict[str, float]:
    """Return where a spectrum points, from RA and DEC in degrees or sexagesimal; RA then is in hours."""
    ra, dec = header.get("RA"), header.get("DEC")
    try:
        place = (
            Angle(ra, units.hourangle if isinstance(ra, str) and ":" in ra else units.deg).deg,
            Angle(dec, units.deg).deg,
        )
    except (ValueError, TypeError, units.UnitsError):
        return {}
    return {"s_ra": float(place[0]), "s_dec": float(place[1])} if any(place) else {}


def _origin(primary: Any, own: Any) -> dict[str, Any]:
    """Return what, when and with what was observed, as the primary header says it, and how finely, as the product's own may too."""
    texts = {"target_name": "OBJECT", "facility_name": "TELESCOP", "instrument_name": "INSTRUME"}
    told: dict[str, Any] = {name: str(primary[key]).strip() or None for name, key in texts.items() if key in primary}
    seconds = _measured((own, primary), _EXPOSED)
    begin, end = _begin(primary), _mjd(primary.get("MJD-END"))
    if begin is not None:
        # Nothing ends before it begins.
        known = end is not None and end >= begin
        told |= {"t_min": begin, "t_max": end if known else (begin + seconds / _SECONDS_PER_DAY if seconds else None)}
    # What is not sampled in time has the resolution of its exposure (ObsCore 1.1).
    told |= {"t_exptime": seconds, "t_resolution": _measured((own, primary), ("TIMEDEL",)) or seconds}
    beam = _measured((own, primary), _BEAM)
    sharp = _measured((own, primary), _SHARP) or (beam * _ARCSECONDS if beam else None)
    return told | {"s_resolution": sharp, "em_res_power": _measured((own, primary), _RESOLVING)}


def _measured(headers: tuple[Any, ...], keywords: tuple[str, ...]) -> float | None:
    """Return the first that is a number above 0, of the headers one after the other."""
    values = (_value(header, keyword) for header in headers for keyword in keywords)
    return next((value for value in values if value is not None and value > 0), None)


def _value(header: Any, keyword: str) -> float | None:
    """Return a number of a header, times in seconds; None where it is none, or counted in a unit that is none."""
    value = header.get(keyword)
    scale = _SECONDS.get(str(header.get("TIMEUNIT", "s")).strip()) if keyword in _IN_TIMEUNIT else 1.0
    if scale is None or not _is_number(value):
        return None
    scaled = float(value) * scale
    return scaled if math.isfinite(scaled) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mjd(value: Any) -> float | None:
    return float(value) if _is_number(value) and _MJD[0] < value < _MJD[1] else None


def _begin(header: Any) -> float | None:
    mjd = _mjd(header.get("MJD-OBS"))
    if mjd is not None:
        return mjd
    try:
        begin = datetime.fromisoformat(str(header["DATE-OBS"]))
        return (begin.replace(tzinfo=None) - _MJD_ZERO) / timedelta(days=1)
    except (KeyError, ValueError):
        return None
