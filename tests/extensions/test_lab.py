"""A real lab of the environment that researchers get: where it opens, its help, its word about missing data."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bowerbird.lab.handlers import missing_data, page
from playwright.sync_api import expect

from tests.extensions.real_lab import BASE, SHOWN_MS, TOKEN, Lab, opened
from tests.support.browser import CHROMIUM, chromium, visit
from tests.support.tap_server import tap_server, until

TABLE = """
import numpy as np
from astropy.table import MaskedColumn, Table
n = 1_000_000
dice = np.random.default_rng(4)
g = MaskedColumn(dice.normal(20, 2, n), mask=dice.random(n) < 0.1, unit="mag", description="Brightness")
ids = 2**62 + np.arange(n)
stars = Table({"id": ids, "g": g, "kind": np.array(["star", "galaxy"])[ids % 2]})
"""
SHOWN = """
from bowerbird.lab.result_table import ResultTable
ResultTable(stars, name="stars")
"""


def test_it_opens_on_the_tutorial_with_its_picture_until_that_is_changed(lab) -> None:
    status, _, location = lab.get("?reset")
    assert (status, location) == (302, f"{BASE}lab/tree/home/notebooks/tutorial.ipynb?reset")
    tutorial = lab.home / "notebooks/tutorial.ipynb"
    content = tutorial.read_text()
    assert "image/png" in content
    tutorial.write_text(content.replace("First light", "Mine"))
    try:
        assert lab.get("")[2] == f"{BASE}lab"
    finally:
        tutorial.write_text(content)


def test_help_is_a_page_of_its_own_that_asks_nobody_else_for_anything(lab) -> None:
    status, body, _ = lab.get("bowerbird/researchers")
    assert status == 200
    assert "<h1" in body
    assert "/data/releases/" in body
    for word in ("src=", "<link", "@import", "url(", "<script"):
        assert word not in body


def test_status_is_silent_when_the_data_are_there(lab) -> None:
    assert json.loads(lab.get("bowerbird/status")[1]) == {"sentence": "", "news": {}, "spaces": {}}


def test_what_the_hub_tells_is_read_anew_each_time(lab) -> None:
    with told(lab, '{"at": "2027-01-01T00:00:00+00:00", "words": "It ended."}'):
        assert json.loads(lab.get("bowerbird/status")[1])["news"]["words"] == "It ended."
    with told(lab, "{"):
        assert json.loads(lab.get("bowerbird/status")[1])["news"] == {}


@contextmanager
def told(lab: Lab, news: str) -> Iterator[None]:
    """Let the hub have told this; afterwards nothing."""
    lab.news.write_text(news)
    try:
        yield
    finally:
        lab.news.unlink()


@contextmanager
def fills_up(space: Path, level: int, words: str) -> Iterator[None]:
    """Let the view tell that a space has reached that level."""
    os.setxattr(space, "user.bowerbird.usage", json.dumps({"space": space.name, "level": level, "words": words}).encode())
    try:
        yield
    finally:
        os.removexattr(space, "user.bowerbird.usage")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_news_of_the_hub_stands_in_an_open_lab_once(lab, tmp_path) -> None:
    with chromium() as browser, visit(browser, tmp_path) as seen:
        seen.page.goto(f"http://127.0.0.1:{lab.port}{BASE}lab?token={TOKEN}")
        seen.page.wait_for_selector("#jupyterlab-splash", state="detached")
        notice = seen.page.locator(".Toastify__toast", has_text="reached its memory limit")
        with told(lab, '{"at": "2027-01-01T00:00:00+00:00", "words": "Your server reached its memory limit."}'):
            notice.wait_for(timeout=5 * 3000)
            seen.picture("news")
            with seen.page.expect_response("**/bowerbird/status"):
                seen.page.reload()
            # It was asked as it opened, and has shown what came; so it asks again.
            with seen.page.expect_response("**/bowerbird/status"):
                pass
            assert notice.count() == 0


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_space_that_fills_up_is_told_in_an_open_lab(lab, tmp_path) -> None:
    words = "Your home is 91 % full: it uses 9.1 GiB of 10 GiB."
    with chromium() as browser, visit(browser, tmp_path) as seen:
        seen.page.goto(f"http://127.0.0.1:{lab.port}{BASE}lab?token={TOKEN}")
        seen.page.wait_for_selector("#jupyterlab-splash", state="detached")
        with fills_up(lab.view / "home", 90, words):
            assert json.loads(lab.get("bowerbird/status")[1])["spaces"] == {"home 90": words}
            seen.page.locator(".Toastify__toast", has_text=words).wait_for(timeout=5 * 3000)
            seen.picture("full home")


def table_of() -> Any:
    """Return the table of the cell."""
    names: dict[str, Any] = {}
    exec(TABLE, names)  # noqa: S102  # our own words
    return names["stars"]


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_million_rows_are_filtered_sorted_and_selected_in_a_lab(lab, tmp_path) -> None:
    with chromium() as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened(lab, page, "million", TABLE + SHOWN)
        table = page.locator(".bb-table")
        expect(table.locator("tbody td").first).to_have_text(str(2**62), timeout=SHOWN_MS)
        expect(table.locator(".bb-status")).to_have_text("1\u2009000\u2009000 rows")
        page.get_by_label("Filter kind").fill("gal")
        page.get_by_label("Filter kind").press("Enter")
        expect(table.locator("tbody td").first).to_have_text(str(2**62 + 1))
        expect(table.locator(".bb-status")).to_have_text("500\u2009000 of 1\u2009000\u2009000 rows")
        # The lab's own keys stay away: Enter and letters are the field's, and the cell is not run or changed.
        page.get_by_label("Filter id").press_sequentially(f"> {2**62 + 100}")
        page.get_by_label("Filter id").press("Enter")
        expect(table.locator("tbody td").first).to_have_text(str(2**62 + 101))
        table.locator("thead button").first.click()
        table.locator("thead button").first.click()
        expect(table.locator("tbody td").first).to_have_text(str(2**62 + 999_999))
        table.locator("tbody td").first.click()
        expect(table.locator(".bb-status")).to_contain_text("1 selected")
        page.get_by_role("button", name="Copy as Python").click()
        expect(table.locator(".bb-code")).to_contain_text(f"seen['id'] > {2**62 + 100}".replace("seen['id']", ""))
        expect(table.locator(".bb-status")).to_contain_text("Copied")
        names: dict[str, Any] = {"stars": table_of()}
        exec(page.evaluate("navigator.clipboard.readText()"), names)  # noqa: S102  # what the clipboard holds must run
        assert len(names["seen"]) == 499_950
        assert names["seen"]["id"][0] == 2**62 + 999_999
        page.get_by_role("button", name="Send to TOPCAT").click()
        expect(table.locator(".bb-refused")).to_contain_text("start TOPCAT")
        seen.picture("result-table-in-lab")
        assert page.locator(".jp-CodeCell").count() == 1


STAMPS = """
import os
import bowerbird
image = os.environ["BOWERBIRD_DATA"] + "/releases/a370/dr1/a370_i.fits"
places = Table({"id": ids, "ra": 39.9708 + dice.uniform(-0.005, 0.005, n), "dec": -1.5822 + dice.uniform(-0.005, 0.005, n)})
bowerbird.linked(bowerbird.stamps(places, "4 arcsec", image, label="id"), places)
"""


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_million_stamps_and_their_rows_are_selected_together_in_a_lab(lab, tmp_path) -> None:
    with chromium() as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        opened(lab, page, "stamps", TABLE + STAMPS)
        stamps = page.locator(".bb-stamps")
        expect(stamps.locator("[data-row='0'] img")).to_be_visible(timeout=SHOWN_MS)
        stamps.locator("[data-row='3']").click()
        expect(page.locator(".bb-table tr[aria-selected=true] td").first).to_have_text(str(2**62 + 3))
        page.get_by_label("Filter id").fill(str(2**62 + 765_432))
        page.get_by_label("Filter id").press("Enter")
        page.locator(".bb-table tbody td", has_text=str(2**62 + 765_432)).first.click()
        chosen = stamps.locator("[data-row='765432']")
        expect(chosen.locator("img")).to_be_visible()
        expect(chosen).to_have_attribute("aria-selected", "true")
        page.get_by_role("button", name="Copy as Python").first.click()
        expect(page.locator(".bb-strip .bb-code")).to_contain_text("bowerbird.stamps(places, '4 arcsec', '")
        seen.picture("stamps-in-lab")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_cancel_beside_the_bar_stops_the_query(lab, tmp_path) -> None:
    with tap_server() as tap, chromium() as browser, visit(browser, tmp_path) as seen:
        tap.finishes = False
        tap.info = "<uws:jobInfo><rows>1234567</rows></uws:jobInfo>"
        opened(lab, seen.page, "job", f"%%adql rows --service {tap.url} --limit 5 --background\nSELECT id FROM demo.stars")
        bar = seen.page.locator(".bb-progress")
        expect(bar.locator("[role=status]")).to_contain_text("The service computes, 1\u2009234\u2009567 rows so far", timeout=SHOWN_MS)
        seen.picture("query-under-way")
        bar.get_by_role("button", name="Cancel").click()
        until(tap, lambda: [what for _, what in tap.ended] == ["ABORT", "DELETE"])
        expect(bar).to_have_count(0)
        expect(seen.page.locator(".jp-OutputArea")).to_contain_text("KeyboardInterrupt")


@pytest.mark.parametrize("path", ["bowerbird/researchers", "bowerbird/status", ""])
def test_nobody_gets_in_without_a_token(lab, path) -> None:
    status, _, location = lab.get(path, token="another")  # wrong on purpose
    assert status == 403 or "/login" in location


def test_nothing_in_the_lab_asks_the_internet(lab) -> None:
    _, body, _ = lab.get("lab")
    config = json.loads(body.split('id="jupyter-config-data" type="application/json">')[1].split("</script>")[0])
    disabled = set(config["disabledExtensions"])
    assert {"@jupyterlab/help-extension:resources", "@jupyterlab/apputils-extension:announcements"} <= disabled
    assert "bowerbird-lab" in [extension["name"] for extension in config["federated_extensions"]]


def test_the_theme_follows_the_browser_and_help_has_our_page(lab) -> None:
    themes = json.loads(lab.get("lab/api/settings/@jupyterlab/apputils-extension:themes")[1])
    assert themes["schema"]["properties"]["adaptive-theme"]["default"] is True
    ours = json.loads(lab.get("lab/api/settings/bowerbird-lab:plugin")[1])
    assert "bowerbird:help" in json.dumps(ours["schema"]["jupyter.lab.menus"])


def test_its_own_part_in_the_lab_is_served(lab) -> None:
    status, body, _ = lab.get("lab/extensions/bowerbird-lab/static/remote.js")
    assert status == 200
    assert "_JUPYTERLAB" in body


def test_missing_data_are_said_in_a_note_that_fits(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOWERBIRD_DATA", "/data")
    monkeypatch.setattr("bowerbird.lab.handlers.manifest", lambda: (_ for _ in ()).throw(FileNotFoundError("/data")))
    assert "/data does not answer" in missing_data()
    assert len(missing_data()) <= 140


def test_a_page_escapes_its_title() -> None:
    assert "<title>a &lt;b&gt;</title>" in page("# a <b>\n\ntext")
