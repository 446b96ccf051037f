"""SODA 1.0: a piece of an image, cut where the image is."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from bowerbird.errors import NotATable, OutsideImage, QueryRefused, ServiceError
from bowerbird.vo.datalink import Descriptor
from bowerbird.vo.deadline import within
from bowerbird.vo.http import HTTP, Asked, refuse
from bowerbird.vo.said import words
from bowerbird.vo.sia2 import address, interval

_MOST_BYTES = 1 << 32
_SAID_BYTES = 64 << 10
_FITS = b"SIMPLE  ="
# A parameter of Bowerbird's own service, as often as there are HDUs.
HDU = "HDU"


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle on the sky (ICRS), in degrees."""

    ra: float
    dec: float
    radius: float

    def __str__(self) -> str:
        return f"{self.ra!r} {self.dec!r} {self.radius!r}"


@dataclass(frozen=True, slots=True)
class Piece:
    """What is cut: a circle; of cubes a band (metres), and of a file with several images those HDUs, where a service takes such."""

    circle: Circle
    band: tuple[float, float] | None = None
    hdus: tuple[str, ...] = ()

    def asked_of(self, cutter: Descriptor) -> dict[str, str | Sequence[str]]:
        """Return the parameters of the protocol."""
        found: dict[str, str | Sequence[str]] = {**cutter.given, "CIRCLE": str(self.circle)}
        if self.band and "BAND" in cutter.takes:
            found["BAND"] = interval(*self.band)
        if self.hdus and HDU in cutter.takes:
            found[HDU] = self.hdus
        return found


async def cut(http: HTTP, cutter: Descriptor, piece: Piece, file: Path, *, known: str = "", seconds: float) -> str | None:
    """Write a FITS file of all pixels that a piece touches, and return its ETag ("" where it has none); OutsideImage: there are none.

    Where it has the ETag that is `known` still, nothing is sent, and None is returned.
    """
    parameters = piece.asked_of(cutter)
    asked = Asked("GET", address(cutter.url, parameters), known=known)
    async with within(seconds, cutter.url, way_out="or ask for a smaller piece"), http.stream(asked) as response:
        if response.status_code == HTTPStatus.NO_CONTENT:
            raise OutsideImage(f"the region{' or the band' if 'BAND' in parameters else ''} is outside the image")
        if known and response.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        good = response.status_code == HTTPStatus.OK
        with file.open("wb") as content:
            await http.spool(response, content, _MOST_BYTES if good else _SAID_BYTES, "")
    with file.open("rb") as content:
        if not good:
            raise _refused(http, asked, cutter, response.status_code, content.read())
        if content.read(len(_FITS)) != _FITS:
            raise NotATable(cutter.url, "answered with what is no FITS file", "tell its administrator")
    return str(response.headers.get("ETag", ""))


def _refused(http: HTTP, asked: Asked, cutter: Descriptor, status: int, body: bytes) -> ServiceError:
    said, named = words(body), Asked(asked.method, cutter.url)
    if said and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return QueryRefused(cutter.url, said, "cut another piece")
    return refuse(named, status, said, http.tokens.token(asked.url) is not None)
