"""A real hub with a CAS server that is down, slow, wrong or false: each ends in a sentence, nobody is signed on."""

import copy
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.support.cas import FakeCAS, Reply, failure, fake_cas, free_port, logout_request, success, until
from tests.support.sign_on_hub import PLATFORM, Hub, browser, follow, running_again, running_hub

TICKET = re.compile(r"ST-\d+-fake")


def described(cas: str, **rules: Any) -> dict[str, Any]:
    raw = copy.deepcopy(PLATFORM)
    raw["sign_on"] = {"cas": {"url": cas, "timeout": "500 ms", "uid_attribute": "uidNumber", "gid_attribute": "gidNumber"}, **rules}
    return raw


@pytest.fixture(scope="module")
def server() -> Iterator[FakeCAS]:
    with fake_cas() as running:
        yield running


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, server: FakeCAS) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("faults"), described(server.url)) as running:
        yield running
        assert not TICKET.search(running.log)
        assert "Traceback" not in running.log


@pytest.fixture
def cas(server: FakeCAS) -> Iterator[FakeCAS]:
    yield server
    server.reply = Reply()


@pytest.fixture
def person(hub: Hub) -> Iterator[httpx.Client]:
    with browser(hub) as fresh:
        yield fresh


def sign_in(hub: Hub, person: httpx.Client) -> httpx.Response:
    return follow(person, f"{hub.url}/hub/home")


def said(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text).replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">"))


BAD = {
    "slow": (lambda: Reply(success("ann"), wait=threading.Event()), 503, "did not answer within 0.5 s"),
    "an error": (lambda: Reply(b"<h1>no</h1>", status=500), 503, "status 500"),
    "a redirect": (lambda: Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), 503, "status 302"),
    "not XML": (lambda: Reply(b"yes\nann\n"), 502, "not plain XML"),
    "cut off": (lambda: Reply(success("ann")[:-40]), 502, "not plain XML"),
    "empty": (Reply, 502, "not plain XML"),
    "two users": (lambda: Reply(success("ann").replace(b"<cas:user>", b"<cas:user>x</cas:user><cas:user>")), 502, "2 <user> elements"),
    "another namespace": (lambda: Reply(success("ann").replace(b"yale.edu", b"evil.edu")), 502, "not a CAS serviceResponse"),
    "a DTD": (lambda: Reply(b'<!DOCTYPE a [<!ENTITY b "c">]>' + success("ann")), 502, "not plain XML"),
    "10 MB": (lambda: Reply(success("ann") + b" " * (10 << 20)), 503, "could not be reached or broke off"),
    "refused": (lambda: Reply(failure("INVALID_TICKET", "Ticket ST-1-fakefakefake not recognised")), 403, "used before, is too old"),
    "unknown failure": (lambda: Reply(failure("ST-1-fakefakefake")), 403, "for a reason that this platform does not know"),
    "unregistered": (lambda: Reply(failure("UNAUTHORIZED_SERVICE"), status=403), 403, "does not know this platform"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_answer_ends_in_a_sentence_and_the_next_sign_in_works(hub: Hub, cas: FakeCAS, person: httpx.Client, fault: str):
    reply, status, words = BAD[fault]
    cas.reply = reply()
    page = sign_in(hub, person)
    assert page.status_code == status
    assert words in said(page)
    assert "Who can change that: the admins of the platform (admins@example.org)" in said(page)
    assert not TICKET.search(page.text)
    assert person.get(f"{hub.url}/hub/home").status_code == 302
    if cas.reply.wait is not None:
        cas.reply.wait.set()
    cas.signs_in("ann")
    assert sign_in(hub, person).url.path == "/hub/home"


def goes_to(hub: Hub, url: str) -> bool:
    with browser(hub) as another:
        return another.get(f"{hub.url}/hub/cas/login").headers["location"].startswith(url)


def test_a_server_that_is_down_ends_in_a_sentence(hub: Hub, cas: FakeCAS, person: httpx.Client):
    cas.signs_in("ann")
    at_callback = follow(person, f"{hub.url}/hub/home", lambda r: "ticket=" in unquote(r.headers["location"])).headers["location"]
    down = f"http://127.0.0.1:{free_port()}/cas"
    hub.edit(described(down))
    try:
        until(lambda: goes_to(hub, down), 10, "the edit")
        page = person.get(at_callback)
        assert page.status_code == 503
        assert "could not be reached" in said(page)
    finally:
        hub.edit(described(cas.url))
        until(lambda: goes_to(hub, cas.url), 10, "the edit")


@pytest.mark.parametrize("content_type", ["text/html;charset=UTF-8", "application/xml"])
def test_the_kind_and_order_of_an_answer_mean_nothing(hub: Hub, cas: FakeCAS, person: httpx.Client, content_type: str):
    attributes = {
        "memberOf": ["zzz", "eso-people"],
        "clientIpAddress": ["127.0.0.1"],
        "authenticationDate": ["2027-01-01T00:00:00.123456789Z"],
    }
    cas.reply = Reply(success("kinds", attributes), headers={"Content-Type": content_type})
    assert sign_in(hub, person).url.path == "/hub/home"
    assert hub.user("kinds")["groups"] == ["eso"]


@pytest.mark.parametrize("name", ["a", "ann.lee@example.org", "Ann+X", "_under-score", "0123", "n" * 64])
def test_every_name_that_may_be_signs_in_by_that_name(hub: Hub, cas: FakeCAS, person: httpx.Client, name: str):
    cas.signs_in(name)
    assert sign_in(hub, person).url.path == "/hub/home"
    assert hub.user(quote(name.lower()))["name"] == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../root",
        "a b",
        "a:b",
        "a%2Fb",
        "josé",
        "\u212aate",
        "adm\u0131n",
        "o'neil",
        'q"q',
        "a\\b",
        "a\tb",
        "a\nb",
        "n" * 65,
        "<b>x</b>",
        "team-craft",
        "TEAM-craft",
        "root",
        "-x",
        ".",
    ],
)
def test_every_other_name_is_refused_in_a_sentence(hub: Hub, cas: FakeCAS, person: httpx.Client, name: str):
    cas.signs_in(name)
    page = sign_in(hub, person)
    assert page.status_code == 403
    assert "Signing in is refused: the name" in said(page)
    assert "<b>x</b>" not in page.text
    assert person.get(f"{hub.url}/hub/home").status_code == 302


def test_numbers_of_the_directory_are_used_and_two_of_one_are_refused(hub: Hub, cas: FakeCAS, person: httpx.Client):
    cas.signs_in("first", uidNumber=["5001"], gidNumber=["5001"])
    assert sign_in(hub, person).url.path == "/hub/home"
    with browser(hub) as other:
        cas.signs_in("second", uidNumber=["5001"])
        page = sign_in(hub, other)
        assert page.status_code == 403
        assert "the directory gives 'second' the uid 5001, which 'first' already has" in said(page)
        cas.signs_in("second", uidNumber=["5002"])
        assert sign_in(hub, other).url.path == "/hub/home"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["0"], "kept for the system"),
        (["999"], "kept for the system"),
        (["-5"], "not a number"),
        (["12x"], "not a number"),
        (["٣٤٥٦"], "not a number"),
        (["9" * 30], "not a number"),
        (["4294967295"], "kept for the system"),
        (["5003", "5004"], "2 values of 'uidNumber'"),
        ([""], "not a number"),
    ],
)
def test_a_number_that_cannot_be_is_refused_in_a_sentence(hub: Hub, cas: FakeCAS, person: httpx.Client, value: list[str], words: str):
    cas.signs_in("third", uidNumber=value)
    page = sign_in(hub, person)
    assert page.status_code == 403
    assert words in said(page)
    assert hub.api("/users/third").status_code == 404


@pytest.mark.parametrize("group", ["admin", "../x", "crâft", "g" * 300, "CN=craft", "user", "team-craft-owner"])
def test_a_directory_group_names_no_group_or_role_of_the_hub(hub: Hub, cas: FakeCAS, person: httpx.Client, group: str):
    cas.signs_in("grouped", memberOf=[group])
    assert sign_in(hub, person).url.path == "/hub/home"
    user = hub.user("grouped")
    assert (user["groups"], user["roles"], user["admin"]) == ([], ["user"], False)


def test_a_flood_of_logout_requests_changes_nothing(hub: Hub, cas: FakeCAS, person: httpx.Client):
    cas.signs_in("flooded")
    sign_in(hub, person)
    with httpx.Client() as attacker:
        for number in range(100):
            assert (
                attacker.post(f"{hub.url}/hub/cas/callback", data={"logoutRequest": logout_request(f"ST-{number}-guess")}).status_code
                == 200
            )
    assert person.get(f"{hub.url}/hub/home").status_code == 200


def test_apereos_logout_request_ends_every_session_of_the_person(hub: Hub, cas: FakeCAS, person: httpx.Client):
    cas.signs_in("apereo")
    sign_in(hub, person)
    with browser(hub) as second:
        sign_in(hub, second)
        newest = f"ST-{cas.tickets}-fakefakefake"
        assert httpx.post(f"{hub.url}/hub/cas/callback?state=gone", data={"logoutRequest": logout_request(newest)}).status_code == 200
        assert [one.get(f"{hub.url}/hub/home").status_code for one in (person, second)] == [302, 302]


def write_fails(hub: Hub, do: Callable[[], httpx.Response]) -> httpx.Response:
    """Run something while the hub's database refuses to take identities, as on a full disk."""

    def run(statement: str) -> None:
        with closing(sqlite3.connect(hub.var.database, timeout=20)) as database, database:
            database.execute(statement)

    run("CREATE TRIGGER full BEFORE INSERT ON bowerbird_identities BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
    try:
        return do()
    finally:
        run("DROP TRIGGER full")


def test_a_full_disk_ends_in_a_sentence(hub: Hub, cas: FakeCAS, person: httpx.Client):
    cas.signs_in("fullness")
    page = write_fails(hub, lambda: sign_in(hub, person))
    assert page.status_code == 503
    assert "could not write to its database" in said(page)
    assert sign_in(hub, person).url.path == "/hub/home"


def test_behind_tls_the_state_cookie_is_secure_and_the_service_is_the_public_one(tmp_path: Path):
    cas = "https://cas.example.org/cas"
    with running_hub(tmp_path, described(cas), public="https://hub.example.org/") as hub, browser(hub) as person:
        elsewhere = person.get(f"{hub.url}/hub/cas/login?next=/hub/home")
        assert elsewhere.headers["location"] == "https://hub.example.org/hub/cas/login?next=%2Fhub%2Fhome&moved=1"
        answer = person.get(f"{hub.url}/hub/cas/login", headers={"Host": "hub.example.org"})
        assert re.search(r"bowerbird-sign-on-\w+=[^;]*;.*\bSecure\b", answer.headers["set-cookie"])
        assert unquote(answer.headers["location"]).startswith(f"{cas}/login?service=https://hub.example.org/hub/cas/callback?state=")


def test_a_sign_on_outlives_the_hub_and_a_logout_after_that_still_ends_it(tmp_path: Path):
    with fake_cas() as cas:
        cas.signs_in("ann")
        with running_hub(tmp_path, described(cas.url)) as hub, browser(hub) as person:
            sign_in(hub, person)
            cookies = person.cookies
        with running_again(hub), browser(hub, cookies=cookies) as person:
            assert person.get(f"{hub.url}/hub/home").status_code == 200
            assert (
                httpx.post(f"{hub.url}/hub/cas/callback?state=old", data={"logoutRequest": logout_request("ST-1-fakefakefake")}).status_code
                == 200
            )
            assert person.get(f"{hub.url}/hub/home").status_code == 302
        assert "Traceback" not in hub.log
        assert "never retrieved" not in hub.log


def test_whom_jupyterhubs_own_role_made_an_admin_before_opens_no_server_of_others_any_more(tmp_path: Path):
    with fake_cas() as cas:
        cas.signs_in("ann")
        with running_hub(tmp_path, described(cas.url, admins=["ann"])) as hub, browser(hub) as person:
            sign_in(hub, person)
            cookies = person.cookies
        with closing(sqlite3.connect(hub.var.database)) as database:
            # At its start the hub gives its own role to whom this names.
            database.execute("UPDATE users SET admin = 1 WHERE name = 'ann'")
            database.commit()
        with running_again(hub), browser(hub, cookies=cookies) as person:
            model = person.get(f"{hub.url}/hub/api/user").json()
    assert (model["admin"], "list:users" in model["scopes"], "access:servers" in model["scopes"]) == (False, True, False)
