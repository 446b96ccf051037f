"""A map of the sky: where it looks, what lies on it, what its server hands out and to whom, and all of it in a real lab."""

import base64
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bowerbird
import cdshealpix
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from bowerbird.lab import healpix, sky_view
from bowerbird.lab.sky_frame import SkyFrame, around
from bowerbird.lab.sky_image import small_copy
from bowerbird.lab.sky_shapes import circle, outlines_of
from defusedxml import ElementTree
from PIL import Image
from playwright.sync_api import Page, expect

from tests.extensions.real_lab import SHOWN_MS, Lab, opened
from tests.extensions.skies import SIP, Mosaic, sky_of
from tests.extensions.survey_server import BANDS, ETAG, SURVEY, tile
from tests.support.browser import CHROMIUM, WEBGL, Visit, chromium, visit
from tests.support.rig import wait_for

SVG = "{http://www.w3.org/2000/svg}"


def sources(count: int = 9) -> Table:
    dice = np.random.default_rng(3)
    return Table({"ra": 150 + dice.uniform(-0.005, 0.005, count), "dec": 2 + dice.uniform(-0.004, 0.004, count)})


@pytest.mark.parametrize(
    ("ra", "dec", "centre"),
    [
        ([359.9, 0.1], [10.0, 10.0], (0.0, 10.0)),
        ([0.0, 90.0, 180.0, 270.0], [89.0] * 4, (None, 90.0)),
        ([10.0, np.nan], [5.0, 5.0], (10.0, 5.0)),
    ],
)
def test_a_frame_holds_its_places_also_across_the_wrap_and_the_pole(ra, dec, centre) -> None:
    frame = around(np.array(ra), np.array(dec))
    assert frame.dec == pytest.approx(centre[1], abs=0.01)
    if centre[0] is not None:
        assert (frame.ra - centre[0] + 180) % 360 == pytest.approx(180, abs=1e-6)
    x, y = frame.flat(np.array(ra), np.array(dec))
    there = np.isfinite(ra)
    assert (np.abs(x[there]) < 0.5).all()
    assert (np.abs(y[there]) < 0.5).all()


def test_places_all_over_the_sky_and_none_at_all_give_the_whole_sky() -> None:
    assert around(np.array([0.0, 120.0, 240.0]), np.zeros(3)).is_whole
    assert around(np.zeros(0), np.zeros(0)).is_whole
    x, y = around(np.zeros(0), np.zeros(0)).flat(np.array([179.9, -179.9, 0.0]), np.array([0.0, 0.0, 90.0]))
    assert x == pytest.approx([-0.5, 0.5, 0.0], abs=1e-3)
    assert y == pytest.approx([0.0, 0.0, 0.25], abs=1e-3)


def test_a_flat_map_is_the_tangent_plane_with_east_to_the_left() -> None:
    frame = SkyFrame(150.0, 60.0, 2.0)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 60.0, "CDELT1": -1.0, "CDELT2": 1.0})
    ra, dec = np.array([150.5, 149.0, 151.2]), np.array([60.4, 59.3, 60.0])
    wanted = WCS(header).wcs_world2pix(np.stack([ra, dec], axis=-1), 0) - WCS(header).wcs_world2pix([[150.0, 60.0]], 0)
    span = np.degrees(2 * np.tan(np.radians(1.0)))
    assert np.stack(frame.flat(ra, dec), axis=-1) * span == pytest.approx(wanted)


def test_regions_are_read_as_obscore_writes_them() -> None:
    table = Table(
        {
            "s_region": [
                "POLYGON ICRS 10 1 11 1 11 2",
                "Circle 20.5 -30 0.5",
                "UNION ICRS (CIRCLE 1 2 .1 POLYGON 1 2 3 4 5 6)",
                "BOX 1 2 3 4",
                "",
            ]
        }
    )
    found = outlines_of(table)
    assert len(found) == 4
    assert found[0].pairs() == [[10.0, 1.0], [11.0, 1.0], [11.0, 2.0]]
    centre = SkyCoord(20.5, -30, unit="deg")
    assert centre.separation(SkyCoord(found[1].ra, found[1].dec, unit="deg")).deg == pytest.approx(0.5)
    pole = circle(0.0, 90.0, 1.0)
    assert pole.dec == pytest.approx(89.0)


def test_the_outline_of_an_image_is_its_corners(tmp_path) -> None:
    path = Mosaic(shape=(100, 60), turn=30.0, cards=SIP).write(tmp_path / "image.fits")
    (outline,) = outlines_of(path)
    wanted = sky_of(fits.getheader(path)).calc_footprint(axes=(60, 100), center=False)
    there = SkyCoord(outline.ra, outline.dec, unit="deg")[:, None].separation(SkyCoord(wanted, unit="deg")[None])
    assert there.min(axis=1).arcsec.max() < 0.3


@pytest.mark.parametrize("dtype", [">f4", ">i2"])
def test_a_small_copy_lies_where_the_image_does(tmp_path, dtype) -> None:
    values = np.full((170, 230), 100.0)
    values[102:111, 60:69] = 1000.0
    hdu = fits.PrimaryHDU(values.astype("f4" if dtype == ">f4" else "i2"), Mosaic(turn=20.0, projection="TAN").header())
    if dtype == ">i2":
        hdu.scale("int16", bscale=0.5, bzero=7.0)
    hdu.writeto(tmp_path / "large.fits")
    with fits.open(io.BytesIO(small_copy(tmp_path / "large.fits", side=50))) as made:
        data, there = made[0].data, WCS(made[0].header)
    assert max(data.shape) <= 50
    assert np.nanmedian(data) == pytest.approx(100.0)
    bright = np.argwhere(data > 550).mean(axis=0)[::-1]
    wanted = WCS(fits.getheader(tmp_path / "large.fits")).pixel_to_world(64, 106)
    assert there.pixel_to_world(*bright).separation(wanted).arcsec < 0.5 * 0.2 * 5


def test_a_still_map_has_sources_grid_and_what_is_selected(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "image.fits")
    view = bowerbird.skymap(sources(), image=path)
    view.selected = [2, 5]
    bundle, _ = view._repr_mimebundle_() or ({}, {})
    picture = ElementTree.fromstring(bundle["text/html"])
    circles = picture.findall(f".//{SVG}circle")
    assert [len([one for one in circles if one.get("r") == radius]) for radius in ("2", "6")] == [9, 2]
    assert [one.get("cx") for one in circles if one.get("r") == "6"] == [circles[2].get("cx"), circles[5].get("cx")]
    east, west = (np.argmax(sources()["ra"]), np.argmin(sources()["ra"]))
    assert float(circles[east].get("cx") or "nan") < float(circles[west].get("cx") or "nan")
    words = [one.text for one in picture.iter(f"{SVG}text")]
    assert "Right ascension (degrees, ICRS)" in words
    assert "150" in words
    assert "2" in words
    for whole in (bowerbird.skymap(), bowerbird.skymap([(0, 0), (120, 0), (240, 60)])):
        assert "nan" not in whole.still()


def test_cells_of_a_coverage_lie_where_healpix_has_them() -> None:
    for order in (0, 1, 3, 8, 20):
        cells = np.unique(np.linspace(0, 12 * 4**order - 1, 300).astype(np.int64))
        ours = SkyCoord(*healpix.outlines(order, cells), unit="deg")
        theirs = SkyCoord(*cdshealpix.nested.vertices(cells, order))
        near = ours[:, :, None].separation(theirs[:, None, :]).deg.min(axis=2)
        assert near.max() < 1e-6, order
        ra, dec = healpix.outlines(order, cells, 4)
        assert ra.shape == dec.shape == (len(cells), 16)


def test_a_still_map_has_the_image_and_the_coverage_behind_its_sources(tmp_path) -> None:
    values = np.full((170, 230), 100.0, dtype="f4")
    values[102:112, 60:70] = 1000.0
    fits.PrimaryHDU(values, Mosaic(turn=20.0).header()).writeto(tmp_path / "image.fits")
    sky = WCS(fits.getheader(tmp_path / "image.fits"))
    bright = sky.pixel_to_world(64.5, 106.5)
    order, cell = 13, int(cdshealpix.nested.lonlat_to_healpix(bright.ra, bright.dec, 13)[0])
    view = bowerbird.skymap([(bright.ra.deg, bright.dec.deg)], image=tmp_path / "image.fits", moc={str(order): [cell, 0]}, survey=SURVEY)
    picture = ElementTree.fromstring(view.still())
    (source,) = (one for one in picture.iter(f"{SVG}circle") if one.get("r") == "2")
    at = np.array([float(source.get("cx") or "nan"), float(source.get("cy") or "nan")])
    (shown,) = picture.iter(f"{SVG}image")
    a, b, c, d, e, f = map(float, (shown.get("transform") or "")[len("matrix(") : -1].split())
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode((shown.get("href") or "").partition(",")[2]))))
    assert (int(shown.get("width") or 0), int(shown.get("height") or 0)) == pixels.shape[1::-1]
    light = pixels if pixels.ndim == 2 else pixels[..., 0]
    column, row = np.argwhere(light > 200).mean(axis=0)[::-1] + 0.5
    assert np.array([a * column + c * row + e, b * column + d * row + f]) == pytest.approx(at, abs=1.0), (
        "the bright square is under its source"
    )
    (covered,) = (one for one in picture.iter(f"{SVG}path") if one.get("class") == "bb-coverage")
    corners = np.array([point.split() for point in (covered.get("d") or "").strip("MZ").split("L")], dtype=float)
    assert (corners.min(axis=0) < at).all()
    assert (at < corners.max(axis=0)).all()
    assert f"the survey {SURVEY}" in (picture.findtext(f"{SVG}title") or "")
    whole = bowerbird.skymap(moc={"0": list(range(12)), "29": [5]}).still()
    assert 'class="bb-coverage"' in whole
    assert "nan" not in whole
    (tmp_path / "image.fits").unlink()
    assert "<image" in view.still(), "it was read once"


def test_the_python_makes_the_same_map(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "image.fits")
    table = sources()
    view = bowerbird.skymap(
        table, image=path, survey=SURVEY, band=("400 nm", "500 nm"), moc={"3": [1, 2]}, position=(150.0, 2.0), width="0.2 deg", name="table"
    )
    view.selected = [4]
    names: dict[str, Any] = {"table": table}
    exec(view.python(), names)  # noqa: S102  # what is copied must run
    again = names["view"]
    assert again.python() == view.python()
    for name in ("ra", "dec", "width", "survey", "band", "waves", "outlines", "moc", "selected", "total"):
        assert getattr(again, name) == getattr(view, name), name
    assert len(again.chosen()) == 1
    # What is chosen on the map takes the place of what was given.
    view.band = "r"
    assert view.python().count("band=") == 1
    exec(view.python(), names)  # noqa: S102  # as above
    assert (names["view"].band, names["view"].waves) == ("r", [])


def test_a_band_is_read_as_by_cutouts() -> None:
    def asked_for(band: Any) -> Any:
        return bowerbird.skymap(sources(), survey=SURVEY, band=band)

    assert (asked_for(None).band, asked_for(None).waves) == ("", [])
    assert (asked_for(" r ").band, asked_for(" r ").waves) == ("r", [])
    assert asked_for((480, 520) * u.nm).waves == pytest.approx([4.8e-7, 5.2e-7])
    assert "band=('480.0 nm', '520.0 nm')" in asked_for((480, 520) * u.nm).python()
    assert asked_for(("300 nm", None)).waves == pytest.approx([3e-7, sys.float_info.max])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"survey": "../../etc"}, "a release that has images"),
        ({"survey": "https://elsewhere.example/hips"}, "a release that has images"),
        ({"survey": SURVEY, "band": "500 nm"}, "a band is a pair"),
        ({"survey": SURVEY, "band": ("500 nm", "5 s")}, "no wavelength"),
        ({"band": "r"}, "name the release"),
        ({"survey": "", "band": "r"}, "name the release"),
        ({"moc": [1, 2]}, "JSON"),
        ({"moc": {"x": 1}}, "lists of cells"),
        ({"width": "wide"}, "no angle"),
        ({"footprints": Table({"a": [1]})}, "s_region"),
        ({"image": "/none.fits"}, "no such file"),
    ],
)
def test_what_cannot_be_shown_is_said(arguments, says) -> None:
    with pytest.raises((ValueError, OSError), match=says):
        bowerbird.skymap(sources(), **arguments)


def asked(view: Any, kind: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
    said: list[Any] = []
    view.send = lambda content, buffers=None: said.append((content, buffers or []))
    view._answer(view, kind)
    return said


def test_a_browser_gets_places_and_is_refused_in_words() -> None:
    table = sources(2 * sky_view.MOST_SOURCES + 1)
    table["ra"][1] = np.nan
    view = bowerbird.skymap(table)
    (_, (rows, ra, dec)) = asked(view, {"type": "sources"})[0]
    shown = np.frombuffer(rows, "<u4")
    assert 0 < len(shown) <= sky_view.MOST_SOURCES
    assert 1 not in shown
    assert np.array_equal(np.frombuffer(ra, "<f8"), table["ra"][shown])
    assert np.array_equal(np.frombuffer(dec, "<f8"), table["dec"][shown])
    view.selected = [7, len(table), -1]
    assert np.frombuffer(asked(view, {"type": "selected"})[0][1][0], "<u4").tolist() == [7]
    assert asked(view, {"type": "image"})[0][0]["type"] == "refused"
    for nothing in ({"type": "exec"}, "rows", None):
        assert asked(view, nothing) == []


def test_aladin_is_handed_out_with_its_licence_as_a_file_of_its_own(lab) -> None:
    status, script, _ = lab.get("bowerbird/aladin/aladin.js")
    assert status == 200
    assert len(script) > 1_000_000
    assert "GNU GENERAL PUBLIC LICENSE" in lab.get("bowerbird/aladin/COPYING")[1]
    root = Path(__file__).parents[2]
    ours = [path for path in (root / "extensions").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert not [path for path in ours if path.stat().st_size > 500_000], "it is in nothing of ours"


@pytest.mark.parametrize(
    "path",
    [
        "bowerbird/aladin/../page.html",
        "bowerbird/aladin/..%2f..%2fresearchers.md",
        "bowerbird/aladin/README.md",
        f"bowerbird/hips/{SURVEY}/..%2f..%2f..%2ftap",
        f"bowerbird/hips/{SURVEY}/Norder3/Dir0/Npix1.png/../../x",
        "bowerbird/hips/a370/%2e%2e/properties",
        f"bowerbird/hips/{SURVEY}/../hipslist",
        f"bowerbird/hips/{SURVEY}/%2e%2e/properties",
        f"bowerbird/hips/{SURVEY}/r/hipslist",
        f"bowerbird/hips/{SURVEY}/r/b/properties",
        "bowerbird/hips/hipslist",
        "bowerbird/hips/a370/dr1/hips@elsewhere.example/properties",
        "bowerbird/blank/Norder9/Dir0/Npix1.png",
    ],
)
def test_no_other_file_is_handed_out_and_no_other_path_asked_for(lab, path) -> None:
    before = len(lab.platform.asked)
    assert lab.get(path)[0] == 404
    assert len(lab.platform.asked) == before


@pytest.mark.parametrize("path", ["bowerbird/aladin/aladin.js", "bowerbird/blank/properties", f"bowerbird/hips/{SURVEY}/properties"])
def test_nobody_gets_any_of_it_without_a_token(lab, path) -> None:
    before = len(lab.platform.asked)
    status, _, location = lab.get(path, token="another")  # wrong on purpose
    assert status == 403 or "/login" in location
    assert len(lab.platform.asked) == before


def test_a_survey_is_asked_for_with_the_servers_own_token_and_its_answer_is_passed_on(lab) -> None:
    status, text, _ = lab.get(f"bowerbird/hips/{SURVEY}/properties")
    assert status == 200
    assert "A survey" in text
    assert lab.platform.asked[-1] == (f"/services/vo/hips/{SURVEY}/properties", f"Bearer {lab.platform.token}")
    assert lab.content(f"bowerbird/hips/{SURVEY}/Norder3/Dir0/Npix1.png")[1] == tile()
    assert lab.content(f"bowerbird/hips/{SURVEY}/b/Norder3/Dir0/Npix1.png")[1] == tile(band="b")
    assert "hips_service_url" in lab.get(f"bowerbird/hips/{SURVEY}/hipslist")[1]
    assert lab.get("bowerbird/hips/other/dr1/properties")[0] == 404
    assert lab.get(f"bowerbird/hips/{SURVEY}/Norder3/Dir0/Npix1.png", headers={"If-None-Match": ETAG})[0] == 304
    status, _, location = lab.get(f"bowerbird/hips/{SURVEY}/Moc.fits")
    assert (status, location) == (302, "")
    status, text, _ = lab.get(f"bowerbird/hips/{SURVEY}/Norder3/Allsky.fits")
    assert (status, len(text) < 10_000) == (502, True), "what is larger than any part of a survey is not passed on"


CELLS = """
import os
import numpy as np
import bowerbird
from astropy.table import Table
image = os.environ["BOWERBIRD_DATA"] + "/releases/a370/dr1/a370_i.fits"
dice = np.random.default_rng(1)
places = Table({"ra": 39.9708 + dice.uniform(-0.008, 0.008, 20), "dec": -1.5822 + dice.uniform(-0.008, 0.008, 20), "id": np.arange(20)})
view = bowerbird.skymap(places, survey="a370/dr1", band="r", image=image, moc={"10": [0]})
bowerbird.linked(view, bowerbird.stamps(places, "6 arcsec", image, label="id"), places)
"""
ON_SCREEN = (
    """() => { const map = document.querySelector('.bb-map').getBoundingClientRect(); return [map.x, map.y, map.width, map.height]; }"""
)


def middle_selected(page: Page) -> None:
    """Draw a rectangle around the middle of the map."""
    page.get_by_role("button", name="Select a region").click()
    page.locator(".bb-map").scroll_into_view_if_needed()
    left, top, width, height = page.evaluate(ON_SCREEN)
    page.mouse.move(left + width / 2 - 150, top + height / 2 - 150)
    page.mouse.down()
    page.mouse.move(left + width / 2 + 150, top + height / 2 + 150, steps=5)
    page.mouse.up()


def beside_the_image(page: Page) -> tuple[int, int, int]:
    """Return the colour of the map near its right edge."""
    page.locator(".bb-map").scroll_into_view_if_needed()
    left, top, width, height = page.evaluate(ON_SCREEN)
    screen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    red, green, blue = screen[int(top + height / 2), int(left + width - 40)].tolist()
    return red, green, blue


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_sky_stamps_and_rows_are_selected_together_in_a_lab(lab, tmp_path) -> None:
    with chromium(*WEBGL) as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        opened(lab, page, "sky", CELLS)
        view = page.locator(".bb-sky")
        expect(view).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        expect(view).to_have_attribute("data-sources", "20")
        expect(view).to_have_attribute("data-image", "drawn")
        page.locator("[data-row='3']").click()
        expect(view).to_have_attribute("data-chosen", "1")
        expect(page.locator(".bb-table tr[aria-selected=true] td").nth(2)).to_have_text("3")
        # By key, from the map to the others.
        page.locator(".bb-map").focus()
        page.keyboard.press("n")
        expect(page.locator("[data-row='4']")).to_have_attribute("aria-selected", "true")
        expect(page.locator(".bb-table tr[aria-selected=true] td").nth(2)).to_have_text("4")
        page.keyboard.press("Escape")
        expect(view.locator(".bb-status")).to_have_text("20 sources")
        middle_selected(page)
        expect(view.locator(".bb-status")).to_contain_text("selected")
        page.get_by_role("button", name="Copy as Python").first.click()
        expect(view.locator(".bb-code")).to_contain_text("bowerbird.skymap(places, survey='a370/dr1', image='")
        # The survey lies behind the image.
        wait_for(lambda: (inks := beside_the_image(page))[0] > 2 * max(inks[1:]))
        seen.picture("sky-in-lab")
        assert seen.complaints == []


OUTLINED = """
import bowerbird
bowerbird.skymap([(150.0, 2.0)], survey="", position=(150.0, 2.0), width="0.4 deg",
                 footprints=["POLYGON ICRS 149.98 1.98 150.02 1.98 150.02 2.02 149.98 2.02"])
"""
# As the map draws footprints.
GREEN = np.array([0x6F, 0xCF, 0x97])
WHERE = re.compile(r"Right ascension ([0-9.]+)°, declination ([-0-9.]+)°, ([0-9.]+)° wide")


def outlined(page: Page) -> tuple[float, float, float]:
    """Return where on the map the footprint's middle is, from its left and its top, and how wide it is (shares of the map's width)."""
    left, top, width, height = page.evaluate(ON_SCREEN)
    screen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))[
        int(top) : int(top + height), int(left) : int(left + width)
    ]
    there = np.argwhere(np.abs(screen.astype(int) - GREEN).max(axis=-1) < 25)
    if not there.size:
        return -1.0, -1.0, 0.0
    (first, start), (last, end) = there.min(axis=0), there.max(axis=0)
    return (start + end) / 2 / width, (first + last) / 2 / width, (end - start) / width


@contextmanager
def with_footprint(lab: Lab, pictures: Path, name: str, cell: str) -> Iterator[Visit]:
    """Show the map of a cell that is OUTLINED, until its footprint is drawn."""
    with chromium(*WEBGL) as browser, visit(browser, pictures) as seen:
        opened(lab, seen.page, name, cell)
        expect(seen.page.locator(".bb-sky")).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        seen.page.locator(".bb-map").scroll_into_view_if_needed()
        wait_for(lambda: outlined(seen.page)[2] > 0)
        yield seen


@pytest.mark.browser
# A machine without a graphics card draws each picture by itself.
@pytest.mark.timeout(300)
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_footprint_is_seen_and_the_map_moved_by_keys(lab, tmp_path) -> None:
    with with_footprint(lab, tmp_path, "footprint", OUTLINED) as seen:
        page, view, place = seen.page, seen.page.locator(".bb-sky"), seen.page.locator(".bb-map")
        across, down, wide = outlined(page)
        assert across == pytest.approx(0.5, abs=0.02)

        def pressed(key: str) -> tuple[float, ...]:
            place.press(key)
            expect(view.locator(".bb-status")).to_have_text(WHERE)
            found = WHERE.search(view.locator(".bb-status").inner_text())
            assert found
            return tuple(map(float, found.groups()))

        # A fifth of what is seen, to the east; what lies there moves to the right.
        ra, dec, span = pressed("ArrowLeft")
        assert wide == pytest.approx(0.04 / span, rel=0.1)
        assert (ra, dec) == pytest.approx((150 + 0.2 * span, 2.0), abs=0.002)
        wait_for(lambda: outlined(page)[0] == pytest.approx(across + 0.2, abs=0.02))
        assert pressed("ArrowRight")[:2] == pytest.approx((150.0, 2.0), abs=0.001)
        assert pressed("ArrowUp")[:2] == pytest.approx((150.0, 2 + 0.2 * span), abs=0.002)
        wait_for(lambda: outlined(page)[1] == pytest.approx(down + 0.2, abs=0.02))
        assert pressed("ArrowDown")[:2] == pytest.approx((150.0, 2.0), abs=0.001)
        assert pressed("+")[2] == pytest.approx(span / 1.5, rel=0.01)
        wait_for(lambda: outlined(page)[2] == pytest.approx(1.5 * wide, rel=0.05))
        assert pressed("-")[2] == pytest.approx(span, rel=0.01)
        seen.picture("footprint")


# Higher than the window, so that there is something to scroll.
LONG = "# Up there.\n" + "\n" * 80 + OUTLINED
SCROLLED = "() => Math.max(...[...document.querySelectorAll('.jp-Notebook, .jp-Notebook *')].map((part) => part.scrollTop))"


@pytest.mark.browser
# A machine without a graphics card draws each picture by itself.
@pytest.mark.timeout(300)
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_the_wheel_scrolls_the_page_until_the_map_has_the_focus(lab, tmp_path) -> None:
    with with_footprint(lab, tmp_path, "wheel", LONG) as seen:
        page, place = seen.page, seen.page.locator(".bb-map")
        left, top, width, height = page.evaluate(ON_SCREEN)
        wide, scrolled = outlined(page)[2], page.evaluate(SCROLLED)
        # So low that the map is still there when it was scrolled.
        page.mouse.move(left + width / 4, top + 3 * height / 4)
        expect(place.get_by_text("The wheel scrolls the page")).to_be_visible()
        seen.picture("wheel")
        page.mouse.wheel(0, -100)
        wait_for(lambda: page.evaluate(SCROLLED) < scrolled)
        assert outlined(page)[2] == pytest.approx(wide, rel=0.02)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.keyboard.up("Control")
        wait_for(lambda: outlined(page)[2] > 1.05 * wide)
        wide, scrolled = outlined(page)[2], page.evaluate(SCROLLED)
        page.mouse.down()
        page.mouse.up()
        expect(place.get_by_text("The wheel scrolls the page")).to_be_hidden()
        expect(place).to_be_focused()
        page.mouse.wheel(0, -100)
        wait_for(lambda: outlined(page)[2] > 1.05 * wide)
        assert page.evaluate(SCROLLED) == scrolled


BAND = "import bowerbird\nbowerbird.skymap([(39.97, -1.58), (39.98, -1.58)], survey='a370/dr1', width='1 deg', BAND)"


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_map_offers_every_band_of_a_release(lab, tmp_path) -> None:
    def expect_colour(band: str) -> None:
        at = BANDS[band].index(max(BANDS[band]))
        wait_for(lambda: (inks := beside_the_image(page))[at] > 2 * max(inks[:at] + inks[at + 1 :]))

    with chromium(*WEBGL) as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        opened(lab, page, "bands", BAND.replace("BAND", "band=('450 nm', '600 nm')"))
        view, bands = page.locator(".bb-sky"), page.locator(".bb-looks select")
        expect(view).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        expect(view).to_have_attribute("data-survey", "a370/dr1/b")
        assert bands.locator("option").all_inner_texts() == ["r", "b"]
        expect(bands.locator("option:checked")).to_have_text("b")
        expect_colour("b")
        seen.picture("band-b")
        bands.select_option(label="r")
        expect(view).to_have_attribute("data-survey", "a370/dr1/r")
        expect_colour("r")
        page.get_by_role("button", name="Copy as Python").click()
        expect(view.locator(".bb-code")).to_contain_text("band='r')")
        seen.picture("band-r")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_map_says_which_bands_there_are_where_another_is_asked_for(lab, tmp_path) -> None:
    with chromium(*WEBGL) as browser, visit(browser, tmp_path) as seen:
        opened(lab, seen.page, "no-band", BAND.replace("BAND", "band='z'"))
        view = seen.page.locator(".bb-sky")
        expect(view).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        expect(view.locator(".bb-status")).to_have_text("No survey of a370/dr1 is of that band: it has r, b")
        expect(view).to_have_attribute("data-survey", "")
        view.locator(".bb-looks select").select_option(label="b")
        expect(view).to_have_attribute("data-survey", "a370/dr1/b")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_map_says_why_a_survey_is_refused_in_the_platforms_words(lab, tmp_path) -> None:
    with chromium(*WEBGL) as browser, visit(browser, tmp_path) as seen:
        opened(lab, seen.page, "refused", 'import bowerbird\nbowerbird.skymap([(39.97, -1.58)], survey="hdfs/dr1")')
        view = seen.page.locator(".bb-sky")
        expect(view).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        expect(view.locator(".bb-status")).to_have_text("there is no such survey")


# Each source that is selected on the first map brings another map in the place of the one before, with a source more.
OPENS_AND_CLOSES = """
import numpy as np
import bowerbird
import ipywidgets
places = np.stack([150 + np.arange(40) / 1000, 2 + np.zeros(40)], axis=-1)
stays, place = bowerbird.skymap(places[:30], survey=""), ipywidgets.VBox()
def another(change):
    place.children = [bowerbird.skymap(places[:change.new[0] + 1], survey="")]
stays.observe(another, "selected")
ipywidgets.VBox([stays, place])
"""
# More than a browser has contexts of WebGL for all its pages.
MANY = 20
DRAWS = """count => {
  const canvases = document.querySelectorAll(`.bb-sky[data-sources='${count}'] canvas`);
  return [...canvases].some((canvas) => canvas.getContext("webgl2")?.isContextLost() === false);
}"""


@pytest.mark.browser
# A machine without a graphics card draws twenty maps by itself.
@pytest.mark.timeout(400)
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_maps_that_are_gone_take_nothing_from_one_that_stays(lab, tmp_path) -> None:
    with chromium(*WEBGL) as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        opened(lab, page, "maps", OPENS_AND_CLOSES)
        expect(page.locator(".bb-sky[data-sources='30']")).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
        for count in range(1, MANY + 1):
            page.locator(".bb-sky[data-sources='30'] .bb-map").press("n")
            expect(page.locator(f".bb-sky[data-sources='{count}']")).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
            assert page.evaluate(DRAWS, count)
        assert page.locator(".bb-sky").count() == 2
        assert page.evaluate(DRAWS, 30), "the first map still has what it draws with"
