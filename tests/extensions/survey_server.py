"""A platform with one release that has a survey (HiPS) in each of two bands, which it shows to whoever brings its token."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from bowerbird.png import png

SURVEY = "a370/dr1"
# The bands of its surveys, and how red and how blue they are all over; the wavelengths of the second.
BANDS = {"r": (160, 30, 30), "b": (30, 30, 160)}
WAVES = (4e-7, 5e-7)
# Its finest tiles, and the pixels along the side of each.
ORDER, WIDTH = 3, 64
ETAG = '"one"'
# More than any part of a survey has, in bytes.
ENDLESS = 20_000_000
_PROPERTIES = b"""creator_did = ivo://x-bowerbird/hips
obs_title = A survey
hips_version = 1.4
hips_order = 3
hips_tile_width = 64
hips_tile_format = png
hips_frame = equatorial
dataproduct_type = image
hips_status = private master clonableOnce
"""


@dataclass(frozen=True)
class Platform:
    """Its address, its token, and which paths were asked for, with what token."""

    address: str
    token: str = "a-token-of-the-platform"
    asked: list[tuple[str, str]] = field(default_factory=list)


def tile(columns: int = 64, rows: int = 64, band: str = "r") -> bytes:
    """Return a tile, or an overview, that has the colour of its band all over."""
    return png(np.full((rows, columns, 3), BANDS[band], dtype=np.uint8))


def _listed(address: str) -> bytes:
    finest = f"hips_order = {ORDER}\nhips_tile_width = {WIDTH}\n"
    told = [f"bowerbird_band = {band}\n{finest}hips_service_url = {address}/hips/{SURVEY}/{band}\n" for band in BANDS]
    return f"{told[0]}\n{told[1]}em_min = {WAVES[0]}\nem_max = {WAVES[1]}\n".encode()


class _Answer(BaseHTTPRequestHandler):
    """Answers as the platform's service does."""

    platform: Platform

    def do_GET(self) -> None:  # http.server's name
        token = self.headers.get("Authorization", "")
        self.platform.asked.append((self.path, token))
        path = self.path.removeprefix(f"/services/vo/hips/{SURVEY}/")
        if path == self.path:
            self._send(404, "text/plain", b"there is no such survey")
        elif token != f"Bearer {self.platform.token}":
            self._send(403, "text/plain", b"not for you")
        elif self.headers.get("If-None-Match") == ETAG:
            self._send(304, "text/plain", b"")
        else:
            self._file(path)

    def _file(self, path: str) -> None:
        band, _, rest = path.partition("/")
        band, path = (band, rest) if band in BANDS else ("r", path)
        if path == "hipslist":
            self._send(200, "text/plain", _listed(self.platform.address))
        elif path == "properties":
            self._send(200, "text/plain", _PROPERTIES)
        elif path == "Moc.fits":
            self._send(302, "text/plain", b"", Location="/services/vo/hips/elsewhere")
        elif path == "Norder3/Allsky.fits":
            self._send(200, "application/fits", bytes(ENDLESS))
        elif path == "Norder3/Allsky.png":
            self._send(200, "image/png", tile(27 * 64, 29 * 64, band))
        elif path.startswith("Norder3/") and path.endswith(".png"):
            self._send(200, "image/png", tile(band=band))
        else:
            self._send(404, "text/plain", b"")

    def _send(self, status: int, kind: str, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "ETag": ETAG, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def platform() -> Iterator[Platform]:
    """Run it."""

    class Answer(_Answer):
        """Its own, as two of them may run at once."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found = Platform(f"http://127.0.0.1:{server.server_address[1]}/services/vo")
        Answer.platform = found
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
