"""SODA 1.0: a piece of an image, cut where the image is."""

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


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle on the sky (ICRS), in degrees."""

    ra: float
    dec: float
    radius: float

    def __str__(self) -> str:
        return f"{self.ra!r} {self.dec!r} {self.radius!r}"


async def cut(
    http: HTTP, cutter: Descriptor, circle: Circle, file: Path, *, band: tuple[float, float] | None = None, seconds: float
) -> None:
    """Write a FITS file of all pixels that a circle touches, and a band (metres) if the service takes one; OutsideImage: there are none."""
    along = {"BAND": interval(*band)} if band and "BAND" in cutter.takes else {}
    url = address(cutter.url, {**cutter.given, "CIRCLE": str(circle), **along})
    asked = Asked("GET", url)
    async with within(seconds, cutter.url, way_out="or ask for a smaller piece"), http.stream(asked) as response:
        if response.status_code == HTTPStatus.NO_CONTENT:
            raise OutsideImage(f"the region{' or the band' if along else ''} is outside the image")
        good = response.status_code == HTTPStatus.OK
        with file.open("wb") as content:
            await http.spool(response, content, _MOST_BYTES if good else _SAID_BYTES, "")
    with file.open("rb") as content:
        if not good:
            raise _refused(http, asked, cutter, response.status_code, content.read())
        if content.read(len(_FITS)) != _FITS:
            raise NotATable(cutter.url, "answered with what is no FITS file", "tell its administrator")


def _refused(http: HTTP, asked: Asked, cutter: Descriptor, status: int, body: bytes) -> ServiceError:
    said, named = words(body), Asked(asked.method, cutter.url)
    if said and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return QueryRefused(cutter.url, said, "cut another piece")
    return refuse(named, status, said, http.tokens.token(asked.url) is not None)
