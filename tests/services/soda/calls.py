"""What tests of SODA ask, and what they look for in an answer."""

import io
import warnings
from typing import Any

import httpx
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from bowerbird_services.store.dids import DID

M13 = str(DID("demo", "dr1", "m13.fits"))
CUBE = str(DID("demo", "dr1", "cube.fits"))
AIR = str(DID("demo", "dr1", "air.fits"))
LAYERS = str(DID("demo", "dr1", "layers.fits"))
RADIO = str(DID("demo", "dr1", "radio.fits"))
MOVIE = str(DID("demo", "dr1", "movie.fits"))
SPACED = str(DID("demo", "dr1", "images/a b+c.fits"))
SECRET = str(DID("demo", "dr2", "secret.fits"))
NEXT = str(DID("demo", "dr3", "next.fits"))
CIRCLE = "250.4 36.46 0.048"
STRANGER = {"Authorization": "Bearer token-of-stranger"}


def cut(client: httpx.Client, did: str = M13, *pairs: tuple[str, str], **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return client.get("/soda/sync", params=[("ID", did), *pairs, *more.items()], headers=headers)


def hdus(answer: httpx.Response) -> fits.HDUList:
    assert answer.status_code == 200, answer.text
    return fits.open(io.BytesIO(answer.content), memmap=False)


def sky_of(header: fits.Header) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def refused(answer: httpx.Response, status: int, word: str, *says: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(f"{word}: ")
    for words in says:
        assert words in answer.text
