"""Queries in a notebook on a real platform: a sandboxed server asks the platform's own tables as the person who has signed in."""

import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import CHROMIUM, visit
from tests.support.lab_pages import SERVER_MS, outputs, run_all, sign_in, start, write_notebook
from tests.system.conftest import Running

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.browser,
    # The releases become tables first.
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
# The team's: a visitor is told the same as of a table that is not there.
TEAMS = "a478_ifs_dr1.sources"
PUBLIC = ("ngc_dr1.objects", "gaia_bright_dr3.stars", "hdfs_dr1.hst_sources", "a370_dr1.sources", "qso_dr1.spectra")
INGEST_SECONDS = 120
ONE_LINE = (
    f"import bowerbird\nfound = bowerbird.query('SELECT TOP 3 ra, dec FROM {TEAMS}')\nprint(len(found), 'rows for', found['ra'].unit)"  # noqa: S608  a name of our own
)
CELL = f"%%adql mine\nSELECT ra, dec FROM {TEAMS}"
# The number of its pairs is that of a day's work.
ENDLESS = (
    "%%adql --background --limit 5\nSELECT COUNT(*) AS n FROM gaia_bright_dr3.stars AS a, gaia_bright_dr3.stars AS b WHERE a.ra * b.dec > 7"
)
# The first column of the table that is seen; `sign` is -1 for descending.
IN_ORDER = """sign => {
    const seen = [...document.querySelectorAll('.bb-table tbody tr td:nth-child(2)')].map(cell => sign * parseFloat(cell.textContent));
    return seen.length > 3 && seen.every((value, at) => !at || seen[at - 1] <= value);
}"""


@pytest.fixture(scope="module")
def tables(platform: Running) -> Running:
    """The platform once its releases have become tables."""
    address, deadline = f"{platform.status()['tap_url']}/tables", time.monotonic() + INGEST_SECONDS
    while not all(name in httpx.get(address, timeout=30).text for name in PUBLIC):
        assert time.monotonic() < deadline, "the releases did not become tables"
        time.sleep(0.5)
    return platform


def test_member_asks_for_the_teams_rows_sorts_them_and_stops_a_query(tables: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        page = seen.page
        sign_in(seen, tables, "researcher")
        start(seen, "minimal")
        write_notebook(page, "queries", ONE_LINE, CELL, "%%adql\nSELECT ra FROM a478_ifs_dr1.", ENDLESS)
        cells = page.locator(".jp-CodeCell")
        for number in (0, 1):
            cells.nth(number).click()
            page.keyboard.press("Shift+Enter")
        expect(cells.nth(0)).to_contain_text("3 rows for deg", timeout=SERVER_MS)
        table = cells.nth(1).locator(".bb-table")
        expect(table.locator(".bb-status")).to_contain_text("rows", timeout=SERVER_MS)
        for order, sign in (("ascending", 1), ("descending", -1)):
            table.get_by_role("button", name="ra").click()
            expect(table.locator(f"th[aria-sort={order}]")).to_have_count(1)
            page.wait_for_function(IN_ORDER, arg=sign)
        seen.picture("adql-table-on-a-platform")
        cells.nth(2).locator(".cm-content").click()
        page.keyboard.press("Control+End")
        page.keyboard.press("Tab")
        expect(page.locator(".jp-Completer")).to_contain_text("sources", timeout=SERVER_MS)
        page.keyboard.press("Escape")
        cells.nth(3).click()
        page.keyboard.press("Shift+Enter")
        bar = cells.nth(3).locator(".bb-progress")
        expect(bar.locator("[role=status]")).to_contain_text("The service computes", timeout=SERVER_MS)
        seen.picture("adql-under-way-on-a-platform")
        bar.get_by_role("button", name="Cancel").click()
        expect(cells.nth(3)).to_contain_text("KeyboardInterrupt", timeout=SERVER_MS)
        expect(bar).to_have_count(0)


def test_crossmatch_tutorial_runs_on_a_platform(tables: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        page = seen.page
        sign_in(seen, tables, "owner")
        start(seen, "minimal")
        page.goto(f"{page.url.partition('/notebooks/')[0]}/notebooks/crossmatch.ipynb?reset")
        run_all(page)
        seen.picture("crossmatch-on-a-platform")
        assert "traceback" not in outputs(page).lower()


def test_visitor_is_told_of_the_teams_table_what_is_told_of_none(tables: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        page = seen.page
        sign_in(seen, tables, "visitor")
        start(seen, "minimal")
        write_notebook(page, "queries", ONE_LINE, CELL, CELL.replace(TEAMS, "ngc_dr1.nowhere"))
        cells = page.locator(".jp-CodeCell")
        for number in range(3):
            cells.nth(number).click()
            page.keyboard.press("Shift+Enter")
            expect(cells.nth(number)).to_contain_text("QueryRefused", timeout=SERVER_MS)
        seen.picture("adql-refused-on-a-platform")
        text = outputs(page)
        assert TEAMS in text
        assert "rows for" not in text
