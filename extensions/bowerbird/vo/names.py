"""A position as people write it: a SkyCoord, two numbers, a text, or the name of an object of the NGC, found offline."""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.errors import BadArgument
from bowerbird.manifest import data_root

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

_CATALOGUE = "releases/ngc/dr1/ngc_dr1.fits"
_NUMBERED = re.compile(r"(?:(NGC|N|IC|I|MESSIER|M)0*)(\d+)([A-Z]?)")


def position(given: Any) -> "SkyCoord":
    """Return one position on the sky in ICRS; ValueError says how positions are written."""
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  # slow to import

    from bowerbird.stencil import stencil  # noqa: PLC0415  # as above

    if isinstance(given, str) and any(letter.isalpha() for letter in given):
        found = named(given)
        if found is not None:
            return SkyCoord(*found, unit="deg")
    try:
        place = stencil(given, "1 arcsec")
    except ValueError:
        if isinstance(given, str) and any(letter.isalpha() for letter in given):
            where = "names are looked up in the release ngc/dr1 of your /data, which has NGC, IC and Messier objects"
            raise BadArgument(f"{given!r} is neither a position ('10h00m00s +02d12m00s', '150.0 2.2') nor a known name; {where}") from None
        raise
    if place.coordinates is not None:
        return place.coordinates.icrs
    return SkyCoord(place.longitude, place.latitude, unit="deg")


def named(name: str) -> tuple[float, float] | None:
    """Return right ascension and declination (degrees) of an object by any of its names; None where none is known."""
    place = data_root() / _CATALOGUE
    try:
        places = _names(place, place.stat().st_mtime_ns)
    except (OSError, KeyError, ValueError):
        return None
    return places.get(_key(name))


@lru_cache(maxsize=2)
def _names(place: Path, _written: int) -> dict[str, tuple[float, float]]:
    from astropy.io import fits  # noqa: PLC0415  # slow to import

    with fits.open(place) as hdus:
        objects, columns = hdus["NGC"].data, {name.lower() for name in hdus["NGC"].columns.names}
        own = [str(name).strip() for name in objects["name"]]
        found = dict(zip(own, zip(objects["ra"].tolist(), objects["dec"].tolist(), strict=True), strict=True))
        places: dict[str, tuple[float, float]] = {}
        if "ALIASES" in hdus:
            aliases = hdus["ALIASES"].data
            places |= {_key(alias): found[name] for name, alias in _pairs(aliases["name"], aliases["alias"]) if name in found}
        if "common_names" in columns:
            known = _pairs(own, objects["common_names"])
            places |= {_key(one): found[name] for name, names in known for one in names.split(",") if one.strip()}
        if "messier" in columns:
            places |= {f"M{number}": found[name] for name, number in zip(own, objects["messier"].tolist(), strict=True) if number > 0}
    return places | {_key(name): where for name, where in found.items()}


def _pairs(first: Any, second: Any) -> list[tuple[str, str]]:
    return [(str(one).strip(), str(other).strip()) for one, other in zip(first, second, strict=True)]


def _key(name: str) -> str:
    """Return a name without blanks and leading zeros, so that NGC 224, ngc224 and NGC0224 are one."""
    plain = re.sub(r"[\s_]+", "", name).upper()
    numbered = _NUMBERED.fullmatch(plain)
    if numbered is None:
        return plain
    kind = {"N": "NGC", "I": "IC", "MESSIER": "M"}.get(numbered[1], numbered[1])
    return f"{kind}{numbered[2]}{numbered[3]}"
