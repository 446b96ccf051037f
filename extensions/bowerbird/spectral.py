"""Wavelengths in vacuum, in metres, from what spectral axes count in: the types of FITS paper III, and air."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bowerbird.errors import NotCuttable

C: Final = 299_792_458.0
H: Final = 6.62607015e-34
# Below this (metres) wavelengths are those of vacuum, by the convention of catalogues and spectrographs.
_LEAST_IN_AIR: Final = 2e-7
# Each round is a thousand times nearer.
_ROUNDS: Final = 4


def refraction(vacuum: Any) -> Any:
    """Return the refractive index of standard air (15 °C, 101,325 Pa, 450 ppm CO2), after Ciddor 1996, equation 1."""
    squares = (1e-6 / np.asarray(vacuum, dtype="f8")) ** 2
    return 1 + 1e-8 * (5_792_105 / (238.0185 - squares) + 167_917 / (57.362 - squares))


def to_vacuum(air: Any) -> Any:
    """Return wavelengths in vacuum of those in air.

    FITS paper III prints the index of air at 0 °C; lines are listed, and spectra calibrated, for air at 15 °C.
    """
    given = np.asarray(air, dtype="f8")
    with np.errstate(invalid="ignore"):
        refracted = given >= _LEAST_IN_AIR
    found = np.where(refracted, given, 1.0)
    for _ in range(_ROUNDS):
        found = np.where(refracted, given, 1.0) * refraction(found)
    return np.where(refracted, found, given)


def _relativistic(speeds: Any, rest: float) -> Any:
    return rest * np.sqrt((1 + speeds / C) / (1 - speeds / C))


# Of the first four letters of CTYPE: from values in the units of SI, and the wavelength at rest.
_WAVELENGTHS: Final[dict[str, Callable[[Any, float], Any]]] = {
    "WAVE": lambda values, _: values,
    "AWAV": lambda values, _: to_vacuum(values),
    "FREQ": lambda values, _: C / values,
    "ENER": lambda values, _: H * C / values,
    "WAVN": lambda values, _: 1 / values,
    "VOPT": lambda values, rest: rest * (1 + values / C),
    "ZOPT": lambda values, rest: rest * (1 + values),
    "VRAD": lambda values, rest: rest / (1 - values / C),
    "VELO": _relativistic,
    "BETA": lambda values, rest: _relativistic(values * C, rest),
}
_AT_REST: Final = frozenset({"VOPT", "ZOPT", "VRAD", "VELO", "BETA"})
KINDS: Final = frozenset(_WAVELENGTHS)


def wavelengths(kind: str, values: Any, rest: float) -> Any:
    """Return the wavelengths of values of that type; NaN where a value has none. `rest` is 0 where the header says none."""
    if kind in _AT_REST and not rest > 0:
        raise NotCuttable(f"the image counts its spectrum in {kind} and says no rest frequency (RESTFRQ), so no wavelength is known")
    with np.errstate(all="ignore"):
        found = np.asarray(_WAVELENGTHS[kind](np.asarray(values, dtype="f8"), rest))
        return np.where(found >= 0, found, np.nan)
