"""One person's page in another person's browser: what it tries, and that nothing comes of it."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bowerbird_config.paths import Var
from playwright.sync_api import Browser

from tests.support.browser import CHROMIUM, Visit, chromium, sign_in, visit
from tests.support.hub import Person, RunningHub, running_hub
from tests.support.names import owners_url

pytestmark = [
    pytest.mark.root,
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
SERVER_MS = 60_000
# Who owns a server decides what it serves: a page that asks nobody who they are, and cookies for whom it likes.
SERVER_CONFIG = """
from jupyter_server.serverapp import ServerWebApplication
from tornado.web import RequestHandler

class Trap(RequestHandler):
    def get(self):
        for name, path in (("jupyterhub-hub-login", "/hub/"), ("jupyterhub-session-id", "/"), ("_xsrf", "/hub/")):
            self.add_header("Set-Cookie", f"{name}=planted; Domain=localhost; Path={path}")
        self.set_header("Content-Type", "text/html")
        self.finish("<!DOCTYPE html><title>trap</title><body>a page</body>")

made = ServerWebApplication.init_handlers
ServerWebApplication.init_handlers = lambda self, *a, **k: [(r"/user/owner/trap", Trap), *made(self, *a, **k)]
"""
# Each answers with what it got; `none` is what an attack should get.
ATTACKS = {
    "reads the hub's pages": "async (hub) => (await fetch(hub + 'hub/token', {credentials: 'include'})).text()",
    "reads the hub's API": "async (hub) => (await fetch(hub + 'hub/api/users', {credentials: 'include'})).text()",
    "sees an opaque page": "async (hub) => (await fetch(hub + 'hub/home', {credentials: 'include', mode: 'no-cors'})).text()",
    "makes a token": """async (hub) => (await fetch(hub + 'hub/api/users/admin/tokens',
        {method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}'})).text()""",
    "reads the hub under its own name": "async () => (await fetch('/hub/api/users', {credentials: 'include'})).json().then(a => a.users)",
    "reads the other's files": "async (hub, own) => (await fetch(own + 'api/contents', {credentials: 'include'})).text()",
    "starts a kernel there": """async (hub, own) => (await fetch(own + 'api/kernels',
        {method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}'})).text()""",
    "opens a terminal there": """(hub, own) => new Promise((answer) => {
        const socket = new WebSocket(own.replace('http', 'ws') + 'terminals/websocket/1');
        socket.onopen = () => answer('open'); socket.onerror = () => answer('');
    })""",
    "frames the hub": """(hub) => new Promise((answer) => {
        const frame = document.createElement('iframe');
        frame.onload = () => { try { answer(frame.contentDocument.body.innerText); } catch { answer(''); } };
        frame.src = hub + 'hub/token';
        document.body.append(frame);
    })""",
    "frames the other's server": """(hub, own) => new Promise((answer) => {
        const frame = document.createElement('iframe');
        frame.onload = () => { try { answer(frame.contentDocument.body.innerText); } catch { answer(''); } };
        frame.src = own + 'lab';
        document.body.append(frame);
    })""",
    "looks into a window": """async (hub) => {
        const opened = window.open(hub + 'hub/token');
        await new Promise((done) => setTimeout(done, 1500));
        try { return opened.document.body.innerText; } catch { return ''; } finally { opened.close(); }
    }""",
    "plants cookies": """async () => {
        for (const name of ['jupyterhub-hub-login', 'jupyterhub-session-id', '_xsrf', 'bowerbird-sign-on-web'])
            for (const path of ['/', '/hub/', '/hub/cas/'])
                document.cookie = `${name}=planted; Domain=localhost; Path=${path}`;
        return '';
    }""",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path_factory.mktemp("apart") / "var")) as hub:
        yield hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def owner(hub: RunningHub) -> Person:
    """Somebody whose server serves a trap."""
    person = hub.sign_in("owner")
    person.start("minimal")
    person.stop()
    config = hub.var.homes / "owner" / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir()
    config.write_text(SERVER_CONFIG)
    home = config.parents[1].stat()
    os.chown(config.parent, home.st_uid, home.st_gid)
    person.start("minimal")
    return person


@pytest.fixture(scope="module")
def admin(hub: RunningHub, owner: Person, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """The other person: signed in, an admin, with a server that runs, and a link to the trap opened."""
    with visit(browser, tmp_path_factory.mktemp("pictures")) as seen:
        sign_in(seen.page, hub.url, "admin")
        seen.page.click("form [type=submit]")
        seen.page.wait_for_url("**/user/admin/lab**", timeout=SERVER_MS)
        assert seen.page.url.startswith(owners_url(hub.url, "admin"))
        yield seen


def kept(seen: Visit, hub: RunningHub) -> dict[tuple[str, str], Any]:
    """Return the cookies that the hub would be sent."""
    return {(cookie["name"], cookie["path"]): (cookie["value"], cookie["domain"]) for cookie in seen.page.context.cookies(f"{hub.url}hub/")}


@pytest.mark.parametrize("attack", ATTACKS)
def test_page_of_another_gets_nothing(hub: RunningHub, owner: Person, admin: Visit, attack: str) -> None:
    # The hub renews its XSRF cookie with the first page after a sign-in, and after a form that came without the session.
    admin.page.goto(f"{hub.url}hub/home")
    before = kept(admin, hub)
    trap, own = owners_url(hub.url, "owner") + "user/owner/trap", owners_url(hub.url, "admin") + "user/admin/"
    admin.page.goto(trap)
    code = f"async ([hub, own]) => {{ try {{ return await ({ATTACKS[attack]})(hub, own); }} catch {{ return ''; }} }}"
    assert not admin.page.evaluate(code, [hub.url, own])
    assert kept(admin, hub) == before
    assert {domain for _, domain in before.values()} == {"localhost"}


@pytest.mark.parametrize("attack", ["reads the hub's pages", "reads the hub's API", "looks into a window"])
def test_the_same_page_gets_it_within_one_origin(hub: RunningHub, admin: Visit, attack: str) -> None:
    """What is tried is no empty threat: the hub's own page gets an answer."""
    admin.page.goto(f"{hub.url}hub/home")
    assert admin.page.evaluate(f"([hub]) => ({ATTACKS[attack]})(hub)", [hub.url])


FORMS: dict[str, Callable[[str, str], str]] = {
    "a token": lambda hub, _: f"{hub}hub/api/users/admin/tokens",
    "a server": lambda hub, _: f"{hub}hub/spawn/admin/theirs",
    "a kernel": lambda _, own: f"{own}api/kernels",
}


@pytest.mark.parametrize("what", FORMS)
def test_form_of_another_makes_nothing(hub: RunningHub, owner: Person, admin: Visit, what: str) -> None:
    own = owners_url(hub.url, "admin") + "user/admin/"
    beside = hub.sign_in("admin")
    before = beside.api("GET", "users/admin/tokens").json(), sorted(beside.api("GET", "users/admin").json()["servers"])
    admin.page.goto(owners_url(hub.url, "owner") + "user/owner/trap")
    with admin.page.expect_navigation() as answer:
        admin.page.evaluate(
            """(action) => {
                const form = Object.assign(document.createElement('form'), {method: 'post', action, enctype: 'text/plain'});
                form.append(Object.assign(document.createElement('input'), {name: '{"profile": "minimal", "x": "', value: '"}'}));
                document.body.append(form);
                form.submit();
            }""",
            FORMS[what](hub.url, own),
        )
    assert answer.value.status >= 400
    after = beside.api("GET", "users/admin/tokens").json(), sorted(beside.api("GET", "users/admin").json()["servers"])
    assert [token["id"] for token in after[0]["api_tokens"]] == [token["id"] for token in before[0]["api_tokens"]]
    assert after[1] == before[1]
    admin.page.goto(f"{own}api/kernels")
    assert json.loads(admin.page.inner_text("body")) == []


def test_person_goes_on_as_before(hub: RunningHub, owner: Person, admin: Visit) -> None:
    admin.page.goto(owners_url(hub.url, "owner") + "user/owner/trap")
    admin.page.goto(f"{hub.url}hub/home")
    assert "admin" in admin.page.inner_text(".who")
    admin.page.click("#start")
    admin.page.wait_for_selector("#jp-main-dock-panel", timeout=SERVER_MS)
    assert admin.page.url.startswith(owners_url(hub.url, "admin"))


def test_trap_was_sent_no_cookie_of_the_hub(hub: RunningHub, owner: Person, admin: Visit) -> None:
    admin.page.goto(f"{hub.url}hub/home")
    answer = admin.page.goto(owners_url(hub.url, "owner") + "user/owner/trap")
    assert answer is not None
    sent = answer.request.all_headers().get("cookie", "")
    assert not any(name in sent for name in ("hub-login", "session-id"))
