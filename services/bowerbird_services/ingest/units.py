"""Units as they were written, in the words of VOUnits 1.1."""

import warnings
from functools import lru_cache

from astropy import units

_FORMATS = ("vounit", "fits", "cds", "ogip", None)


@lru_cache(maxsize=1024)
def vounit(raw: str | None) -> str | None:
    """Return the VOUnit that a text means; None where it means none that VOUnits knows."""
    if raw is None or not raw.strip():
        return None
    for known in _FORMATS:
        try:
            with warnings.catch_warnings(action="ignore"):
                unit = units.Unit(raw.strip(), format=known, parse_strict="raise")
                return _written(unit)
        except (ValueError, TypeError):
            continue
    return None


def _written(unit: units.UnitBase) -> str | None:
    text = str(unit.to_string("vounit"))
    # What another format knows may have no name in VOUnits, and would come back as another unit or none.
    return text if text and units.Unit(text, format="vounit", parse_strict="raise") == unit else None
