"""A person of the team and one of another: from the sign-in page to a picture cut out of a real image, and out again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import CHROMIUM, Visit, chromium, visit
from tests.system.conftest import Running

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
SERVER_MS = 90_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.rootpath) / ".bowerbird" / "pictures"


def sign_in(seen: Visit, platform: Running, account: str) -> None:
    page = seen.page
    page.goto(platform.url)
    seen.picture(f"{account}-1-sign-in")
    page.fill("input[name=username]", account)
    page.fill("input[name=password]", platform.password(account))
    page.click("button[type=submit], input[type=submit]")
    page.wait_for_url("**/hub/**")


def start(seen: Visit, profile: str) -> None:
    page = seen.page
    page.goto(re.sub(r"/hub/.*", "/hub/spawn", page.url))
    seen.picture(f"{profile}-2-profiles")
    page.check(f"input[name=profile][value={profile}]")
    page.click("form [type=submit]")
    page.wait_for_url("**/lab**", timeout=SERVER_MS)


def run_all(page: Page) -> None:
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=SERVER_MS)
    # The page has its picture from the file, before anything ran.
    expect(page.locator(".jp-OutputArea-output img").first).to_be_visible(timeout=SERVER_MS)
    # A kernel that is still starting may lose what a restart asks of it.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=SERVER_MS)
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-itemLabel:text-is('Restart Kernel and Run All Cells…')")
    page.click(".jp-Dialog-button.jp-mod-accept")
    # A folded cell shows no prompt; every other one gets a number when it has run.
    page.wait_for_function(
        """() => {
            const shown = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim()).filter(t => t);
            return shown.length > 3 && shown.every(text => /^\\[\\d+\\]:$/.test(text));
        }""",
        timeout=SERVER_MS,
    )


def outputs(page: Page) -> str:
    """Save the notebook and return what it holds: the page itself draws only the cells in sight."""
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    notebook = page.evaluate(
        """async () => {
            const [base, path] = location.pathname.split('/lab/tree/');
            const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]*)/)[1]};
            return (await fetch(`${base}/api/contents/${path}?content=1`, {headers})).json();
        }"""
    )
    found = [output for cell in notebook["content"]["cells"] for output in cell.get("outputs", [])]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain") or str(output) for output in found)


def sign_out(seen: Visit, platform: Running) -> None:
    page = seen.page
    page.goto(platform.url.rstrip("/") + "/hub/logout")
    page.goto(platform.url.rstrip("/") + "/hub/home")
    assert "/hub/home" not in page.url


def test_researcher_reads_surveys_and_the_teams_release(platform: Running, browser: Browser, pictures: Path) -> None:
    with visit(browser, pictures) as seen:
        sign_in(seen, platform, "researcher")
        start(seen, "survey")
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
        run_all(seen.page)
        seen.picture("visitor-3-lab")
        text = outputs(seen.page)
        assert "traceback" not in text.lower()
        assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC", text)
        assert "craft" in text.lower()
        sign_out(seen, platform)
