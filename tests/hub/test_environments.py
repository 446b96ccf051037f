"""Profiles whose environment is an image's, on one machine: servers run in it, or people are told what is lacking."""

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.images.on_machine import SYSTEM_PATH
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from playwright.sync_api import Browser, expect

from tests.hub.runtime_contract import told_by, until
from tests.support.browser import chromium, sign_in, visit
from tests.support.hub import PLATFORM, ROOT, RunningHub, running_hub

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

INSTALL = Install(ROOT)
AAT = INSTALL.environment("aat")
HAS_ESOREX = shutil.which("esorex", path=SYSTEM_PATH) is not None
COMMAND = "apt-get install --no-install-recommends esorex cpl-plugin-amber "
TEXT = PLATFORM.replace(
    "runtime:",
    """\
  lines: {title: AAOmega, environment: aat, memory: 1 GiB, cpu: 1, teams: everyone, contains: [ccdproc, specreduce]}
  uves: {title: ESO UVES, description: "Recipes of esorex", environment: eso, memory: 2 GiB, cpu: 2, teams: everyone, contains: [esorex]}
runtime:""",
)
needs_aat = pytest.mark.skipif(not AAT.exists(), reason="needs the environment aat: ./bowerbird images install aat")
needs_esorex = pytest.mark.skipif(not HAS_ESOREX, reason="needs Debian's esorex: ./bowerbird images install eso says how")
without_esorex = pytest.mark.skipif(HAS_ESOREX, reason="this machine has esorex")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path_factory.mktemp("environments") / "var"), TEXT) as hub:
        yield hub


@needs_aat
def test_a_server_of_aat_runs_in_an_environment_of_its_own(hub: RunningHub) -> None:
    person = hub.sign_in("visitor")
    person.start("lines")
    try:
        found = told_by(
            person,
            """
            import logging, pathlib, subprocess, sys
            logging.disable(logging.WARNING)  # matplotlib says so where its first list of fonts takes long
            import bowerbird, ccdproc, specreduce
            lab = pathlib.Path(sys.prefix).with_name("lab")
            answer = {"prefix": sys.prefix, "of": [pathlib.Path(each.__file__).is_relative_to(sys.prefix) for each in (ccdproc, bowerbird)],
                      "python": subprocess.run(["sh", "-c", "command -v python"], capture_output=True, text=True).stdout.strip(),
                      "lab": lab.exists(), "aladin": (pathlib.Path(sys.prefix) / "share/bowerbird/aladin-lite/aladin.js").exists()}
            """,
        )
    finally:
        person.stop()
    assert found == {"prefix": str(AAT), "of": [True, True], "python": f"{AAT}/bin/python", "lab": False, "aladin": True}


@needs_esorex
def test_a_server_of_eso_has_debians_programs_beside_the_lab(hub: RunningHub) -> None:
    person = hub.sign_in("researcher")
    person.start("uves")
    try:
        found = told_by(
            person,
            """
            import subprocess, astropy.io.fits
            ran = subprocess.run(["esorex", "--recipes"], capture_output=True, text=True)
            answer = [ran.returncode, "uves_cal_mbias" in ran.stdout]
            """,
        )
    finally:
        person.stop()
    assert found == [0, True]


@without_esorex
def test_what_the_machine_lacks_is_one_sentence_in_form_and_api(hub: RunningHub) -> None:
    person = hub.sign_in("researcher")
    answer = person.api("POST", "users/researcher/server", {"user_options": {"profile": "uves"}})
    sentence = answer.json()["message"]
    assert answer.status_code == 503
    assert sentence.startswith(
        "The environment 'eso' of this profile is not installed on this machine. "
        f"The admins of the platform can install it, as root: {COMMAND}"
    )
    shown = person.get("hub/spawn").text
    assert '<input type="radio" name="profile" value="uves" disabled>' in shown
    assert sentence in html.unescape(shown.replace("<code>", "").replace("</code>", ""))


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser for one test: while one is there, no kernel can be talked with, for each has a loop of its own in this thread."""
    with chromium() as found:
        yield found


@without_esorex
@pytest.mark.browser
def test_a_profile_that_cannot_be_started_is_shown_and_read_out_and_not_chosen(hub: RunningHub, browser: Browser, tmp_path: Path) -> None:
    with visit(browser, tmp_path / "pictures") as seen:
        sign_in(seen.page, hub.url, "owner")
        # By its accessible name, which is what a screen reader says: title and reason.
        radio = seen.page.get_by_role("radio", name="ESO UVES", disabled=True)
        expect(radio).to_have_accessible_name(re.compile(f"is not installed on this machine.*{COMMAND}"))
        seen.page.get_by_text("ESO UVES").click(force=True)
        assert not radio.is_checked()
        assert seen.page.locator("input[name=profile]:checked").get_attribute("value") == "minimal"
        for width in (360, 1400):
            seen.page.set_viewport_size({"width": width, "height": 1200})
            seen.picture(f"unavailable-{width}")
            assert seen.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@without_esorex
def test_where_nothing_can_be_started_there_is_nothing_to_send(hub: RunningHub) -> None:
    hub.edit(
        TEXT.replace('Python and JupyterLab", memory', 'Python and JupyterLab", environment: eso, memory').replace(
            "environment: aat", "environment: eso"
        )
    )
    try:
        until(hub.settled)
        shown = hub.sign_in("visitor").get("hub/spawn").text
        assert shown.count("disabled>") == 3
        assert 'type="submit">Start' not in shown
    finally:
        hub.edit(TEXT)
        until(hub.settled)
