"""SODA 1.0: the parameters of a cutout, and the words in which a refusal begins."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bowerbird.areas import Area, Circle, Polygon, Range
from bowerbird.axes import STATES
from bowerbird.errors import BadArgument
from bowerbird.image import EVERY
from bowerbird.slab import Slab
from starlette.responses import PlainTextResponse, Response

from bowerbird_services import sky_regions
from bowerbird_services.vo.dali import Fault, Parameters, shown
from bowerbird_services.vo.values import circle, interval, polygon, position

STANDARD: Final = "ivo://ivoa.net/std/SODA#sync-1.0"
FITS, TAR = "application/fits", "application/x-tar"
# Our own parameters: how several regions come (FORM=tar), and which HDU is cut, as `bowerbird.cutout` has it.
FORM, HDU = "FORM", "HDU"
FORMS: Final = {"fits": FITS, "tar": TAR}
# Those of the sky, any of which may be the one region.
_SKY: Final = {"POS": position, "CIRCLE": circle, "POLYGON": polygon}
_PARAMETERS: Final = ("ID", *_SKY, "BAND", "TIME", "POL", HDU, FORM)
MOST_REGIONS: Final = 1000
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
    """What is to be cut of which product; no regions is all of the image. `form` is the media type of the answer."""

    did: str
    regions: tuple[Area, ...]
    slab: Slab
    hdu: int | str | None
    form: str

    @property
    def areas(self) -> tuple[Area | None, ...]:
        """What each piece covers."""
        return self.regions or (None,)

    @property
    def is_light(self) -> bool:
        """Whether to plan it takes next to no time: one circle in one image."""
        return len(self.regions) == 1 and isinstance(self.regions[0], Circle) and self.hdu != EVERY and self.form == FITS


def asked(given: Parameters) -> Asked:
    """Return what a request asks for; Fault where a parameter or a value is none, SeveralValues where there are too many."""
    given.only(_PARAMETERS)
    did = _single(given, "ID")
    if did is None:
        raise Fault("ID is missing; it is the publisher DID of a product, as ObsCore and DataLink name it")
    form = _form(given)
    regions = _regions(given)
    if len(regions) > 1 and form != TAR:
        told = f"{len(regions)} regions were asked for in POS, CIRCLE and POLYGON together"
        raise SeveralValues(f"{told}; ask for one, or with {FORM}=tar for an archive of a cutout each")
    return Asked(did, regions, _slab(given), _hdu(given), form)


def _form(given: Parameters) -> str:
    """Return the media type of the answer; a RESPONSEFORMAT can only say the same (DALI 1.1, section 3.4.3)."""
    name = (_single(given, FORM) or "fits").lower()
    if name not in FORMS:
        raise Fault(f"{FORM} is {shown(name)}; it is {' or '.join(FORMS)}")
    wanted = _single(given, "RESPONSEFORMAT")
    if wanted is not None and wanted.lower() not in {name, FORMS[name]}:
        raise Fault(f"RESPONSEFORMAT is {shown(wanted)}; cutouts are {FITS}, and {TAR} with {FORM}=tar")
    return FORMS[name]


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


def _hdu(given: Parameters) -> int | str | None:
    text = _single(given, HDU)
    if text is not None and len(text) > 70:  # noqa: PLR2004  no string of a FITS card is longer
        raise Fault(f"{HDU} is {shown(text)}; it is the name of an HDU, its number, or {EVERY} for all images")
    return int(text) if text and text.isascii() and text.isdigit() else text


def refusal(fault: Fault) -> Response:
    """Return the answer that a refused request gets: a text, as section 5.2 wants it."""
    word = _MULTIPLE if isinstance(fault, SeveralValues) else _WORDS.get(HTTPStatus(fault.status), "UsageError")
    return PlainTextResponse(f"{word}: {fault}\n", fault.status, headers=fault.headers)
