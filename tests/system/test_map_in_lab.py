"""A map of the sky on a real platform: a person's own server hands out what it is made of, to its own page and to no other."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import CHROMIUM, visit
from tests.support.lab_pages import asked, sign_in, start
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
