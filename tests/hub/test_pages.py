"""The pages as people see them: in light and dark, on a telephone and a wall, by keyboard, without JavaScript."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from threading import Barrier
from urllib.parse import quote

import httpx
import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.forms import PAGES
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.places import ServerPlace
from playwright.sync_api import Browser, Page

from tests.hub.runtime_contract import until
from tests.support.browser import Visit, chromium, sign_in, visit
from tests.support.hub import RunningHub, running_hub
from tests.support.names import owners_url

WIDTHS = (360, 1400, 2560)
LEAST_CONTRAST = 4.5
ROUNDS = 10
QUERY = "reset&path=a%2Fb%20c&next=https%3A%2F%2Faway.example%2F"
WORDS = ("ink", "quiet", "accent", "refused", "attention", "done")
PAPERS = ("paper", "raised")
NOTICES = (("ink", "refused-paper"), ("ink", "attention-paper"), ("ink", "done-paper"))
OWN = (("refused", "refused-paper"), ("attention", "attention-paper"), ("done", "done-paper"), ("on-accent", "accent"))


def _colours() -> dict[str, dict[str, str]]:
    text = (PAGES / "bowerbird.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return {"light": found, "dark": found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))}


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("word", "paper"), [*product(WORDS, PAPERS), *NOTICES, *OWN])
def test_every_word_stands_out_from_its_paper(scheme: str, word: str, paper: str) -> None:
    colours = _colours()[scheme]
    assert _contrast(colours[word], colours[paper]) >= LEAST_CONTRAST


def test_stylesheet_is_short_and_asks_for_nothing() -> None:
    text = (PAGES / "bowerbird.css").read_text()
    assert len(text.splitlines()) <= 240
    assert not re.search(r"url\(|@import|@font-face", text)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path_factory.mktemp("pages") / "var")) as hub:
        yield hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def seen(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    with visit(browser, tmp_path / "pictures") as seen:
        yield seen


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


ADDRESSES: dict[str, Callable[[str], str]] = {
    "profiles": lambda _: "hub/spawn",
    "servers": lambda _: "hub/home",
    "not-running": lambda name: f"hub/user/{name}/lab",
    "absent": lambda _: "hub/nothing-here",
    "refused": lambda _: "hub/spawn?opt-profile=reduction",
    "tokens": lambda _: "hub/token",
    "connect": lambda _: "hub/connect",
    "administration": lambda _: "hub/admin",
}


@pytest.mark.root
@pytest.mark.browser
@pytest.mark.parametrize("name", ADDRESSES)
def test_page_fits_every_width_and_names_what_it_shows(hub: RunningHub, seen: Visit, name: str) -> None:
    who = "admin" if name == "administration" else "visitor"
    sign_in(seen.page, hub.url, who)
    seen.page.goto(hub.url + ADDRESSES[name](who))
    for width in WIDTHS:
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.picture(f"{name}-{width}")
        assert fits(seen.page), f"{name} is wider than {width} px"
    assert seen.page.title().endswith(" – Test platform")
    assert seen.page.locator("h1").count() == 1
    unnamed = seen.page.locator("input:visible:not([aria-label])").evaluate_all("found => found.filter(one => !one.labels.length).length")
    assert unnamed == 0


@pytest.mark.root
def test_pages_may_load_nothing_from_elsewhere_and_stand_in_no_frame(hub: RunningHub) -> None:
    headers = hub.sign_in("visitor").get("hub/home").headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == f"'self' http://*.localhost:{hub.ports.public}"
    rest = headers["content-security-policy"].replace(policy["form-action"], "")
    assert not re.search(r"https?:|\*", rest)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.root
def test_server_of_which_only_the_form_was_seen_is_not_there_and_can_be_started(hub: RunningHub) -> None:
    person = hub.sign_in("looker")
    for _ in range(2):
        assert 'name="profile"' in person.get("hub/spawn/looker/second").text
        assert person.model("second") is None
        assert "servers/second" not in person.get("hub/home").text
    person.start("minimal", "second")
    person.get("hub/spawn/looker/second")
    assert (person.model("second") or {})["ready"]
    person.stop("second")
    # It was started once: to look at the form again takes nothing away.
    person.get("hub/spawn/looker/second")
    assert person.model("second") is not None
    person.get("hub/spawn/looker/third?display_name=My%20third")
    assert (person.model("third") or {})["display_name"] == "My third"


def at_once(*acts: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Return what each answers, all asked in the same moment, as by tabs of one browser."""
    gate = Barrier(len(acts))

    def act(one: Callable[[], httpx.Response]) -> httpx.Response:
        gate.wait()
        return one()

    with ThreadPoolExecutor(len(acts)) as tabs:
        return list(tabs.map(act, acts))


@pytest.mark.root
@pytest.mark.parametrize(("looks", "starts"), [(5, 1), (0, 3)])
def test_tabs_that_look_at_and_start_a_new_server_at_once_do_not_trip_over_each_other(hub: RunningHub, looks: int, starts: int) -> None:
    person = hub.sign_in(f"tabs{starts}")
    for server in (f"new{turn}" for turn in range(ROUNDS)):
        look = partial(person.get, f"hub/spawn/{person.name}/{server}")
        # Of a profile that is not there, so that a round is over at once.
        start = partial(person.post_form, {"profile": "none"}, server)
        assert {answer.status_code for answer in at_once(*[look] * looks, *[start] * starts)} <= {200, 400, 403}


@pytest.mark.root
def test_tabs_that_start_one_server_are_all_led_to_it(hub: RunningHub) -> None:
    person = hub.sign_in("tabs")
    start = partial(person.post_form, {"profile": "minimal"}, "shared")
    assert {answer.status_code for answer in [*at_once(start, start), start()]} == {200}
    assert (person.wait(lambda model: bool(model and model["ready"]), "shared") or {})["ready"]
    assert start().url.path.startswith("/user/tabs/shared/")
    person.stop("shared")


@pytest.mark.root
@pytest.mark.browser
def test_profile_is_chosen_and_stopped_by_keyboard(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "owner")
    page.locator("input[name=profile]").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("input[name=profile]:checked").get_attribute("value") == "reduction"
    page.keyboard.press("Enter")
    page.get_by_text("Waiting for JupyterLab to answer").wait_for()
    seen.picture("starting")
    page.wait_for_url("**/user/owner/lab*")
    page.goto(f"{hub.url}hub/home")
    page.get_by_role("row", name="Your server").get_by_text("ESO reduction").wait_for()
    seen.picture("running")
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    page.get_by_text("does not run").wait_for()


@pytest.mark.root
@pytest.mark.browser
def test_server_starts_and_opens_without_javascript(hub: RunningHub, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(60_000)
    page = context.new_page()
    sign_in(page, hub.url, "researcher")
    page.get_by_label("Minimal").check()
    page.get_by_role("button", name="Start").click()
    # The page that waits looks again by itself.
    page.wait_for_url("**/user/researcher/lab*")
    context.close()
    hub.sign_in("researcher").stop()


@pytest.mark.root
@pytest.mark.browser
def test_refusal_stands_above_the_form(hub: RunningHub, seen: Visit, tmp_path: Path) -> None:
    original = hub.platform.read_text()
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    hub.edit(original.replace("/nonexistent/environment", str(tmp_path)))
    try:
        until(hub.settled)
        sign_in(seen.page, hub.url, "owner")
        seen.page.get_by_label("Not installed").check()
        # It goes while the form is looked at.
        python.unlink()
        seen.page.get_by_role("button", name="Start").click()
        seen.page.get_by_role("alert").get_by_text("is not installed on this machine").wait_for()
    finally:
        hub.edit(original)
    seen.picture("refused")
    assert seen.page.get_by_role("button", name="Start").is_enabled()


@pytest.mark.root
@pytest.mark.browser
def test_admin_sees_what_is_wrong_with_the_platform_file(hub: RunningHub, seen: Visit) -> None:
    original = hub.platform.read_text()
    sign_in(seen.page, hub.url, "admin")
    hub.edit(original.replace("cpu: 1,", "cpus: 1,", 1))
    try:
        for _ in range(30):
            seen.page.goto(f"{hub.url}hub/home")
            if seen.page.get_by_role("alert").count():
                break
            seen.page.wait_for_timeout(100)
        alert = seen.page.get_by_role("alert").first.inner_text()
        seen.picture("broken")
    finally:
        hub.edit(original)
    assert "platform.yaml:" in alert
    assert "cpus" in alert


@pytest.mark.root
@pytest.mark.browser
def test_one_more_server_is_named_and_started_beside_the_first(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "visitor")
    page.goto(f"{hub.url}hub/home")
    page.get_by_label("Name of the server").fill("second")
    page.keyboard.press("Enter")
    page.get_by_label("Minimal").check()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/visitor/second/lab*")
    page.goto(f"{hub.url}hub/home")
    page.get_by_role("row", name="second").get_by_role("button", name="Stop").click()
    page.get_by_role("row", name="second").get_by_role("button", name="Remove").click()
    page.get_by_role("row", name="second").wait_for(state="detached")


@pytest.mark.root
@pytest.mark.browser
def test_token_is_made_shown_once_and_ended(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "visitor")
    page.goto(f"{hub.url}hub/token")
    page.get_by_label("What it is for").fill("nightly pipeline")
    page.get_by_label("What it allows").fill("no:such-scope")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("alert").get_by_text("no:such-scope").wait_for()
    page.get_by_label("What it allows").fill("read:users!user=visitor")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("#token:visible").inner_text()
    seen.picture("token-made")
    proof = {"Authorization": f"token {token}"}
    assert httpx.get(f"{hub.url}hub/api/user", headers=proof).json()["name"] == "visitor"
    page.reload()
    assert token not in page.content()
    page.get_by_role("button", name="End nightly pipeline").click()
    page.get_by_role("row", name="nightly pipeline").wait_for(state="detached")
    assert httpx.get(f"{hub.url}hub/api/user", headers=proof).status_code == 403


@pytest.mark.root
@pytest.mark.browser
def test_token_for_tables_is_made_and_revoked_and_no_second_one_by_loading_the_page_again(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "visitor")
    page.get_by_role("link", name="Connect").click()
    page.get_by_label("What it is for").fill("my laptop")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("#token").inner_text()
    assert token in page.locator("#keep").inner_text()
    assert token not in page.url
    page.reload()
    assert token not in page.content()
    assert page.get_by_role("row", name="my laptop").count() == 1
    page.get_by_role("button", name="Revoke my laptop").click()
    page.get_by_role("row", name="my laptop").wait_for(state="detached")


@pytest.mark.root
@pytest.mark.browser
def test_admin_finds_a_person_stops_their_server_and_starts_it(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    researcher = hub.sign_in("researcher")
    researcher.start("minimal")
    sign_in(page, hub.url, "admin")
    page.goto(f"{hub.url}hub/admin")
    row = page.get_by_role("row", name="researcher")
    row.get_by_text("Minimal").wait_for()
    seen.picture("administration")
    page.get_by_label("Find by name or team").fill("ESO")
    assert page.get_by_role("row", name="admin").count() == 0
    row.get_by_role("button", name="Stop").click()
    row.get_by_role("link", name="Start").click()
    page.get_by_role("heading", name="Start a server for researcher").wait_for()
    page.get_by_label("Minimal").check()
    page.get_by_role("button", name="Start").click()
    # Not to the server itself, which is not theirs to open.
    page.get_by_role("heading", name="Administration").wait_for()
    researcher.wait(lambda model: bool(model and model["ready"]))
    researcher.stop()


@pytest.mark.root
@pytest.mark.browser
def test_who_comes_to_the_browser_after_a_sign_out_goes_back_to_no_page_of_before(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "admin")
    page.goto(f"{hub.url}hub/admin")
    page.get_by_role("heading", name="Administration").wait_for()
    page.get_by_role("link", name="Sign out").click()
    page.get_by_label("User name").wait_for()
    page.go_back()
    page.get_by_label("User name").wait_for()
    assert page.get_by_role("heading", name="Administration").count() == 0


@pytest.mark.root
def test_page_for_admins_is_refused_in_plain_words(hub: RunningHub) -> None:
    answer = hub.sign_in("visitor").get("hub/admin")
    assert answer.status_code == 403
    assert "Who can change that: the admins of the platform (admin@example.org)." in answer.text
    assert "scope" not in answer.text


@pytest.mark.root
@pytest.mark.browser
def test_space_with_little_room_left_is_told_to_whom_it_belongs(hub: RunningHub, seen: Visit) -> None:
    spaces = {"home/visitor": "Your home is 91 % full.", "home/owner": "Not the visitor's.", "team/eso": "Nor this."}
    hub.var.usage.parent.mkdir(exist_ok=True)
    hub.var.usage.write_text(json.dumps({"spaces": {space: {"words": words} for space, words in spaces.items()}}))
    try:
        sign_in(seen.page, hub.url, "visitor")
        seen.page.goto(f"{hub.url}hub/home")
        seen.picture("little room left")
        assert seen.page.locator(".notice").all_inner_texts() == ["Your home is 91 % full."]
    finally:
        hub.var.usage.unlink()


def leads_back_to(page: Page) -> str:
    """Return where the page goes by itself."""
    return (page.locator("meta[http-equiv=refresh]").get_attribute("content") or "").partition("url=")[2]


@pytest.mark.root
@pytest.mark.browser
def test_page_of_a_server_that_does_not_answer_says_what_the_hub_knows_of_it(hub: RunningHub, seen: Visit) -> None:
    page, person, away = seen.page, hub.sign_in("visitor"), "This does not answer at the moment"
    lab = f"{owners_url(hub.url, 'visitor')}user/visitor/lab"
    sign_in(page, hub.url, "visitor")
    person.start("minimal")
    socket = ServerPlace(hub.var, "visitor", "").socket
    hidden = socket.rename(socket.with_suffix(".hidden"))
    # The hub looks at the process, and believes that the server runs on.
    words, obituaries = "Your server's node does not answer the cluster since 12:00 UTC.", Obituaries(hub.var.run / "obituaries.json")
    obituaries.write("visitor", "", words)
    try:
        page.goto(f"{hub.url}user/visitor/lab?token=of-the-servers-alone")
        page.get_by_role("heading", name="The server does not answer").wait_for()
        assert leads_back_to(page) == lab
        page.goto(f"{lab}?{QUERY}&redirects=3")
        page.get_by_role("heading", name="The server does not answer").wait_for()
        assert leads_back_to(page) == f"{lab}?{QUERY}"
        (said,) = page.get_by_role("alert").all_inner_texts()
        assert re.fullmatch(rf"[0-9-]+ [0-9:]+ UTC: {re.escape(words)}", said)
        seen.picture("not-answering")
        stranger = hub.sign_in("outsider").get("hub/not-answering?at=/user/visitor/lab")
        assert (stranger.status_code, words in stranger.text) == (404, False)
        hidden.rename(socket)
        page.wait_for_url(lambda address: "not-answering" not in address)
        page.get_by_role("heading", name=away).wait_for(state="detached")
        assert "/user/visitor/lab" in page.url
    finally:
        obituaries.forget("visitor", "")
        person.stop()
    not_running = person.get(f"hub/not-answering?at={quote(f'/user/visitor/lab?{QUERY}')}")
    assert (not_running.status_code, str(not_running.url)) == (424, f"{hub.url}hub/user/visitor/lab?{QUERY}")


@pytest.mark.root
@pytest.mark.parametrize(
    "at",
    [
        "//away.example/user/visitor/",
        "https://away.example/user/visitor/",
        "/user/visitor@away.example/",
        "/user/visitor/%0alab?a=b",
        "/user/?/visitor/",
    ],
)
def test_page_of_a_server_that_does_not_answer_leads_to_no_other_place(hub: RunningHub, at: str) -> None:
    assert hub.sign_in("visitor").get(f"hub/not-answering?at={quote(at, safe='/%')}").status_code == 404


@pytest.mark.root
@pytest.mark.browser
def test_page_waits_in_words_while_the_hub_is_away_and_goes_on_by_itself(hub: RunningHub, seen: Visit) -> None:
    page = seen.page
    sign_in(page, hub.url, "visitor")
    hub.kill_hub()
    try:
        answer = page.goto(f"{hub.url}hub/home")
        assert answer is not None
        assert answer.status == 503
        page.get_by_role("heading", name="This does not answer at the moment").wait_for()
        seen.picture("away")
    finally:
        hub.start_hub()
    page.get_by_role("heading", name="Your servers").wait_for()
