"""A map of the sky on a real platform: a person's own server hands out what it is made of, to its own page and to no other."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import CHROMIUM, visit
from tests.support.lab_pages import sign_in, start
from tests.system.conftest import Running

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.browser,
    # The platform starts first.
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
TEAMS = "a478/ifs-dr1"
# What the person's own server answers to its page, asked as a map does: with the page's proof in the address, or without it.
ASKED = """async ([path, proved]) => {
    const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
    const proof = `with/${encodeURIComponent(document.cookie.match(/_xsrf=([^;]*)/)[1])}/`;
    try {
        const answer = await fetch(`${base}bowerbird/${proved ? proof : ''}${path}`);
        return [answer.status, await answer.text()];
    } catch { return [0, '']; }
}"""


def asked(page: Page, path: str, *, proved: bool = True) -> tuple[int, str]:
    status, text = page.evaluate(ASKED, [path, proved])
    return status, text


def test_visitor_has_the_map_and_not_the_teams_survey(platform: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        sign_in(seen, platform, "visitor")
        start(seen, "minimal")
        page = seen.page
        page.wait_for_selector("#jupyter-config-data", state="attached")
        assert asked(page, "aladin/aladin.js")[0] == 200
        assert asked(page, "blank/properties")[0] == 200
        status, text = asked(page, f"hips/{TEAMS}/properties")
        assert (status in {403, 404}, "hips_order" in text) == (True, False)
        # A page of another server on the same host has no proof for this one.
        assert asked(page, "aladin/aladin.js", proved=False)[0] != 200
