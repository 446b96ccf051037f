"""The tutorial of cutouts on a real platform: its map, stamps and rows are linked, over the survey that the platform drew."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import CHROMIUM, WEBGL, chromium, visit
from tests.support.lab_pages import SERVER_MS, asked, outputs, run_all, sign_in, start
from tests.system.conftest import Running

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.browser,
    # The releases become tables and surveys first.
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
TABLE, PUBLIC, TEAMS = "a370_dr1.sources", "a370/dr1", "a478/ifs-dr1"
MADE_SECONDS = 600
UPWARDS = """part => {
    const cells = document.querySelector('.jp-WindowedPanel-outer');
    if (document.querySelector(part)) return true;
    cells.scrollTop = cells.scrollTop > 0 ? cells.scrollTop - cells.clientHeight / 2 : cells.scrollHeight;
    return false;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*WEBGL) as running:
        yield running


@pytest.fixture(scope="module")
def drawn(platform: Running) -> Running:
    """The platform once the release of the tutorial is tables and a survey."""
    tables = f"{platform.status()['tap_url']}/tables"
    await_made(platform, lambda: TABLE in httpx.get(tables, timeout=30).text)
    await_made(platform, lambda: survey_of(platform, PUBLIC).is_file())
    return platform


def survey_of(platform: Running, release: str) -> Path:
    return platform.var / "surveys" / release / "survey.json"


def await_made(platform: Running, is_made: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MADE_SECONDS
    while not is_made():
        assert time.monotonic() < deadline, platform.status()
        time.sleep(0.5)


def brought(page: Page, part: str) -> Locator:
    """Scroll up until a part of the notebook is there, and bring it on the screen: the lab draws only the cells near it."""
    page.wait_for_function(UPWARDS, arg=part, polling=100, timeout=SERVER_MS)
    found = page.locator(part)
    found.scroll_into_view_if_needed()
    return found


def test_map_stamps_and_rows_of_the_tutorial_are_selected_together(drawn: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        page = seen.page
        sign_in(seen, drawn, "researcher")
        start(seen, "minimal")
        page.goto(f"{page.url.partition('/notebooks/')[0]}/notebooks/cutouts.ipynb?reset")
        run_all(page)
        sky = brought(page, ".bb-sky")
        expect(sky).to_have_attribute("data-image", "drawn", timeout=SERVER_MS)
        expect(sky).to_have_attribute("data-sources", "20")
        # Its one image names its band, which the survey's address ends with.
        expect(sky).to_have_attribute("data-survey", re.compile(rf"^{PUBLIC}/[^/]+$"))
        expect(sky).to_have_attribute("data-coverage", "drawn")
        expect(page.locator(".bb-tile img")).to_have_count(20, timeout=SERVER_MS)
        # By the row, the stamp and the map's source.
        page.locator(".bb-table tbody tr").nth(7).click()
        expect(page.locator(".bb-tile[aria-selected=true]")).to_have_attribute("data-row", "7")
        expect(sky).to_have_attribute("data-chosen", "1")
        # And by the stamp, the row.
        page.locator("[data-row='3']").click()
        expect(page.locator(".bb-table tr[aria-selected=true] th")).to_have_text("4")
        sky.scroll_into_view_if_needed()
        seen.picture("cutouts-tutorial")
        page.locator(".bb-table").scroll_into_view_if_needed()
        seen.picture("cutouts-tutorial-rows")
        # Now in the lab's other theme, and as many as before.
        expect(page.locator(".bb-tile img")).to_have_count(20)
        await_made(drawn, lambda: survey_of(drawn, TEAMS).is_file())
        assert asked(page, f"hips/{TEAMS}/properties")[0] == 200
        assert "traceback" not in outputs(page).lower()
