"""A headless Chromium whose pages may speak to this machine only."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.named_sign_on import PASSWORD

# The lab hears of the browser's new scheme a moment later, and only then shows that it is at work.
THEME_MS = 300
# A page on a machine with other work shows what it is to show, but not always within Playwright's own five seconds.
expect.set_options(timeout=30_000)
CHROMIUM = Path("/usr/bin/chromium")
LOCAL = re.compile(r"^(https?|wss?)://(127\.0\.0\.1|([a-z0-9-]+\.)*localhost|\[::1\])(:\d+)?(/|$)|^(data|blob|about|chrome-error):")
# Without these Chromium itself looks up hosts of its maker at every start.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Chromium loads two hundred files into the address bar of each window, which nobody sees: more than a second of processor time.
_ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
# Of several such lists Chromium heeds the last alone; these are what Playwright itself turns off.
_PLAYWRIGHTS = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
TURNED_OFF = "--disable-features=" + ",".join((*_PLAYWRIGHTS, *_ADDRESS_BAR))
# Maps of the sky are drawn by WebGL; a machine without a graphics card computes it.
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@dataclass
class Visit:
    """One person's browser: its page, what left the machine, and what the console complained of."""

    page: Page
    pictures: Path
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def picture(self, name: str) -> None:
        """Keep the page as it looks now, in light and in dark."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            # The lab covers itself while it changes its theme.
            self.page.wait_for_function("scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", arg=scheme)
            self.page.wait_for_timeout(THEME_MS)
            self.page.wait_for_selector("#jupyterlab-splash", state="detached")
            self.page.screenshot(path=self.pictures / f"{name}-{scheme}.png")


def sign_in(page: Page, hub_url: str, name: str) -> None:
    """Sign in on the page of the tests' own sign-on, and return when the profiles are there."""
    page.goto(f"{hub_url}hub/login")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(".profile")


def _watch(visit: Visit, context: BrowserContext, known: re.Pattern[str]) -> None:
    context.on("request", lambda request: None if known.match(request.url) else visit.outside.append(request.url))
    visit.page.on("console", lambda message: visit.complaints.append(message.text) if message.type == "error" else None)


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Run one browser for a module's tests, with more arguments where they are given."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*ARGUMENTS, TURNED_OFF, *more])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, pictures: Path, known: re.Pattern[str] = LOCAL) -> Iterator[Visit]:
    """Open a fresh browser profile; leaving it fails when a request went to an address that is not a KNOWN one."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, ignore_https_errors=False)
    context.set_default_timeout(60_000)
    seen = Visit(context.new_page(), pictures)
    _watch(seen, context, known)
    try:
        yield seen
    finally:
        context.close()
    assert not seen.outside, f"requests left the machine: {seen.outside}"
