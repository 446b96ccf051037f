"""A person of the team and one of another: from the sign-in page to a picture cut out of a real image, and out again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import CHROMIUM, visit
from tests.support.lab_pages import await_picture, outputs, run_all, sign_in, sign_out, start
from tests.system.conftest import Running

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


def test_researcher_reads_surveys_and_the_teams_release(platform: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        sign_in(seen, platform, "researcher")
        start(seen, "survey")
        await_picture(seen.page)
        run_all(seen.page)
        seen.picture("researcher-3-lab")
        text = outputs(seen.page)
        assert "traceback" not in text.lower()
        assert "is refused" not in text
        sign_out(seen, platform)


def test_visitor_reads_until_when_it_is_closed_and_whom_to_ask(platform: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        sign_in(seen, platform, "visitor")
        start(seen, "minimal")
        await_picture(seen.page)
        run_all(seen.page)
        seen.picture("visitor-3-lab")
        text = outputs(seen.page)
        assert "traceback" not in text.lower()
        assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC", text)
        assert "craft" in text.lower()
        sign_out(seen, platform)
