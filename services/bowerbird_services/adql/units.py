"""IN_UNIT: factors between VOUnits."""

from functools import lru_cache

from astropy import units


@lru_cache(maxsize=1024)
def factor(given: str | None, target: str) -> tuple[float, str]:
    """Return by what a number in one unit is multiplied, and the unit that it has then; ValueError with a sentence."""
    if not given:
        raise ValueError("IN_UNIT needs a value whose unit is known")
    try:
        start, end = units.Unit(given, format="vounit"), units.Unit(target, format="vounit")
    except ValueError as error:
        raise ValueError(f"{given!r} or {target!r} is no unit of VOUnits") from error
    try:
        return float(start.to(end)), target
    except (units.UnitConversionError, AttributeError) as error:
        raise ValueError(f"{given!r} cannot be converted to {target!r}") from error
