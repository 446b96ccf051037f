"""What a map of the sky asks of the notebook's own server: Aladin Lite, an empty survey, and the surveys of the platform."""

import os
import re
from functools import cache
from http import HTTPStatus
from typing import Any

import numpy as np
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from bowerbird.lab import shipped
from bowerbird.png import png
from bowerbird.vo.addresses import beside
from bowerbird.vo.said import words
from bowerbird.vo.tokens import Tokens

_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
# Of a band; its name is that of a filter.
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
_TILE = r"Norder[0-9]{1,2}/Dir[0-9]{1,19}/Npix[0-9]{1,19}\.(?:png|fits)"
_FILE = rf"properties|Moc\.fits|Norder[0-9]{{1,2}}/Allsky\.(?:png|fits)|{_TILE}"
_IS_TILE = re.compile(rf"/{_TILE}$")
_PROOF = r"[^/?#]{1,512}"
_SECONDS = 30.0
# The overview of a survey as FITS is the largest: 768 tiles of 64 × 64 pixels, 12.8 MB; a tile is a megabyte.
_MOST_BYTES = 1 << 24
_AT_ONCE = 16
_NOTHING_SENT = frozenset({301, 302, 303, 304, 307, 308})
_PASSED_ON = ("Content-Type", "Content-Encoding", "Vary", "ETag", "Last-Modified", "Cache-Control")
_TYPES = {".js": "text/javascript; charset=utf-8", "": "text/plain; charset=utf-8"}
_BLANK = b"""creator_did          = ivo://bowerbird/blank
obs_title            = Nothing
hips_version         = 1.4
hips_order           = 3
hips_tile_width      = 64
hips_tile_format     = png
hips_frame           = equatorial
dataproduct_type     = image
hips_status          = private master clonableOnce
"""
_EMPTY_SIDE, _OVERVIEW = 64, (27 * 64, 29 * 64)


class _Read(JupyterHandler):
    """What a map reads. Its address may have the token against forgery of the page in it, as Aladin sends no header of ours.

    A hub wants that token of all that a page asks for: where servers share a host, the page may be another person's.
    """

    def check_xsrf_cookie(self) -> None:
        """Check the token of the address as if it had come in the header."""
        if token := self.path_kwargs.get("xsrf"):
            self.request.headers["X-XSRFToken"] = token
        super().check_xsrf_cookie()


class AladinHandler(_Read):
    """Aladin Lite and its licence, as they were installed."""

    @web.authenticated
    def get(self, name: str, **_: str) -> None:
        """Send one of the files; which there are, the route says."""
        file = shipped.aladin() / name
        if not file.is_file():
            raise web.HTTPError(404, "Aladin Lite is not installed here: the set-up of the platform brings it")
        self.set_header("Content-Type", _TYPES.get(file.suffix, _TYPES[""]))
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Last-Modified", int(file.stat().st_mtime))
        self.finish(file.read_bytes())


class BlankHandler(_Read):
    """A survey of nothing, which Aladin wants where no other is shown: without one it asks its makers for theirs."""

    @web.authenticated
    def get(self, path: str, **_: str) -> None:
        """Send the properties, or a tile without a light."""
        self.set_header("Cache-Control", "private, max-age=86400")
        if path == "properties":
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(_BLANK)
            return
        self.set_header("Content-Type", "image/png")
        rows, columns = _OVERVIEW if "Allsky" in path else (_EMPTY_SIDE, _EMPTY_SIDE)
        self.finish(png(np.zeros((rows, columns, 4), dtype=np.uint8)))


class SurveyHandler(_Read):
    """Tiles of the platform's surveys (HiPS), asked for with the token of this server: the browser has none for them."""

    @web.authenticated
    async def get(self, path: str, **_: str) -> None:
        """Send what the platform answers; it decides who may see what."""
        address = beside(os.environ, f"hips/{path}")
        if address is None:
            raise web.HTTPError(404, "no platform is here that has surveys")
        said = {name: self.request.headers[name] for name in ("If-None-Match", "Accept-Encoding") if name in self.request.headers}
        answer = await _asked(address, said)
        if answer.code == HTTPStatus.NOT_FOUND and _IS_TILE.search(path):
            # Aladin asks around an image before it knows what the survey covers. An absent tile is empty sky to it, and a 404
            # would be an error in the browser's console.
            self.set_status(HTTPStatus.NO_CONTENT)
            return
        self.set_status(answer.code)
        if answer.code >= HTTPStatus.BAD_REQUEST and "Content-Encoding" not in answer.headers:
            # The map shows them to whoever looks at it, and is no reader of VOTables.
            self.set_header("Content-Type", _TYPES[""])
            self.finish(words(answer.body or b""))
            return
        for name in _PASSED_ON:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.finish(None if answer.code in _NOTHING_SENT else answer.body)


@cache
def _client() -> SimpleAsyncHTTPClient:
    # Its own: the one that all share reads answers of 100 MB, unpacks them, and asks for ten at once.
    return SimpleAsyncHTTPClient(force_instance=True, max_clients=_AT_ONCE, max_body_size=_MOST_BYTES)


async def _asked(address: str, said: dict[str, str]) -> HTTPResponse:
    request = HTTPRequest(
        address,
        headers=Tokens.of(os.environ).headers(address) | said,
        follow_redirects=False,
        decompress_response=False,
        request_timeout=_SECONDS,
        connect_timeout=_SECONDS,
    )
    try:
        return await _client().fetch(request, raise_error=False)
    except (HTTPClientError, OSError) as error:
        raise web.HTTPError(502, f"the platform's surveys do not answer as they should: {error}") from error


def handlers(base_url: str) -> list[tuple[str, Any]]:
    """Return the routes; a path that is not of the standard has none."""
    ours = url_path_join(base_url, "bowerbird") + rf"(?:/with/(?P<xsrf>{_PROOF}))?"
    return [
        (rf"{ours}/aladin/(?P<name>aladin\.js|{'|'.join(shipped.ALADIN_LICENCES)})", AladinHandler),
        (rf"{ours}/blank/(?P<path>properties|Norder3/(?:Allsky\.png|Dir0/Npix[0-9]{{1,3}}\.png))", BlankHandler),
        (rf"{ours}/hips/(?P<path>{_NAME}/{_NAME}/(?:hipslist|(?:{_PART}/)?(?:{_FILE})))", SurveyHandler),
    ]
