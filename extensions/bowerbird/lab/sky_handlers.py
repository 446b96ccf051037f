"""What a map of the sky asks of the notebook's own server: Aladin Lite, an empty survey, and the surveys of the platform."""

import os
from typing import Any

import numpy as np
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from bowerbird.lab import shipped
from bowerbird.png import png
from bowerbird.vo.addresses import beside
from bowerbird.vo.tokens import Tokens

_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
_FILE = r"properties|Moc\.fits|Norder[0-9]{1,2}/(?:Allsky\.(?:png|fits)|Dir[0-9]{1,19}/Npix[0-9]{1,19}\.(?:png|fits))"
_SECONDS = 30.0
_PASSED_ON = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
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


class AladinHandler(JupyterHandler):
    """Aladin Lite and its licence, as they were installed."""

    @web.authenticated
    def get(self, name: str) -> None:
        """Send one of the files; which there are, the route says."""
        file = shipped.aladin() / name
        if not file.is_file():
            raise web.HTTPError(404, "Aladin Lite is not installed here: the set-up of the platform brings it")
        self.set_header("Content-Type", _TYPES.get(file.suffix, _TYPES[""]))
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Last-Modified", int(file.stat().st_mtime))
        self.finish(file.read_bytes())


class BlankHandler(JupyterHandler):
    """A survey of nothing, which Aladin wants where no other is shown: without one it asks its makers for theirs."""

    @web.authenticated
    def get(self, path: str) -> None:
        """Send the properties, or a tile without a light."""
        self.set_header("Cache-Control", "private, max-age=86400")
        if path == "properties":
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(_BLANK)
            return
        self.set_header("Content-Type", "image/png")
        rows, columns = _OVERVIEW if "Allsky" in path else (_EMPTY_SIDE, _EMPTY_SIDE)
        self.finish(png(np.zeros((rows, columns, 4), dtype=np.uint8)))


class SurveyHandler(JupyterHandler):
    """Tiles of the platform's surveys (HiPS), asked for with the token of this server: the browser has none for them."""

    @web.authenticated
    async def get(self, collection: str, release: str, path: str) -> None:
        """Send what the platform answers; it decides who may see what."""
        address = beside(os.environ, f"hips/{collection}/{release}/{path}")
        if address is None:
            raise web.HTTPError(404, "no platform is here that has surveys")
        answer = await _asked(address, self.request.headers.get("If-None-Match"))
        self.set_status(answer.code)
        for name in _PASSED_ON:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.finish(answer.body if answer.code == 200 else None)  # noqa: PLR2004  # HTTP's word for yes


async def _asked(address: str, known: str | None) -> HTTPResponse:
    headers = Tokens.of(os.environ).headers(address) | ({"If-None-Match": known} if known else {})
    request = HTTPRequest(address, headers=headers, follow_redirects=False, request_timeout=_SECONDS, connect_timeout=_SECONDS)
    try:
        return await AsyncHTTPClient().fetch(request, raise_error=False)
    except (HTTPClientError, OSError) as error:
        raise web.HTTPError(502, f"the platform's surveys do not answer: {error}") from error


def handlers(base_url: str) -> list[tuple[str, Any]]:
    """Return the routes; a path that is not of the standard has none."""
    ours = url_path_join(base_url, "bowerbird")
    return [
        (rf"{ours}/aladin/(aladin\.js|{'|'.join(shipped.ALADIN_LICENCES)})", AladinHandler),
        (rf"{ours}/blank/(properties|Norder3/(?:Allsky\.png|Dir0/Npix[0-9]{{1,3}}\.png))", BlankHandler),
        (rf"{ours}/hips/({_NAME})/({_NAME})/({_FILE})", SurveyHandler),
    ]
