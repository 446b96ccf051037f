"""SODA 1.0: the parameters of a cutout, and the words in which a refusal begins."""

import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from bowerbird.areas import Area, Circle, Polygon, Range
from bowerbird.axes import STATES
from bowerbird.errors import BadArgument
from bowerbird.image import EVERY, Choice, Choices
from bowerbird.slab import Slab
from starlette.responses import PlainTextResponse, Response

from bowerbird_services import sky_regions
from bowerbird_services.vo.dali import Fault, Parameters, shown
from bowerbird_services.vo.values import circle, interval, polygon, position

STANDARD: Final = "ivo://ivoa.net/std/SODA#sync-1.0"
FITS: Final = "application/fits"
# Our own parameters: how several regions come, and which HDUs are cut, as `bowerbird.cutout` has it.
FORM, HDU = "FORM", "HDU"


class Form(StrEnum):
    """How an answer comes: one cutout, or one of each region in an archive, or as extensions of one file."""

    FITS = "fits"
    TAR = "tar"
    MEF = "mef"

    @property
    def media_type(self) -> str:
        """What it is called in an answer."""
        return "application/x-tar" if self is Form.TAR else FITS


# Those of the sky, any of which may be the one region.
_SKY: Final = {"POS": position, "CIRCLE": circle, "POLYGON": polygon}
_PARAMETERS: Final = ("ID", *_SKY, "BAND", "TIME", "POL", HDU, FORM)
MOST_REGIONS: Final = 1000
_MOST_HDUS: Final = 100
# No string of a FITS card is longer.
_LONGEST_NAME: Final = 70
# The name of an HDU and its version (EXTVER).
_VERSIONED: Final = re.compile(r"(.+?)\s*,\s*([0-9]{1,9})")
# Section 5.2: what the text of an error begins with.
_MULTIPLE: Final = "MultiValuedParamNotSupported"
_WORDS: Final = {
    HTTPStatus.UNAUTHORIZED: "AuthenticationError",
    HTTPStatus.FORBIDDEN: "AuthorizationError",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Error",
}


class SeveralValues(Fault):
    """More than one value of a parameter that takes one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be cut of which product; no regions is all of the image."""

    did: str
    regions: tuple[Area, ...]
    slab: Slab
    hdus: tuple[Choice, ...]
    form: Form

    @property
    def hdu(self) -> Choices:
        """The HDUs that are cut, as the engine takes them."""
        return list(self.hdus) if len(self.hdus) > 1 else next(iter(self.hdus), None)

    @property
    def areas(self) -> tuple[Area | None, ...]:
        """What each piece covers."""
        return self.regions or (None,)

    @property
    def is_light(self) -> bool:
        """Whether to plan it takes next to no time: one circle in one image."""
        return len(self.regions) == 1 and isinstance(self.regions[0], Circle) and self._is_of_one and self.form is Form.FITS

    @property
    def _is_of_one(self) -> bool:
        return len(self.hdus) <= 1 and EVERY not in self.hdus


def asked(given: Parameters) -> Asked:
    """Return what a request asks for; Fault where a parameter or a value is none, SeveralValues where there are too many."""
    given.only(_PARAMETERS)
    did = _single(given, "ID")
    if did is None:
        raise Fault("ID is missing; it is the publisher DID of a product, as ObsCore and DataLink name it")
    form = _form(given)
    regions = _regions(given)
    if len(regions) > 1 and form is Form.FITS:
        told = f"{len(regions)} regions were asked for in POS, CIRCLE and POLYGON together"
        raise SeveralValues(f"{told}; ask for one, or for a cutout of each with {FORM}=tar (an archive) or {FORM}=mef (one file)")
    return Asked(did, regions, _slab(given), _hdus(given), form)


def _form(given: Parameters) -> Form:
    """Return how the answer comes; a RESPONSEFORMAT can only say the same (DALI 1.1, section 3.4.3)."""
    name = (_single(given, FORM) or Form.FITS).lower()
    if name not in set(Form):
        raise Fault(f"{FORM} is {shown(name)}; it is {' or '.join(Form)}")
    form, wanted = Form(name), _single(given, "RESPONSEFORMAT")
    if wanted is not None and wanted.lower() not in {form, form.media_type}:
        raise Fault(f"RESPONSEFORMAT is {shown(wanted)}; cutouts are {FITS}, and {Form.TAR.media_type} with {FORM}={Form.TAR}")
    return form


def _single(given: Parameters, name: str) -> str | None:
    values = given.filled(name)
    if len(values) > 1:
        raise SeveralValues(f"{name} was given {len(values)} times; give it once")
    return values[0] if values else None


def _regions(given: Parameters) -> tuple[Area, ...]:
    texts = {name: given.filled(name) for name in _SKY}
    count = sum(map(len, texts.values()))
    if count > MOST_REGIONS:
        words = f"{count} regions were asked for, and {MOST_REGIONS} are the most at once; ask in several requests"
        raise Fault(words, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return tuple(_area(name, _SKY[name](name, text)) for name, given_texts in texts.items() for text in given_texts)


def _area(name: str, region: sky_regions.Region) -> Area:
    match region:
        case sky_regions.Circle(ra, dec, radius):
            return Circle(ra, dec, radius)
        case sky_regions.Range(ra, dec):
            return Range(ra.low, ra.high, dec.low, dec.high)
        case sky_regions.Polygon(numbers):
            try:
                return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
            except BadArgument as error:
                raise Fault(f"{name}: {error}") from error


def _slab(given: Parameters) -> Slab:
    """Return what is asked for beside the sky. POL alone may have several values: they come in one cutout (section 3.3.6)."""
    band, time = (_single(given, name) for name in ("BAND", "TIME"))
    states = frozenset(text.upper() for text in given.filled("POL"))
    for state in sorted(states - STATES):
        raise Fault(f"POL is {shown(state)}; it is one of {', '.join(sorted(STATES))}")
    wavelengths, times = (interval(name, text) if text else None for name, text in (("BAND", band), ("TIME", time)))
    return Slab(
        (wavelengths.low, wavelengths.high) if wavelengths else None,
        (times.low, times.high) if times else None,
        states,
    )


def _hdus(given: Parameters) -> tuple[Choice, ...]:
    """Return the HDUs that are cut together, each once; several come in one cutout, as those of POL do."""
    found = tuple(dict.fromkeys(map(_hdu, given.filled(HDU))))
    if EVERY in found and len(found) > 1:
        raise Fault(f"{HDU} is {EVERY}, for all images, and {len(found) - 1} more; give {EVERY} alone, or those that you want")
    if len(found) > _MOST_HDUS:
        raise Fault(f"{HDU} names {len(found)} HDUs; the most are {_MOST_HDUS}, and {EVERY} is for all images")
    return found


def _hdu(text: str) -> Choice:
    if len(text) > _LONGEST_NAME:
        raise Fault(f"{HDU} is {shown(text)}; it is the name of an HDU, its number, or {EVERY} for all images")
    if text.isascii() and text.isdigit():
        return int(text)
    versioned = _VERSIONED.fullmatch(text)
    return (versioned[1], int(versioned[2])) if versioned else text


def refusal(fault: Fault) -> Response:
    """Return the answer that a refused request gets: a text, as section 5.2 wants it."""
    word = _MULTIPLE if isinstance(fault, SeveralValues) else _WORDS.get(HTTPStatus(fault.status), "UsageError")
    return PlainTextResponse(f"{word}: {fault}\n", fault.status, headers=fault.headers)
