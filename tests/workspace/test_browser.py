"""The browser of the tests is one that nobody looks at, and otherwise as Playwright would have it."""

import re

import pytest

from tests.support.browser import CHROMIUM, chromium


@pytest.mark.browser
def test_what_playwright_turns_off_stays_off() -> None:
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    with chromium() as browser:
        page = browser.new_page()
        page.goto("chrome://version")
        started = page.locator("#command_line").inner_text()
    playwrights, ours = re.findall(r"--disable-features=(\S+)", started)
    assert set(playwrights.split(",")) < set(ours.split(","))
