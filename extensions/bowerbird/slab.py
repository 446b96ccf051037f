"""The part of a cutout beside the sky: a band, a time, states of polarisation, a filter; and a band as people write it."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from astropy.units import Quantity

    End: TypeAlias = Quantity | str | float | None
    Band: TypeAlias = Quantity | str | tuple[End, End]

Interval: TypeAlias = tuple[float, float]

_PAIR: Final = 2


class Kind(StrEnum):
    """What an axis counts."""

    BAND = "wavelength"
    TIME = "time"
    STATE = "polarisation"


@dataclass(frozen=True, slots=True)
class Slab:
    """What is wanted along those axes; None, and no states, is all of one.

    `band` in metres of vacuum, `time` in MJD, UTC; ends may be infinite. `states` as FITS names them (I, Q, U, V, RR, …).
    `filter` cuts no axis: an image of another one has nothing of the slab.
    """

    band: Interval | None = None
    time: Interval | None = None
    states: frozenset[str] = frozenset()
    filter: str = ""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of axes that it cuts."""
        asked = ((Kind.BAND, self.band), (Kind.TIME, self.time), (Kind.STATE, self.states))
        return frozenset(kind for kind, wanted in asked if wanted)


WHOLE: Final = Slab()


def slab(band: Any) -> Slab:
    """Read a band; ValueError says what is wrong with it."""
    if band is None:
        return WHOLE
    if isinstance(band, str) and band.strip() and not _is_measured(band):
        return Slab(filter=band.strip())
    if not _is_pair(band):
        raise BadArgument(f"a band is a pair, like (480, 520) * u.nm or ('480 nm', '520 nm'), or a filter, like 'r', not {band!r}")
    low, high = (_metres(end, open_end) for end, open_end in zip(band, (0.0, math.inf), strict=True))
    return Slab(band=(min(low, high), max(low, high)))


def _is_measured(band: str) -> bool:
    """Tell whether a text is one wavelength, and no filter's name."""
    from astropy.units import Quantity  # noqa: PLC0415  # `import bowerbird` stays light

    try:
        Quantity(band)
    except (ValueError, TypeError):
        return False
    return True


def _is_pair(band: Any) -> bool:
    try:
        return not isinstance(band, str) and len(band) == _PAIR
    except TypeError:  # of a Quantity that is a number alone
        return False


def _metres(end: Any, open_end: float) -> float:
    from astropy.units import Quantity, UnitsError, spectral  # noqa: PLC0415  # `import bowerbird` stays light

    if end is None:
        return open_end
    try:
        given = Quantity(end)
        length = float(given.value if not str(given.unit) else given.to_value("m", spectral()))
    except (UnitsError, ValueError, TypeError):
        raise BadArgument(f"{end!r} is no wavelength; write it like 500 * u.nm, '500 nm' or '1.42 GHz'") from None
    if math.isnan(length) or length < 0:
        raise BadArgument(f"{end!r} is no wavelength: it must be a number from zero upwards")
    return length
