"""Stamps are looked at: made when they come into view, drawn as one asks, selected by hand and by key, each failure a tile."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from bowerbird.lab import load_ipython_extension, stamp_maker
from bowerbird.lab.contact_sheet import MOST
from bowerbird.lab.stamp_maker import Maker, Tile
from bowerbird.lab.stamp_source import MOST_BYTES, source
from bowerbird.lab.stamp_strip import StampStrip
from bowerbird.stamp import Look
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from tests.extensions.skies import Mosaic
from tests.extensions.widget_page import luminance, shown, unreadable
from tests.support.browser import CHROMIUM, Visit, chromium, visit

MILLION = 1_000_000
USUAL = {"stretch": "asinh", "limits": 99.5, "colour": "grey", "invert": False}


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    return Mosaic(shape=(300, 300)).write(tmp_path_factory.mktemp("images") / "mosaic.fits")


def sources(count: int) -> Table:
    dice = np.random.default_rng(2)
    table = Table({"ra": 150 + dice.uniform(-0.006, 0.006, count), "dec": 2 + dice.uniform(-0.006, 0.006, count)})
    table["name"] = [f"S{row}" for row in range(count)] if count < MILLION else np.arange(count)
    return table


def strip_of(image: Path, count: int = 60, **more: Any) -> StampStrip:
    return bowerbird.stamps(sources(count), "4 arcsec", image, label="name", **more)


def asked(strip: StampStrip, rows: list[int], **look: Any) -> dict[int, tuple[dict[str, Any], list[bytes]]]:
    said: list[Any] = []
    strip.send = lambda content, buffers=None: said.append((content, buffers or []))
    strip._answer(strip, {"type": "stamps", "rows": rows, "look": {**USUAL, **look}})
    strip.wait()
    return {stamp["row"]: (stamp, picture) for content, buffers in said for stamp, picture in stamps_of(content, buffers)}


def stamps_of(content: dict[str, Any], buffers: list[bytes]) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
    """Yield each stamp of a message with its picture, where it has one."""
    pictures = iter(buffers)
    for stamp in content["stamps"]:
        yield {**stamp, "look": content["look"]}, [] if stamp["reason"] else [next(pictures)]


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_stamp_is_the_picture_of_the_cutout(image) -> None:
    table = sources(3)
    made = bowerbird.cutouts(table, "4 arcsec", image)
    tiles = asked(bowerbird.stamps(table, "4 arcsec", image), [2, 0], stretch="log", colour="viridis", invert=True, limits=[0.0, 30000.0])
    for row in (0, 2):
        assert tiles[row][1] == [made["cutout"][row].stamp("log", (0.0, 30000.0), "viridis", invert=True).content]
    assert asked(bowerbird.stamps(made), [1])[1][1] == [made["cutout"][1].stamp().content]


def test_stamps_are_of_the_images_of_a_band(tmp_path) -> None:
    for band in "gr":
        Mosaic(shape=(300, 300), cards={"FILTER": band}).write(tmp_path / f"{band}.fits")
    table = sources(3)
    strip = bowerbird.stamps(table, "4 arcsec", tmp_path, band="r", name="table")
    made = bowerbird.cutouts(table, "4 arcsec", tmp_path, band="r")
    assert made["image"].tolist() == [str(tmp_path / "r.fits")] * 3
    assert asked(strip, [1])[1][1] == [made["cutout"][1].stamp().content]
    assert "band='r'" in strip.python()
    # Of one image, a source in another band has the reason.
    other = asked(bowerbird.stamps(table, "4 arcsec", tmp_path / "g.fits", band="r"), [0])[0][0]
    assert "the image is of the filter 'g', not 'r'" in other["reason"]
    with pytest.raises(ValueError, match="give the band to"):
        bowerbird.stamps(made, band="r")
    with pytest.raises(ValueError, match="a band is a pair"):
        bowerbird.stamps(table, "4 arcsec", tmp_path, band="500 nm")


def test_stamps_of_a_cube_are_of_the_wavelengths_that_are_asked_for(tmp_path) -> None:
    header = Mosaic(shape=(300, 300)).header()
    header.update({"CTYPE3": "WAVE", "CUNIT3": "nm", "CRPIX3": 1.0, "CD3_3": 1.0, "CRVAL3": 500.0})
    planes = np.random.default_rng(4).normal(10, 2, (6, 300, 300)).astype(">f4")
    fits.PrimaryHDU(planes, header).writeto(tmp_path / "cube.fits")
    band = ("501.9 nm", "502.1 nm")
    one = asked(bowerbird.stamps(sources(1), "4 arcsec", tmp_path / "cube.fits", band=band), [0])[0]
    whole = asked(bowerbird.stamps(sources(1), "4 arcsec", tmp_path / "cube.fits"), [0])[0]
    made = bowerbird.cutouts(sources(1), "4 arcsec", tmp_path / "cube.fits", band=band)
    assert one[1] == [made["cutout"][0].stamp().content]
    assert one != whole


def test_a_source_that_cannot_be_cut_is_a_tile_with_its_reason_and_fails_no_other(image) -> None:
    table = sources(4)
    table["ra"][1], table["dec"][2] = 10.0, np.nan
    table["image"] = [str(image)] * 3 + [str(image.with_name("none.fits"))]
    tiles = asked(bowerbird.stamps(table, "4 arcsec", "image"), [0, 1, 2, 3])
    assert tiles[0][1]
    assert [tiles[row][1] for row in (1, 2, 3)] == [[], [], []]
    assert "has no place in the projection" in tiles[1][0]["reason"]
    assert "not a number" in tiles[2][0]["reason"]
    assert "no such file" in tiles[3][0]["reason"]


def test_a_stamp_of_a_large_piece_is_small_and_a_huge_one_is_refused(image, tmp_path) -> None:
    large = asked(bowerbird.stamps(sources(1), "1 arcmin", image), [0])[0][1][0]
    assert max(pixels(large).shape[:2]) <= stamp_maker.SIDE
    header = fits.getheader(image)
    header["NAXIS1"] = header["NAXIS2"] = 1 + round((MOST_BYTES / 4) ** 0.5)
    with (tmp_path / "huge.fits").open("wb") as file:  # of nothing, on no disk
        file.write(header.tostring().encode())
        file.truncate(file.tell() + 2880 * -(-4 * header["NAXIS1"] ** 2 // 2880))
    assert "ask for a smaller size" in asked(bowerbird.stamps(sources(1), "10 deg", tmp_path / "huge.fits"), [0])[0][0]["reason"]


def test_stamps_that_are_known_are_told_of_at_once(tmp_path) -> None:
    image = Mosaic(shape=(300, 300)).write(tmp_path / "mosaic.fits")
    strip = strip_of(image)
    first = asked(strip, [0, 1])
    image.rename(tmp_path / "away.fits")
    assert asked(strip, [1, 0]) == {1: first[1], 0: first[0]}
    assert "no such file" in asked(strip, [2])[2][0]["reason"]


def test_of_stamps_that_were_seen_so_many_are_kept_as_memory_is_for_them(image) -> None:
    told: list[Tile] = []
    maker = Maker(source(sources(20), "4 arcsec", image), told.extend, most_kept=1000)
    maker.want(range(20), Look())
    maker.wait()
    assert sum(len(tile.content) for tile in told) > 3000
    assert 0 < sum(len(tile.content) for tile in maker._kept.values()) <= 1000


def test_a_new_wish_takes_the_place_of_the_one_before(image) -> None:
    told: list[int] = []
    strip = strip_of(image, 400)
    strip.send = lambda content, buffers=None: told.extend(stamp["row"] for stamp in content["stamps"])
    strip._maker.want(range(400), Look())
    strip._maker.want([399], Look())
    strip.wait()
    assert told[-1] == 399
    assert len(told) < 100


def test_the_python_makes_the_same_strip(image, monkeypatch) -> None:
    table = sources(5)
    strip = bowerbird.stamps(table, "4 arcsec", image, stretch="log", limits=(0.0, 5.0), invert=True, name="table")
    strip.selected = [3, 1]
    names: dict[str, Any] = {"table": table}
    exec(strip.python(), names)  # noqa: S102  # what is copied must run
    again = names["strip"]
    assert again.python() == strip.python()
    assert list(again.chosen()["name"]) == ["S1", "S3"]
    assert asked(again, [0]) == asked(strip, [0])


def test_without_scripts_there_are_pictures_labels_and_reasons(image) -> None:
    table = sources(50)
    table["ra"][1] = 10.0
    table["name"] = ["<b>", *table["name"][1:]]
    strip = bowerbird.stamps(table, "4 arcsec", image, label="name")
    bundle, _ = strip._repr_mimebundle_() or ({}, {})
    html = bundle["text/html"]
    assert f"The first {MOST} of 50 stamps" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    stored = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(stored) == MOST - 1
    assert base64.b64decode(stored[1]) == asked(strip, [2])[2][1][0]
    sheet = pixels(bundle["image/png"])
    assert sheet.shape == (112 * 2 + 8, 120 * 10 - 8, 4)
    assert sheet[56, 56, 3] == 255
    assert sheet[56, 120 + 56, 3] == 0, "the empty frame of the one that cannot be cut"


def test_what_is_no_strip_is_said(image) -> None:
    table = sources(2)
    for arguments, says in (
        ((table,), "need a size and an image"),
        ((table, "4 arcsec"), "image is missing"),
        ((table, None, image), "size is missing"),
    ):
        with pytest.raises(ValueError, match=says):
            bowerbird.stamps(*arguments)
    for more, says in (
        ({"label": "nome"}, "ra, dec, name"),
        ({"label": ["a"]}, "1 labels for 2"),
        ({"stretch": "cube"}, "one of"),
        ({"limits": 0}, "percent"),
    ):
        with pytest.raises(ValueError, match=says):
            bowerbird.stamps(table, "4 arcsec", image, **more)


def test_what_a_browser_must_not_ask_is_refused_in_words(image) -> None:
    strip, said = strip_of(image), []
    strip.send = lambda content, buffers=None: said.append(content)
    for wrong in ({"stretch": "cube"}, {"limits": [1]}, {"limits": "x"}, {"colour": "<"}):
        strip._answer(strip, {"type": "stamps", "rows": [0], "look": {**USUAL, **wrong}})
    strip._answer(strip, {"type": "stamps", "rows": ["x"], "look": USUAL})
    strip._answer(strip, {"type": "stamps"})
    assert [answer["type"] for answer in said] == ["refused"] * 6
    for nothing in ({"type": "exec"}, "rows", None):
        strip._answer(strip, nothing)
    assert len(said) == 6
    assert asked(strip, [-1, 60, 10**9, *[0] * 9999]).keys() == {0}


def test_views_of_a_table_share_what_is_selected(image) -> None:
    table = sources(9)
    both = bowerbird.linked(bowerbird.stamps(table, "4 arcsec", image), table)
    strip, rows = both.children
    strip.selected = [4]
    assert list(rows.chosen()["name"]) == ["S4"]
    rows.selected = [7, 8]
    assert list(strip.chosen()["name"]) == ["S7", "S8"]
    with pytest.raises(ValueError, match="view 2 is a str"):
        bowerbird.linked(strip, "rows")


def order_of(strip: Any) -> list[int] | None:
    return None if strip.order is None else np.frombuffer(strip.order, "<u4").tolist()


def test_stamps_follow_what_their_table_sees(image) -> None:
    table = sources(5)
    table["g"] = [3.0, 1.0, 5.0, 2.0, 4.0]
    strip, rows = bowerbird.linked(bowerbird.stamps(table, "4 arcsec", image), table).children
    rows.send = lambda *_: None
    assert order_of(strip) is None
    rows._answer(rows, {"type": "sort", "column": 3, "descending": True})
    assert order_of(strip) == [2, 4, 0, 3, 1]
    rows._answer(rows, {"type": "filter", "column": 3, "text": "> 9"})
    assert order_of(strip) == []
    rows._answer(rows, {"type": "filter", "column": 3, "text": ""})
    rows._answer(rows, {"type": "sort", "column": None})
    assert order_of(strip) is None


def test_a_table_of_cutouts_shows_its_stamps_above_its_rows_and_any_other_stays_astropys(image) -> None:
    shell = InteractiveShell.instance()
    load_ipython_extension(shell)
    table = sources(3)
    made = bowerbird.cutouts(table, "4 arcsec", image)
    assert shell.display_formatter
    bundle, _ = shell.display_formatter.format(made)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"].count("<img") == 3
    assert "cutout" in made.colnames
    plain, _ = shell.display_formatter.format(table)
    assert plain.keys() == {"text/plain", "text/html"}
    assert "<table" in plain["text/html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    with chromium() as found:
        yield found


@pytest.fixture
def seen(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    with visit(browser, tmp_path) as made:
        yield made
        assert not made.complaints


def drawn(seen: Visit, row: int) -> None:
    seen.page.wait_for_function("row => document.querySelector(`[data-row='${row}'] img`)?.complete", arg=row)


def selected(seen: Visit) -> list[int]:
    return [int(one.get_attribute("data-row") or -1) for one in seen.page.locator("[role=option][aria-selected=true]").all()]


@pytest.mark.browser
def test_of_a_million_stamps_only_those_on_the_screen_are_made(seen, image) -> None:
    shown(seen, strip_of(image, MILLION))
    drawn(seen, 0)
    page = seen.page
    assert page.locator(".bb-status").inner_text() == "1\u2009000\u2009000 stamps"
    assert page.locator(".bb-tile").count() < 60
    page.locator(".bb-stamps").press("End")
    drawn(seen, MILLION - 1)
    page.evaluate("document.querySelector('.bb-stamps').scrollTop = 0")
    drawn(seen, 0)
    assert page.evaluate("window.travelled") < 500_000


@pytest.mark.browser
def test_the_stamps_on_the_screen_are_asked_for_once_and_those_after_them_when_they_are_there(seen, image) -> None:
    shown(seen, strip_of(image, 1000))
    drawn(seen, 0)
    seen.page.wait_for_function("window.asked.length > 1")
    first, after = seen.page.evaluate("window.asked.map(one => one.rows)")
    assert first == list(range(seen.page.locator(".bb-tile").count()))
    assert after[0] == len(first)


@pytest.mark.browser
def test_a_picture_stays_as_it_is_while_others_come(seen, image) -> None:
    shown(seen, strip_of(image))
    drawn(seen, 0)
    seen.page.evaluate("window.held = document.querySelector(`[data-row='0'] img`)")
    told = {"type": "stamps", "look": USUAL, "stamps": [{"row": 1, "label": "other", "reason": "it is away"}]}
    seen.page.evaluate("message => window.tell({ message, buffers: [] })", told)
    seen.page.wait_for_selector("[data-row='1'] .bb-reason")
    assert seen.page.evaluate("document.querySelector(`[data-row='0'] img`) === window.held")
    assert seen.page.locator("[data-row='1'] img").count() == 0


@pytest.mark.browser
def test_stamps_are_selected_by_hand_and_by_key(seen, image) -> None:
    strip = strip_of(image)
    shown(seen, strip)
    drawn(seen, 0)
    page, stamps = seen.page, seen.page.locator(".bb-stamps")
    page.locator("[data-row='2']").click()
    page.locator("[data-row='4']").click(modifiers=["Shift"])
    page.locator("[data-row='3']").click(modifiers=["Control"])
    page.wait_for_function("document.querySelectorAll('[aria-selected=true]').length === 2")
    assert strip.selected == [2, 4]
    assert page.locator(".bb-status").inner_text() == "60 stamps, 2 selected"
    stamps.press("Escape")
    assert selected(seen) == []
    for key in ("Home", "ArrowRight", "Enter", "Shift+ArrowRight", "Shift+ArrowRight"):
        stamps.press(key)
    assert selected(seen) == [1, 2, 3]
    stamps.press("ArrowLeft")
    stamps.press(" ")
    assert selected(seen) == [1, 3]
    assert stamps.get_attribute("aria-activedescendant") == page.locator("[data-row='2']").get_attribute("id")
    assert list(strip.chosen()["name"]) == ["S1", "S3"]


@pytest.mark.browser
def test_what_is_selected_elsewhere_comes_into_view(seen, image) -> None:
    shown(seen, strip_of(image, 1000))
    drawn(seen, 0)
    seen.page.evaluate("window.change('selected', [777])")
    drawn(seen, 777)
    assert selected(seen) == [777]


@pytest.mark.browser
def test_stamps_are_in_the_order_of_the_table_and_are_selected_in_it(seen, image) -> None:
    strip = strip_of(image)
    shown(seen, strip)
    drawn(seen, 0)
    page, stamps = seen.page, seen.page.locator(".bb-stamps")
    page.evaluate("window.change('order', new DataView(new Uint32Array([50, 3, 41, 7]).buffer))")
    drawn(seen, 41)
    assert [one.get_attribute("data-row") for one in page.locator(".bb-tile").all()] == ["50", "3", "41", "7"]
    assert page.locator(".bb-status").inner_text() == "4 of 60 stamps"
    for key in ("Home", "ArrowRight", "Enter", "Shift+ArrowRight"):
        stamps.press(key)
    assert strip.selected == [3, 41]
    page.locator("[data-row='7']").click(modifiers=["Shift"])
    assert strip.selected == [3, 41, 7]
    page.evaluate("window.change('order', new DataView(new ArrayBuffer(0)))")
    page.wait_for_function("document.querySelectorAll('.bb-tile').length === 0")
    stamps.press("ArrowRight")
    page.evaluate("window.change('order', null)")
    drawn(seen, 0)


@pytest.mark.browser
def test_stretch_colours_and_size_are_chosen_and_copied_as_python(seen, image) -> None:
    strip = strip_of(image, name="table")
    shown(seen, strip)
    drawn(seen, 0)
    page = seen.page
    before = page.locator("[data-row='0'] img").get_attribute("src")
    page.get_by_label("Stretch").select_option("log")
    page.get_by_label("Limits").select_option("zscale")
    page.get_by_label("Colours").select_option("magma")
    page.get_by_label("Invert").check()
    page.wait_for_function("before => (document.querySelector(\"[data-row='0'] img\")?.src ?? before) !== before", arg=before)
    page.get_by_label("Size").select_option("large")
    drawn(seen, 0)
    assert page.locator("[data-row='0'] img").bounding_box()["width"] == 208
    assert strip.look == Look("log", "zscale", "magma", True)
    page.get_by_role("button", name="Copy as Python").click()
    page.wait_for_function("!document.querySelector('.bb-code').hidden")
    names: dict[str, Any] = {"table": sources(60)}
    exec(page.locator(".bb-code").inner_text(), names)  # noqa: S102  # what is copied must run
    assert names["strip"].look == strip.look
    seen.picture("stamp-strip")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_light_and_in_dark_and_reasons_are_text(seen, image, scheme) -> None:
    table = sources(6)
    table["name"] = ["S0", "<b>S1</b>", *table["name"][2:]]
    table["ra"][1] = 10.0
    seen.page.emulate_media(color_scheme=scheme)
    shown(seen, bowerbird.stamps(table, "4 arcsec", image, label="name"))
    drawn(seen, 0)
    seen.page.wait_for_selector(".bb-reason")
    assert seen.page.locator(".bb-tile b").count() == 0
    ground = luminance(seen.page.evaluate("getComputedStyle(document.querySelector('.bb-strip')).backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    assert not unreadable(seen, ".bb-strip", (".bb-status", ".bb-caption", ".bb-reason", ".bb-looks label", ".bb-looks select"))
    seen.page.evaluate("window.leave()")


def test_stamps_of_a_folder_are_those_of_each_image_that_holds_a_source(tmp_path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Mosaic().write(folder / "field_g.fits")
    Mosaic(dtype=">i2").write(folder / "field_i.fits")
    table = Table({"ra": [80.0, 150.0], "dec": [0.0, 2.0], "name": ["far", "near"]})
    strip = bowerbird.stamps(table, "4 arcsec", folder, label="name")
    made = bowerbird.cutouts(table, "4 arcsec", folder)
    assert strip.total == len(made) == 3
    tiles = asked(strip, [0, 1, 2])
    assert [tiles[row][0]["label"] for row in range(3)] == ["far", "near", "near"]
    assert "none of the images" in tiles[0][0]["reason"]
    for row in (1, 2):
        assert np.array_equal(pixels(tiles[row][1][0]), pixels(made["cutout"][row].stamp().content))
    strip.selected = [2]
    assert strip.chosen()["name"].tolist() == ["near"]
    assert len(bowerbird.stamps([(150.0, 2.0)], "4 arcsec", folder).chosen()) == 0
