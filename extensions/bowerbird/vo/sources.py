"""Where the rows of a table are on the sky, at which epoch, and how they move."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time

from bowerbird.errors import BadArgument

_NAMES = (("ra", "dec"), ("raj2000", "dej2000"), ("ra_icrs", "de_icrs"), ("ra_deg", "dec_deg"), ("s_ra", "s_dec"))
_MOTIONS = (("pmra", "pmdec"), ("pm_ra", "pm_dec"), ("pmra", "pmde"), ("pm_ra_cosdec", "pm_dec"))
_MAIN = ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main")
_OLD_MAIN = ("pos_eq_ra_main", "pos_eq_dec_main")  # of SCS 1.03
_MOTION_UCDS = ("pos.pm;pos.eq.ra", "pos.pm;pos.eq.dec")
_MOTION = u.mas / u.yr

# At rest along the line of sight, the way over the sky is the same at any distance; ERFA changes, and warns of, great ones: 1 pc.


@dataclass(frozen=True, slots=True)
class Sources:
    """Positions (ICRS), the Julian year at which they hold, and proper motions (mas/yr, in right ascension times cos(dec))."""

    at: SkyCoord
    epoch: float | None = None
    motion: tuple[Any, Any] | None = None

    def __len__(self) -> int:
        return len(self.at)

    def moved(self, epoch: float) -> SkyCoord:
        """Return where they are in another year; what has no proper motion stays."""
        if self.motion is None or self.epoch is None or epoch == self.epoch or not len(self):
            return self.at
        ra, dec = (np.nan_to_num(np.asarray(one, dtype="f8")) for one in self.motion)
        start = SkyCoord(
            self.at.ra,
            self.at.dec,
            distance=Distance(np.ones(len(self)), u.pc),
            pm_ra_cosdec=ra * _MOTION,
            pm_dec=dec * _MOTION,
            obstime=Time(self.epoch, format="jyear", scale="tcb"),
        )
        there = start.apply_space_motion(new_obstime=Time(epoch, format="jyear", scale="tcb"))
        return SkyCoord(there.ra, there.dec)

    @property
    def fastest(self) -> float:
        """The largest motion in arcsec a year."""
        if self.motion is None or not len(self):
            return 0.0
        ra, dec = (np.nan_to_num(np.asarray(one, dtype="f8")) for one in self.motion)
        return float(np.hypot(ra, dec).max()) / 1000


def sources(table: Any, epoch: float | None = None) -> Sources:
    """Return the sources of an astropy table, or of a SkyCoord; ValueError says which columns are missing."""
    if isinstance(table, SkyCoord):
        return _of_coordinates(table, epoch)
    whole = _coordinates(table)
    if whole is not None:
        return _of_coordinates(whole, epoch)
    pair = _position(table)
    at = SkyCoord(*(_degrees(table, name) for name in pair), unit="deg")
    motions = motion_columns(table)
    motion = tuple(numbers(table[name], _MOTION) for name in motions) if motions else None
    return Sources(at, epoch if epoch is not None else _epoch(table), motion)


def places(table: Any) -> tuple[Any, Any]:
    """Return the positions of an astropy table, or of a SkyCoord, as degrees (ICRS), as they stand: some may be none."""
    whole = table if isinstance(table, SkyCoord) else _coordinates(table)
    if whole is not None:
        at = whole.icrs.ravel()
        return numbers(at.ra, u.deg), numbers(at.dec, u.deg)
    longitudes, latitudes = (_degrees(table, name) for name in _position(table))
    return longitudes, latitudes


def _degrees(table: Any, name: str) -> Any:
    try:
        return numbers(table[name], u.deg)
    except (ValueError, TypeError):
        way_out = "give degrees, or the table a column like SkyCoord(ra, dec, unit=('hourangle', 'deg'))"
        raise BadArgument(f"the column {name!r} holds no numbers but values like {str(table[name][0])!r}; {way_out}") from None


def _coordinates(table: Any) -> SkyCoord | None:
    return next((table[name] for name in table.colnames if isinstance(table[name], SkyCoord)), None)


def _position(table: Any) -> tuple[str, str]:
    pair = _columns(table, _OLD_MAIN, ()) or _columns(table, _MAIN, _NAMES)
    if pair is None:
        raise BadArgument(f"the table has no position: name its columns 'ra' and 'dec'; it has {', '.join(table.colnames)}")
    return pair


def motion_columns(table: Any) -> tuple[str, str] | None:
    """Return the columns with the proper motion, in right ascension times cos(dec) and in declination."""
    return _columns(table, _MOTION_UCDS, _MOTIONS)


def _of_coordinates(at: SkyCoord, epoch: float | None) -> Sources:
    told = getattr(at, "obstime", None)
    if epoch is None and told is not None and told.isscalar:
        epoch = float(told.jyear)
    moving = at.icrs
    motion = None
    if "s" in moving.data.differentials:
        motion = (moving.pm_ra_cosdec.to_value(_MOTION), moving.pm_dec.to_value(_MOTION))
    return Sources(SkyCoord(moving.ra, moving.dec).ravel(), epoch, motion)


def _columns(table: Any, ucds: tuple[str, str], names: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    by_ucd = {str((table[name].info.meta or {}).get("ucd", "")).lower(): name for name in reversed(table.colnames)}
    if all(ucd in by_ucd for ucd in ucds):
        return by_ucd[ucds[0]], by_ucd[ucds[1]]
    lower = {name.lower(): name for name in reversed(table.colnames)}
    return next(((lower[one], lower[other]) for one, other in names if one in lower and other in lower), None)


def numbers(column: Any, unit: Any) -> Any:
    """Return a column in a unit; what has none is taken to be in it, and what is masked is no number."""
    values = column.to_value(unit) if hasattr(column, "to_value") and column.unit else getattr(column, "value", column)
    if not hasattr(column, "to_value") and getattr(column, "unit", None):
        values = (np.ma.getdata(column.data) * column.unit).to_value(unit)
    mask = getattr(column, "mask", None)
    plain = np.array(getattr(values, "unmasked", np.ma.getdata(values)), dtype="f8")
    if mask is not None:
        plain[np.broadcast_to(np.asarray(mask), plain.shape)] = np.nan
    return plain


def _epoch(table: Any) -> float | None:
    """Return the epoch that a VOTable's one COOSYS said."""
    said = {str(one.epoch) for one in table.meta.get("coosys", ()) if getattr(one, "epoch", None)}
    try:
        return float(Time(said.pop()).jyear) if len(said) == 1 else None
    except ValueError:
        return None
