"""The demo CAS server's pages, in a real browser: light and dark, wide and narrow, by keyboard, and nothing from elsewhere."""

import copy
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.sign_on import demo_accounts
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, visit
from tests.support.cas import DemoCAS, demo_cas
from tests.support.sign_on_hub import PLATFORM

pytestmark = pytest.mark.browser
HOME = "http://127.0.0.1:9/"
SERVICE = f"{HOME}hub/cas/callback?state=x"
LEAST_CONTRAST = 4.5

# The contrast of each text with what lies behind it, by the formula of WCAG 2.1.
CONTRASTS = """() => {
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.getClientRects().length)
    .map(e => {
      const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))];
      return [e.textContent.trim().slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Var:
    made = Var(tmp_path_factory.mktemp("pages") / "var")
    made.root.mkdir()
    accounts = {"sign_on": {"demo": {"accounts": {"researcher": {"title": "A researcher"}}}}}
    demo_accounts.write(Platform.model_validate({**copy.deepcopy(PLATFORM), **accounts}), made, HOME, [SERVICE.partition("?")[0]])
    return made


@pytest.fixture(scope="module")
def cas(var: Var) -> Iterator[DemoCAS]:
    with demo_cas(var.cas, demo_accounts.server_file(var)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.rootpath) / ".bowerbird" / "pictures"


def open_page(page: Page, cas: DemoCAS, which: str) -> None:
    addresses = {
        "sign-in": f"/login?service={SERVICE}",
        "refused": "/login?service=http://evil.example.org/",
        "signed-out": "/logout",
        "nothing": "/nothing",
        "wrong": f"/login?service={SERVICE}",
    }
    page.goto(cas.url + addresses[which])
    if which == "wrong":
        page.fill("input[name=username]", "researcher")
        page.fill("input[name=password]", "wrong")
        page.click("button[type=submit]")
        page.wait_for_selector(".refusal")


@pytest.mark.parametrize("which", ["sign-in", "wrong", "refused", "signed-out", "nothing"])
def test_a_page_can_be_read_in_light_and_dark_wide_and_narrow(browser: Browser, cas: DemoCAS, pictures: Path, which: str):
    with visit(browser, pictures) as seen:
        open_page(seen.page, cas, which)
        for width in (360, 1400):
            seen.page.set_viewport_size({"width": width, "height": 800})
            seen.picture(f"cas-{which}-{width}")
            assert seen.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            for scheme in ("dark", "light"):
                seen.page.emulate_media(color_scheme=scheme)
                contrasts = seen.page.evaluate(CONTRASTS)
                assert len(contrasts) >= 3
                assert [(text, ratio) for text, ratio in contrasts if ratio < LEAST_CONTRAST] == []


def test_the_form_works_by_keyboard_and_names_its_fields(browser: Browser, cas: DemoCAS, var: Var, pictures: Path):
    with visit(browser, pictures) as seen:
        page = seen.page
        page.goto(f"{cas.url}/login")
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.type("researcher")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Password", exact=True)).to_be_focused()
        page.keyboard.type(var.accounts.read_text().split()[1])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Signed in")).to_be_visible()
        seen.picture("cas-signed-in")
        page.get_by_role("link", name="Sign out").click()
        expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
        assert seen.complaints == []


def test_a_password_manager_finds_its_fields(browser: Browser, cas: DemoCAS, pictures: Path):
    with visit(browser, pictures) as seen:
        seen.page.goto(f"{cas.url}/login")
        assert seen.page.get_attribute("input[name=username]", "autocomplete") == "username"
        assert seen.page.get_attribute("input[name=password]", "autocomplete") == "current-password"
        assert seen.page.get_attribute("input[name=password]", "type") == "password"


def test_the_form_may_send_the_browser_to_the_platform(browser: Browser, cas: DemoCAS, var: Var, pictures: Path):
    with visit(browser, pictures) as seen:
        page = seen.page
        page.route(f"{HOME}**", lambda route: route.fulfill(body="arrived"))
        page.goto(f"{cas.url}/login?service={SERVICE}")
        page.fill("input[name=username]", "researcher")
        page.fill("input[name=password]", var.accounts.read_text().split()[1])
        page.click("button[type=submit]")
        page.wait_for_url(f"{HOME}**")
        assert "ticket=ST-" in page.url
        assert seen.complaints == []


def test_a_mistake_of_its_own_has_a_page_too(browser: Browser, var: Var, tmp_path: Path, pictures: Path):
    (tmp_path / "cas").mkdir()
    with demo_cas(tmp_path / "cas", demo_accounts.server_file(var)) as harmed, visit(browser, pictures) as seen:
        with closing(sqlite3.connect(tmp_path / "cas" / "cas.sqlite")) as database:
            database.execute("DROP TABLE django_session")
        answer = seen.page.goto(f"{harmed.url}/login?service={SERVICE}")
        assert answer is not None
        assert answer.status == 500
        expect(seen.page.get_by_role("heading", name="Signing in is not possible now")).to_be_visible()
        expect(seen.page.get_by_role("link", name="Try again")).to_have_attribute("href", HOME)
        seen.picture("cas-broken")
