"""Sign-on as people do it: a real hub and the real demo CAS server, each in its own process."""

import copy
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.sign_on import demo_accounts
from bowerbird_hub.sign_on.cas_handlers import safe_path
from bowerbird_hub.state.state_files import read_json, write_json

from tests.support.cas import DemoCAS, demo_cas, free_port, logout_request, until
from tests.support.sign_on_hub import PLATFORM, Hub, browser, follow, running_hub

CRAFT_DN = "CN=Craft,OU=teams\\, all,DC=example,DC=org"
SERVER_FORGETS_SECONDS = 1  # the tests' hub starts its servers with --HubOAuth.cache_max_age=1
ACCOUNTS = ("researcher", "owner", "visitor", "blocked", "boss", "ageing", "leaver", "twice", "server", "stayer")
# Names that a directory may have and a platform file may not.
REFUSED_NAMES = ("team-craft", "service-vo", "root", "odd'one")


def described() -> dict[str, Any]:
    raw = copy.deepcopy(PLATFORM)
    accounts = {name: {"title": f"The {name}", "groups": [CRAFT_DN] if name == "researcher" else []} for name in ACCOUNTS}
    raw["sign_on"] = {"demo": {"accounts": accounts}, "block_users": ["blocked"], "admins": ["boss"]}
    return raw


@dataclass(frozen=True)
class House:
    """A hub with its demo CAS server, and the passwords."""

    hub: Hub
    cas: DemoCAS
    passwords: dict[str, str]

    def to_form(self, person: httpx.Client, to: str = "/hub/home") -> httpx.Response:
        page = follow(person, self.hub.url + to)
        assert str(page.url).startswith(f"{self.cas.url}/login")
        return page

    def ticket_url(self, person: httpx.Client, name: str, to: str = "/hub/home") -> str:
        """Sign in at the CAS server and return where it sends the browser, without going there."""
        answer = self.cas.submit(person, self.to_form(person, to), name, self.passwords[name])
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def sign_in(self, person: httpx.Client, name: str, to: str = "/hub/home") -> httpx.Response:
        return follow(person, self.ticket_url(person, name, to))

    @contextmanager
    def signed_in(self, name: str) -> Iterator[httpx.Client]:
        with browser(self.hub) as person:
            assert self.sign_in(person, name).url.path == "/hub/home"
            yield person

    def inside(self, person: httpx.Client) -> bool:
        return person.get(f"{self.hub.url}/hub/home").status_code == 200


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("sign on")
    var = Var(directory / "var")
    var.root.mkdir()
    port = free_port()
    home = f"http://127.0.0.1:{port}/"
    demo_accounts.write(Platform.model_validate(described()), var, home, [f"{home}hub/cas/callback"])
    _add_accounts_that_no_platform_file_may_have(var)
    passwords = dict(line.split()[:2] for line in var.accounts.read_text().splitlines())
    passwords |= dict.fromkeys(REFUSED_NAMES, passwords["researcher"])
    with demo_cas(var.cas, demo_accounts.server_file(var)) as cas, running_hub(directory, described(), port, cas.url) as hub:
        yield House(hub, cas, passwords)
        for name, ticket in (("hub", hub.log), ("CAS", cas.log.read_text())):
            assert not re.search(r"\b(ST|PT|PGT|TGT)-[A-Za-z0-9]{5}", ticket), f"a ticket stands in the log of the {name}"
        assert not [secret for secret in passwords.values() if secret in hub.log + cas.log.read_text()]


def _add_accounts_that_no_platform_file_may_have(var: Var) -> None:
    file = demo_accounts.server_file(var)
    told = read_json(file)
    told["accounts"] |= dict.fromkeys(REFUSED_NAMES, told["accounts"]["researcher"])
    write_json(file, told)


@pytest.fixture
def person(house: House) -> Iterator[httpx.Client]:
    with browser(house.hub) as fresh:
        yield fresh


def said(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text).replace("&#39;", "'").replace("&amp;", "&"))


def refused(page: httpx.Response, status: int, *words: str) -> None:
    assert page.status_code == status
    for word in (*words, "Who can change that: the admins of the platform (admins@example.org)"):
        assert word in said(page)
    assert "ticket=" not in page.text


# -- in ------------------------------------------------------------------------------------------------------------


def test_a_person_signs_in_and_arrives_where_they_wanted(house: House, person: httpx.Client):
    page = house.sign_in(person, "researcher", "/hub/home?x=1")
    assert (page.status_code, page.url.path, page.url.query) == (200, "/hub/home", b"x=1")
    user = house.hub.user("researcher")
    assert user["groups"] == ["craft"]
    assert sorted(user["roles"]) == ["team-craft-member", "user"]
    assert not user["admin"]


def test_an_owner_named_in_the_platform_file_gets_the_owners_role(house: House):
    with house.signed_in("owner"):
        assert sorted(house.hub.user("owner")["roles"]) == ["team-craft-member", "team-craft-owner", "user"]


def test_an_oversized_session_cookie_is_replaced(house: House, person: httpx.Client):
    url = house.ticket_url(person, "visitor")
    person.cookies.set("jupyterhub-session-id", "x" * 3000, domain="127.0.0.1", path="/")
    answer = person.get(url)
    assert any(value.startswith("jupyterhub-session-id=") and "xxx" not in value for value in answer.headers.get_list("set-cookie"))
    assert follow(person, f"{house.hub.url}/hub/home").status_code == 200


def test_an_admin_named_in_the_platform_file_administers(house: House):
    with house.signed_in("boss") as person:
        assert sorted(house.hub.user("boss")["roles"]) == ["platform-admin", "user"]
        assert person.get(f"{house.hub.url}/hub/admin").status_code == 200
    with house.signed_in("visitor") as person:
        assert person.get(f"{house.hub.url}/hub/admin").status_code == 403


def test_the_name_may_be_typed_in_any_case(house: House, person: httpx.Client):
    answer = house.cas.submit(person, house.to_form(person), " VISITOR ", house.passwords["visitor"])
    assert follow(person, answer.headers["location"]).url.path == "/hub/home"
    assert house.hub.user("visitor")["name"] == "visitor"


def test_a_second_sign_in_needs_no_password(house: House, person: httpx.Client):
    house.sign_in(person, "visitor")
    for name in ("jupyterhub-hub-login", "jupyterhub-session-id"):
        person.cookies.delete(name)
    assert follow(person, f"{house.hub.url}/hub/home").url.path == "/hub/home"


# -- refused -------------------------------------------------------------------------------------------------------


def test_a_blocked_person_reads_why_and_has_no_identity(house: House, person: httpx.Client):
    refused(house.sign_in(person, "blocked"), 403, "the platform file blocks the user 'blocked'")
    assert not house.inside(person)
    assert house.hub.api("/users/blocked").status_code == 404
    with closing(sqlite3.connect(house.hub.var.database)) as database:
        assert not database.execute("SELECT * FROM bowerbird_numbers WHERE name = 'blocked'").fetchall()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("team-craft", "kept for accounts that the platform makes"),
        ("service-vo", "kept for accounts that the platform makes"),
        ("root", "kept for the platform itself"),
        ("odd'one", "contains"),
    ],
)
def test_a_name_that_may_not_be_is_refused(house: House, person: httpx.Client, name: str, words: str):
    refused(house.sign_in(person, name), 403, words)
    assert house.hub.api(f"/users/{name}").status_code == 404


def test_a_wrong_password_signs_nobody_in(house: House, person: httpx.Client):
    answer = house.cas.submit(person, house.to_form(person), "researcher", "wrong")
    assert answer.status_code == 200
    assert "do not belong together" in answer.text
    assert not house.inside(person)


def test_a_ticket_is_good_once(house: House, person: httpx.Client):
    url = house.ticket_url(person, "visitor")
    kept = dict(person.cookies)
    assert follow(person, url).url.path == "/hub/home"
    with browser(house.hub) as again:
        for name, value in kept.items():
            again.cookies.set(name, value, domain="127.0.0.1")
        refused(again.get(url), 403, "used before")
        assert not house.inside(again)


def test_the_same_browser_cannot_use_its_answer_twice(house: House, person: httpx.Client):
    url = house.ticket_url(person, "visitor")
    follow(person, url)
    refused(person.get(url), 403, "not begun in this browser")


def test_a_ticket_for_another_sign_on_is_refused(house: House, person: httpx.Client):
    mine = house.ticket_url(person, "visitor")
    other = follow(person, f"{house.hub.url}/hub/home", lambda r: "ticket=" in r.headers["location"]).headers["location"]
    assert other != mine
    swapped = f"{house.hub.callback}?{urlencode({'state': _query(mine)['state'], 'ticket': _query(other)['ticket']})}"
    refused(person.get(swapped), 403, "given for another service")
    assert not house.inside(person)


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_ticket_sent_to_another_browser_signs_nobody_in(house: House, person: httpx.Client):
    url = house.ticket_url(person, "visitor")
    with browser(house.hub) as victim:
        refused(victim.get(url), 403, "not begun in this browser")
        assert not house.inside(victim)
        follow(victim, f"{house.hub.url}/hub/home")
        refused(victim.get(url), 403, "not begun in this browser")
        assert not house.inside(victim)


@pytest.mark.parametrize("ticket", ["", "PT-1-abcdefgh", "x" * 5000, "ST-1 2", "ST-%00", "ST-<script>alert(1)</script>"])
def test_what_is_no_ticket_never_reaches_the_cas_server(house: House, person: httpx.Client, ticket: str):
    state = _query(_query(str(house.to_form(person).url))["service"])["state"]
    asked = house.cas.log.read_text().count("serviceValidate")
    page = person.get(f"{house.hub.callback}?{urlencode({'state': state, 'ticket': ticket})}")
    refused(page, 400, "sign-on server sent")
    assert "<script>alert(1)" not in page.text
    assert house.cas.log.read_text().count("serviceValidate") == asked


def test_two_tickets_at_once_are_refused(house: House, person: httpx.Client):
    refused(person.get(house.ticket_url(person, "visitor") + "&ticket=ST-1-abcdefgh"), 400, "not a ticket")


def test_coming_back_without_a_ticket_ends_in_a_sentence_and_not_in_a_loop(house: House, person: httpx.Client):
    house.to_form(person)
    refused(person.get(f"{house.hub.callback}?state=x"), 403, "not begun in this browser")
    state = _query(_query(str(house.to_form(person).url))["service"])["state"]
    refused(person.get(f"{house.hub.callback}?state={state}"), 400, "sent no ticket")


def test_two_tabs_sign_in_side_by_side(house: House, person: httpx.Client):
    first, second = house.to_form(person, "/hub/home?tab=1"), house.to_form(person, "/hub/home?tab=2")
    answer = house.cas.submit(person, first, "visitor", house.passwords["visitor"])
    assert follow(person, answer.headers["location"]).url.query == b"tab=1"
    for name in ("jupyterhub-hub-login", "jupyterhub-session-id"):
        person.cookies.delete(name)
    assert follow(person, str(second.url)).url.query == b"tab=2"


# -- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_the_service_url_comes_from_the_configuration_alone(house: House, person: httpx.Client, header: str):
    headers = {header: "evil.example.org"}
    first = person.get(f"{house.hub.url}/hub/cas/login", headers=headers)
    if header == "Host":
        assert first.headers["location"] == f"{house.hub.url}/hub/cas/login?moved=1"
        first = person.get(f"{house.hub.url}/hub/cas/login?moved=1", headers=headers)
    service = _query(first.headers["location"])["service"]
    assert service.startswith(f"{house.hub.callback}?state=")


FOREIGN = (
    "https://evil.example.org/",
    "//evil.example.org/",
    "///evil.example.org/",
    "/\\evil.example.org/",
    "\\\\evil.example.org",
    "http:evil.example.org",
    "/hub/../..//evil.example.org",
    "/hub/%2e%2e/%2E%2e//evil.example.org",
    "/\t/evil.example.org",
    "javascript:alert(1)",
    "/hub/home\r\nX-Evil: 1",
    "/hub//evil.example.org",
    "/" + "a" * 5000,
)


@pytest.mark.parametrize("wanted", FOREIGN)
def test_no_next_leaves_the_hub(house: House, person: httpx.Client, wanted: str):
    form = follow(person, f"{house.hub.url}/hub/cas/login?{urlencode({'next': wanted})}")
    answer = house.cas.submit(person, form, "visitor", house.passwords["visitor"])
    landed = person.get(answer.headers["location"])
    assert landed.status_code == 302
    assert landed.headers["location"].startswith("/hub/")
    assert "evil" not in landed.headers["location"]
    assert "ticket" not in landed.headers["location"]


@pytest.mark.parametrize("wanted", FOREIGN)
def test_a_foreign_path_is_no_safe_path(wanted: str):
    assert safe_path(wanted) == ""


@pytest.mark.parametrize(
    "wanted", ["/hub/home", "/user/ann/lab/tree/a%20b.ipynb?reset", "/hub/spawn?opt-profile=eso#x", "/hub/api/oauth2/authorize?a=b%2Fc"]
)
def test_an_own_path_is_kept_as_it_is(wanted: str):
    assert safe_path(wanted) == wanted


def test_the_ticket_is_in_no_address_after_the_callback(house: House, person: httpx.Client):
    answer = person.get(house.ticket_url(person, "visitor", "/hub/spawn"))
    assert answer.headers["location"] == "/hub/spawn"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_the_state_cookie_is_for_the_sign_on_alone(house: House, person: httpx.Client):
    answer = person.get(f"{house.hub.url}/hub/cas/login")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("bowerbird-sign-on-"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/hub/cas/" in cookie
    assert _query(_query(answer.headers["location"])["service"])["state"] not in cookie


# -- while and out ---------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_here_and_at_the_cas_server(house: House, person: httpx.Client):
    house.sign_in(person, "leaver")
    copied = dict(person.cookies)
    page = follow(person, f"{house.hub.url}/hub/logout")
    assert (page.status_code, page.url.path) == (200, "/hub/cas/callback")
    assert not house.inside(person)
    assert str(follow(person, f"{house.hub.url}/hub/home").url).startswith(f"{house.cas.url}/login")
    with browser(house.hub) as thief:
        for name, value in copied.items():
            thief.cookies.set(name, value, domain="127.0.0.1", path="/")
        assert not house.inside(thief)


def test_a_page_of_another_site_signs_nobody_out(house: House, person: httpx.Client):
    house.sign_in(person, "stayer")
    asked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert person.get(f"{house.hub.url}/hub/logout", headers=asked).status_code == 403
    assert house.inside(person)


def test_signing_out_at_the_cas_server_ends_every_session_of_that_person(house: House):
    with house.signed_in("twice") as first, house.signed_in("twice") as second, house.signed_in("visitor") as bystander:
        first.get(f"{house.cas.url}/logout")
        assert not house.inside(first)
        assert not house.inside(second)
        assert house.inside(bystander)


@pytest.mark.parametrize("field", ["logoutRequest"])
def test_a_logout_request_that_names_no_known_ticket_has_no_effect(house: House, field: str):
    with house.signed_in("visitor") as person:
        for ticket in ("ST-99-forgedforged", "visitor", "PGT-1-abcdefgh"):
            answer = httpx.post(f"{house.hub.callback}?state=x", data={field: logout_request(ticket)})
            assert (answer.status_code, answer.content) == (200, b"")
        assert house.inside(person)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"logoutRequest": "<a/>"},
        {"logoutRequest": "<!DOCTYPE x [<!ENTITY a 'b'>]>" + logout_request("&a;")},
        {"logoutRequest": logout_request("ST-1") + " " * 20_000},
        {"logoutRequest": "x" * 100_000},
        {"logoutRequest": [logout_request("ST-1"), logout_request("ST-2")]},
        {f"field{number}": "x" for number in range(20)},
    ],
)
def test_an_odd_logout_request_is_refused(house: House, form: dict[str, Any]):
    assert httpx.post(f"{house.hub.callback}?state=x", data=form).status_code == 400


def test_a_lost_membership_is_lost_at_the_next_request(house: House):
    with house.signed_in("researcher") as person:
        without = described()
        without["teams"]["craft"]["groups"] = ["another"]
        house.hub.edit(without)
        until(lambda: bool(person.get(f"{house.hub.url}/hub/home")) and house.hub.user("researcher")["groups"] == [], 10, "the loss")
        assert house.hub.user("researcher")["roles"] == ["user"]
        house.hub.edit(described())
        until(lambda: bool(person.get(f"{house.hub.url}/hub/home")) and house.hub.user("researcher")["groups"] == ["craft"], 10, "the gain")


def test_a_person_blocked_by_an_edit_is_out(house: House):
    with house.signed_in("visitor") as person:
        blocking = described()
        blocking["sign_on"]["block_users"].append("visitor")
        house.hub.edit(blocking)
        until(lambda: not house.inside(person), 10, "the blocking")
        house.hub.edit(described())
        until(lambda: follow(person, f"{house.hub.url}/hub/home").url.path == "/hub/home", 10, "coming back")


def test_a_person_blocked_by_an_edit_loses_their_tokens_too(house: House):
    with house.signed_in("visitor") as person:
        own = house.hub.api("/users/visitor/tokens", "POST", json={"note": "a script"}).json()["token"]
        headers = {"Authorization": f"token {own}"}
        assert httpx.get(f"{house.hub.url}/hub/api/user", headers=headers).json()["name"] == "visitor"
        blocking = described()
        blocking["sign_on"]["block_users"].append("visitor")
        house.hub.edit(blocking)
        until(lambda: httpx.get(f"{house.hub.url}/hub/api/user", headers=headers).status_code == 403, 10, "the blocking")
        house.hub.edit(described())
        until(lambda: follow(person, f"{house.hub.url}/hub/home").url.path == "/hub/home", 10, "coming back")
        assert httpx.get(f"{house.hub.url}/hub/api/user", headers=headers).status_code == 403


def test_the_token_of_an_account_that_never_signs_on_works(house: House):
    assert house.hub.api("/users/machine", "POST").status_code == 201
    token = house.hub.api("/users/machine/tokens", "POST", json={}).json()["token"]
    answer = httpx.get(f"{house.hub.url}/hub/api/user", headers={"Authorization": f"token {token}"})
    assert (answer.status_code, answer.json()["name"]) == (200, "machine")


def test_a_sign_on_ages_out(house: House):
    with house.signed_in("ageing") as person:
        short = described()
        short["sign_on"]["session"] = "1 s"
        house.hub.edit(short)
        until(lambda: not house.inside(person), 15, "the end of the session")
        house.hub.edit(described())
        until(house.hub.settled, 10, "the edit")


def test_a_single_logout_reaches_a_running_server(house: House):
    with house.signed_in("server") as person:
        page = person.get(f"{house.hub.url}/hub/spawn")
        assert page.url.path.startswith("/hub/spawn")
        started = house.hub.api("/users/server/server", "POST")
        assert started.status_code in (201, 202), started.text
        try:
            until(lambda: house.hub.user("server")["servers"].get("", {}).get("ready", False), 60, "the server's start")
            lab = f"{house.hub.url}/user/server/lab"
            assert follow(person, lab).status_code == 200
            assert person.get(lab).status_code == 200
            person.get(f"{house.cas.url}/logout")
            asked = time.monotonic()
            until(lambda: person.get(lab).status_code == 302, 10, "the server's refusal")
            assert time.monotonic() - asked < 5 * SERVER_FORGETS_SECONDS
            assert str(follow(person, lab).url).startswith(f"{house.cas.url}/login")
        finally:
            house.hub.api("/users/server/server", "DELETE")
            until(lambda: not house.hub.user("server")["servers"], 30, "the server's stop")


def test_what_is_kept_of_a_reply_is_encrypted(house: House):
    with house.signed_in("researcher"), closing(sqlite3.connect(house.hub.var.database)) as database:
        (kept,) = database.execute("SELECT encrypted_auth_state FROM users WHERE name = 'researcher'").fetchone()
        assert kept
        assert b"memberOf" not in kept


def test_somebody_whom_an_admin_deletes_is_forgotten_but_keeps_their_number(house: House):
    def number() -> int:
        with closing(sqlite3.connect(house.hub.var.database)) as database:
            return int(database.execute("SELECT number FROM bowerbird_numbers WHERE name = 'leaver'").fetchone()[0])

    with house.signed_in("leaver") as person:
        before = number()
        assert house.hub.api("/users/leaver", "DELETE").status_code == 204
        assert not house.inside(person)
        with house.signed_in("leaver"):
            assert number() == before
