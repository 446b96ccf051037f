"""The survey behind a still map: asked of the platform's real services, and under the sources as it is on the sky."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bowerbird
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import Latitude, Longitude
from bowerbird.lab import healpix
from bowerbird.lab.sky_frame import SkyFrame
from bowerbird.lab.sky_plot import ON_PAGE, ON_SKY, screen, sky_of_pixels
from bowerbird.lab.sky_tiles import SILENCE_SECONDS
from bowerbird_config.table_order import TableOrder
from bowerbird_services.ingest.run_hips import run
from cdshealpix.nested import lonlat_to_healpix
from defusedxml import ElementTree
from PIL import Image

from tests.extensions.survey_server import BANDS, SURVEY, platform
from tests.services.gallery import gallery
from tests.support.sessions import forget
from tests.support.sky_images import tangent, write

SVG = "{http://www.w3.org/2000/svg}"
SIDE = 400


def survey_of(svg: str) -> tuple[Any, Any]:
    """Return the picture, and the pixels of the survey in it; None where it has none."""
    picture = ElementTree.fromstring(svg)
    shown = next((one for one in picture.iter(f"{SVG}image") if one.get("class") == "bb-survey"), None)
    if shown is None:
        return picture, None
    content = base64.b64decode((shown.get("href") or "").partition(",")[2])
    return picture, np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def test_the_pixels_of_a_map_are_where_it_draws_places() -> None:
    for frame in (SkyFrame(10.0, 40.0, 3.0), SkyFrame(350.0, -89.0, 5.0), SkyFrame(0.0, 89.9, 50.0), SkyFrame(0.0, 0.0, 360.0)):
        ra, dec = sky_of_pixels(frame)
        x, y = screen(frame, ra, dec)
        there = np.isfinite(ra)
        assert there.mean() > 0.5
        down, across = np.mgrid[: ra.shape[0], : ra.shape[1]]
        assert np.abs(x - across - x[there][0] + across[there][0])[there].max() < 1e-6
        assert np.abs(y - down - y[there][0] + down[there][0])[there].max() < 1e-6


def test_the_cell_of_a_place_is_that_of_the_standard() -> None:
    dice = np.random.default_rng(5)
    ra, dec = dice.uniform(0, 360, 20_000), np.degrees(np.arcsin(dice.uniform(-1, 1, 20_000)))
    face, x, y = healpix.within(ra, dec)
    for order in (0, 1, 5, 9, 16):
        ours = healpix.number(order, face, (x * 2**order).astype(int), (y * 2**order).astype(int))
        assert (ours == lonlat_to_healpix(Longitude(ra, units.deg), Latitude(dec, units.deg), order).astype(int)).all()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[float, float]]:
    """Run a platform whose one survey has one bright square, and return the place of that; its team's member asks."""
    values, sky = np.full((SIDE, SIDE), 10.0, "f4"), tangent(SIDE, SIDE, (20.0, 2.2))
    values[290:310, 90:110] = 1000.0
    with gallery(tmp_path, before=lambda releases: write(releases / "demo/dr2/field.fits", values, sky)) as platform:
        release = {"collection": "demo", "release": "dr2", "directory": str(tmp_path / "releases/demo/dr2")}
        assert run(TableOrder.model_validate({"releases": [release]}), tmp_path / "surveys", print) == 0
        monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{platform.address}/tap")
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-member")
        bright = sky.pixel_to_world(99.5, 299.5)
        yield float(bright.ra.deg), float(bright.dec.deg)


def still(place: tuple[float, float], width: str, at: tuple[float, float]) -> tuple[Any, Any, Any]:
    """Return the picture of a source on the survey, the pixels of the survey, and where the source is among them."""
    picture, pixels = survey_of(bowerbird.skymap([place], survey="demo/dr2", position=at, width=width).still())
    (source,) = (one for one in picture.iter(f"{SVG}circle") if one.get("r") == "2")
    shown = next(one for one in picture.iter(f"{SVG}image"))
    x, y = (float(source.get(f"c{axis}")) - float(shown.get(axis)) for axis in "xy")
    return picture, pixels, (y - 0.5, x - 0.5)


@pytest.mark.parametrize(("width", "away"), [("6 arcmin", (0.0, 0.0)), ("20 arcmin", (0.05, -0.03)), ("1 deg", (0.1, 0.1))])
def test_a_survey_lies_under_the_sources_of_a_still_map(served, width, away) -> None:
    picture, pixels, at = still(served, width, (served[0] + away[0], served[1] + away[1]))
    assert np.argwhere(pixels[..., 0] > 200).mean(axis=0) == pytest.approx(at, abs=1.0)
    assert "the survey demo/dr2 lies behind them" in picture.findtext(f"{SVG}title")
    assert any(one.get("fill") == ON_SKY.source for one in picture.iter(f"{SVG}circle"))


@pytest.mark.parametrize("width", ["10 deg", "50 deg", "170 deg"])
def test_a_survey_is_seen_on_a_map_of_much_of_the_sky(served, width) -> None:
    _, pixels, at = still((20.0, 2.2), width, (23.0, 1.0))
    there = np.argwhere(pixels[..., 3] > 0)
    assert there.mean(axis=0) == pytest.approx(at, abs=1.0)
    assert there[:, 0].max() - there[:, 0].min() < 40, "the rest of the sky has nothing"


def test_who_may_not_see_a_survey_has_a_map_without_it(served, monkeypatch) -> None:
    view = bowerbird.skymap([served], survey="demo/dr2")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-nobody")
    forget()
    picture, pixels = survey_of(view.still())
    assert pixels is None
    assert "is seen on a map with scripts alone" in picture.findtext(f"{SVG}title")
    assert any(one.get("fill") == ON_PAGE.source for one in picture.iter(f"{SVG}circle"))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-member")
    forget()
    assert survey_of(view.still())[1] is not None, "it is asked for again"


def test_a_still_map_has_the_survey_of_the_band_that_was_chosen_and_asks_once(monkeypatch) -> None:
    with platform() as told:
        monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{told.address}/tap")
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", told.token)
        for band, colour in (("r", "r"), ("b", "b"), (("450 nm", "600 nm"), "b"), (None, "r")):
            _, pixels = survey_of(bowerbird.skymap([(40.0, 2.0)], survey=SURVEY, band=band, width="10 deg").still())
            assert (pixels[..., :3] == BANDS[colour]).all()
        view = bowerbird.skymap([(40.0, 2.0)], survey=SURVEY, width="10 deg")
        view.still()
        asked = len(told.asked)
        view.still()
        assert len(told.asked) == asked
        view.band = "b"
        assert (survey_of(view.still())[1][..., :3] == BANDS["b"]).all()
        assert survey_of(bowerbird.skymap([(40.0, 2.0)], survey=SURVEY, band="z").still())[1] is None


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"nothing = of\nthe standard",
        b"hips_order = 3\nem_min = x\nem_max = y",
        b"hips_order = 3",
        b"hips_order = 3\nhips_tile_width = 0",
        None,
    ],
)
def test_a_platform_that_tells_no_survey_leaves_a_map_as_it_is(monkeypatch, told) -> None:
    with answering(told) as address:
        monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{address}/tap")
        view = bowerbird.skymap([(40.0, 2.0)], survey=SURVEY, band=("450 nm", "600 nm") if told and b"em" in told else None)
        began = time.monotonic()
        assert survey_of(view.still())[1] is None
        assert time.monotonic() - began < 5 * SILENCE_SECONDS
        began = time.monotonic()
        assert survey_of(view.still())[1] is None
        assert time.monotonic() - began < SILENCE_SECONDS, "nobody waits for silence again"


@contextmanager
def answering(content: bytes | None) -> Iterator[str]:
    """Answer everything with one content; with None be silent for as long as it lasts."""
    ended = threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            if content is None:
                ended.wait(30)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            ended.set()
            server.shutdown()
