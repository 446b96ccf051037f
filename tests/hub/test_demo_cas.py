"""The demo CAS server as a process: its start and end, its accounts, and what it refuses."""

import copy
import hashlib
import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.demo_cas import book, throttle
from bowerbird_hub.sign_on import demo_accounts
from bowerbird_hub.sign_on.cas_protocol import parse_service_response

from tests.support.cas import DEMO_CAS, ROOT, DemoCAS, demo_cas, free_port, until
from tests.support.sign_on_hub import PLATFORM

HOME = "http://127.0.0.1:9/"
SERVICE = f"{HOME}hub/cas/callback"
READY_SECONDS = 3.0
DN = "CN=Craft,OU=teams\\, all,DC=example,DC=org"


def platform(**accounts: dict[str, Any]) -> Platform:
    wanted = accounts or {
        "researcher": {"title": "A researcher <of> CRAFT", "groups": [DN, "eso-people"]},
        "visitor": {"title": "A visitor"},
    }
    return Platform.model_validate({**copy.deepcopy(PLATFORM), "sign_on": {"demo": {"accounts": wanted}}})


@dataclass(frozen=True)
class Demo:
    """A running demo server and its files."""

    cas: DemoCAS
    var: Var

    @property
    def passwords(self) -> dict[str, str]:
        return dict(line.split()[:2] for line in self.var.accounts.read_text().splitlines())

    def sign_in(self, name: str, password: str, service: str = f"{SERVICE}?state=x") -> httpx.Response:
        with httpx.Client() as person:
            return self.cas.sign_in(person, service, name, password)

    def ticket(self, name: str) -> str:
        return parse_qs_ticket(self.sign_in(name, self.passwords[name]).headers["location"])

    def validate(self, ticket: str, service: str = f"{SERVICE}?state=x") -> bytes:
        return httpx.get(f"{self.cas.url}/p3/serviceValidate", params={"service": service, "ticket": ticket}).content


def parse_qs_ticket(url: str) -> str:
    return httpx.URL(url).params["ticket"]


def write(var: Var, of: Platform) -> None:
    demo_accounts.write(of, var, HOME, [SERVICE])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    var = Var(tmp_path_factory.mktemp("demo cas") / "var")
    var.root.mkdir()
    write(var, platform())
    with demo_cas(var.cas, demo_accounts.server_file(var)) as running:
        yield Demo(running, var)
        logged = running.log.read_text()
        assert "Traceback" not in logged
        assert not [secret for secret in Demo(running, var).passwords.values() if secret in logged]
        assert not re.search(r"ST-[A-Za-z0-9]{6}", logged)


# -- files ---------------------------------------------------------------------------------------------------------


def test_passwords_are_random_long_and_kept_over_restarts(tmp_path: Path):
    first, second = Var(tmp_path / "a"), Var(tmp_path / "b")
    for var in (first, second):
        var.root.mkdir()
        write(var, platform())
    before = first.accounts.read_text()
    write(first, platform())
    assert first.accounts.read_text() == before
    passwords = {line.split()[1] for var in (first, second) for line in var.accounts.read_text().splitlines()}
    assert len(passwords) == 4
    assert all(len(password) >= 16 for password in passwords)


def test_no_other_user_of_the_machine_can_read_them(tmp_path: Path):
    var = Var(tmp_path / "var")
    var.root.mkdir()
    write(var, platform())
    for file in (var.accounts, demo_accounts.passwords_file(var), demo_accounts.server_file(var)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(var.secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE(var.cas.stat().st_mode) == 0o700


def test_the_server_is_given_hashes_and_no_password(tmp_path: Path):
    var = Var(tmp_path / "var")
    var.root.mkdir()
    write(var, platform())
    password = var.accounts.read_text().split()[1]
    told = demo_accounts.server_file(var).read_text()
    assert password not in told
    entry = json.loads(told)["accounts"]["researcher"]
    hashed = hashlib.scrypt(password.encode(), salt=bytes.fromhex(entry["salt"]), n=book.SCRYPT_N, r=book.SCRYPT_R, p=book.SCRYPT_P)
    assert hashed.hex() == entry["hash"]


@pytest.mark.root
def test_the_server_owns_what_it_reads_and_nothing_else(tmp_path: Path):
    var = Var(tmp_path / "var")
    var.root.mkdir()
    demo_accounts.write(platform(), var, HOME, [SERVICE], owner=65_532)
    assert demo_accounts.server_file(var).stat().st_uid == var.cas.stat().st_uid == 65_532
    assert demo_accounts.passwords_file(var).stat().st_uid == var.accounts.stat().st_uid == 0


def test_without_demo_accounts_nothing_is_written(tmp_path: Path):
    var = Var(tmp_path / "var")
    real = Platform.model_validate({**copy.deepcopy(PLATFORM), "sign_on": {"cas": {"url": "https://cas.example.org/cas"}}})
    demo_accounts.write(real, var, HOME, [SERVICE])
    assert not var.root.exists()


# -- the process ---------------------------------------------------------------------------------------------------


@contextmanager
def started(var: Var, port: int) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(DEMO_CAS), "--port", str(port), "--dir", str(var.cas), "--accounts", str(demo_accounts.server_file(var))]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_is_ready_soon_says_so_and_ends_when_told(tmp_path: Path, ending: signal.Signals):
    var = Var(tmp_path / "a place with a space")
    var.root.mkdir()
    write(var, platform())
    port = free_port()
    begun = time.monotonic()
    with started(var, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready http://127.0.0.1:{port}/cas\n"
        # Three seconds on an idle machine; the tests share theirs.
        assert time.monotonic() - begun < 4 * READY_SECONDS
        assert httpx.get(f"http://127.0.0.1:{port}/cas/health").text == "ok\n"
        process.send_signal(ending)
        assert process.wait(10) == 0


def test_a_taken_port_ends_it_with_a_reason(demo: Demo, tmp_path: Path):
    var = Var(tmp_path / "var")
    var.root.mkdir()
    write(var, platform())
    with started(var, httpx.URL(demo.cas.url).port or 0) as process:
        _, said = process.communicate(timeout=30)
        assert process.returncode != 0
        assert "in use" in said


def test_nothing_of_ours_but_the_server_itself_is_imported():
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'hub')!r}); import bowerbird_hub.demo_cas.server;"
        " print([m for m in sys.modules if m.split('.')[0] in ('bowerbird_hub', 'bowerbird_config', 'jupyterhub', 'pydantic')])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, cwd="/", env={}).stdout
    assert set(re.findall(r"'([\w.]+)'", said)) == {
        f"bowerbird_hub{end}" for end in ("", ".demo_cas", ".demo_cas.book", ".demo_cas.server")
    }


def test_no_other_part_of_the_platform_imports_it():
    for file in [*(ROOT / "hub").rglob("*.py"), *(ROOT / "config").rglob("*.py")]:
        if "demo_cas" not in file.parts:
            assert not re.search(r"^\s*(from|import) .*\b(demo_cas|cas_server|django)\b", file.read_text(), re.MULTILINE), file


# -- the protocol --------------------------------------------------------------------------------------------------


def test_a_ticket_stands_for_the_person_and_their_groups(demo: Demo):
    user = parse_service_response(demo.validate(demo.ticket("researcher")))
    assert user.name == "researcher"
    assert sorted(user.attributes["memberOf"]) == [DN, "eso-people"]
    assert user.attributes["displayName"] == ("A researcher <of> CRAFT",)


def test_a_ticket_is_good_once_and_for_its_service_alone(demo: Demo):
    ticket = demo.ticket("visitor")
    assert b"INVALID_SERVICE" in demo.validate(ticket, f"{SERVICE}?state=other")
    again = demo.ticket("visitor")
    assert b"<cas:user>visitor</cas:user>" in demo.validate(again)
    assert b"INVALID_TICKET" in demo.validate(again)


@pytest.mark.parametrize(
    "service",
    [
        "http://evil.example.org/",
        f"{SERVICE}.evil.example.org/",
        "http://127.0.0.1:9/hub/",
        f"{SERVICE}/../x",
        f"{SERVICE}#x",
        "javascript:alert(1)",
        f"x{SERVICE}",
        "http://127x0x0x1:9/hub/cas/callback",
    ],
)
def test_an_unregistered_service_gets_no_form_and_no_redirect(demo: Demo, service: str):
    page = httpx.get(f"{demo.cas.url}/login", params={"service": service, "gateway": "true"})
    assert page.status_code == 403
    assert "Signing in for this address is refused" in page.text
    assert "<form" not in page.text
    out = httpx.get(f"{demo.cas.url}/logout", params={"service": service, "url": service})
    assert out.status_code == 200
    assert "Signed out" in out.text


def test_gateway_without_a_session_comes_back_without_a_ticket(demo: Demo):
    answer = httpx.get(f"{demo.cas.url}/login", params={"service": f"{SERVICE}?state=x", "gateway": "true"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"{SERVICE}?state=x")


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/cas/auth", "/cas/samlValidate", "/cas/federate", "/cas/proxy", "/cas/proxyValidate", "/cas/static/cas_server/logo.png"],
)
def test_what_is_not_needed_is_not_served(demo: Demo, path: str):
    assert httpx.get(demo.cas.url.removesuffix("/cas") + path).status_code == 404


def test_a_host_that_is_not_ours_is_refused(demo: Demo):
    assert httpx.get(f"{demo.cas.url}/login", headers={"Host": "evil.example.org"}).status_code == 400


def test_a_form_without_its_cross_site_proof_is_refused(demo: Demo):
    fields = {"username": "visitor", "password": demo.passwords["visitor"], "service": SERVICE}
    assert httpx.post(f"{demo.cas.url}/login", data=fields).status_code == 403


# -- accounts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "wrong", "x" * 256, "é\u0000", "' OR 1=1 --"])
def test_a_wrong_password_is_refused_in_words(demo: Demo, password: str):
    page = demo.sign_in(f"nobody-{len(password)}-{password[:1].encode().hex()}", password)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert password not in page.text or len(password) < 2


def test_after_a_wrong_password_the_empty_field_has_the_focus(demo: Demo):
    page = httpx.get(f"{demo.cas.url}/login", params={"service": SERVICE})
    pages = [page.text, demo.sign_in("visitor", "certainly-wrong").text]
    assert [re.findall(r'<input[^>]* name="(\w+)"[^>]* autofocus', page) for page in pages] == [["username"], ["password"]]
    demo.sign_in("visitor", demo.passwords["visitor"])


def test_a_name_that_does_not_exist_answers_like_one_that_does(demo: Demo):
    pages = [re.sub(r'value="[^"]*"', "", demo.sign_in(name, "certainly-wrong").text) for name in ("visitor", "nobody-at-all")]
    assert pages[0] == pages[1]
    demo.sign_in("visitor", demo.passwords["visitor"])


def test_repeated_failures_of_a_name_make_it_wait(demo: Demo):
    for _ in range(throttle.FREE_FAILURES):
        assert "do not belong together" in demo.sign_in("tried", "wrong").text
    assert re.search(r"Too many wrong passwords for this name. It can be tried again in \d s", demo.sign_in("tried", "wrong").text)
    assert demo.sign_in("researcher", demo.passwords["researcher"]).status_code == 302


def test_an_edited_account_is_taken_up_without_a_restart(demo: Demo):
    known = platform().model_dump()["sign_on"]["demo"]["accounts"]
    write(demo.var, platform(**known, newcomer={"title": "A newcomer"}))
    assert b"<cas:user>newcomer</cas:user>" in demo.validate(demo.ticket("newcomer"))
    password = demo.passwords["newcomer"]
    write(demo.var, platform())
    assert demo.sign_in("newcomer", password).status_code == 200


def test_a_damaged_file_leaves_the_last_good_accounts(demo: Demo):
    file = demo_accounts.server_file(demo.var)
    good = file.read_text()
    file.write_text(good[:50])
    assert demo.sign_in("visitor", demo.passwords["visitor"]).status_code == 302
    file.write_text(good)


def test_another_service_is_registered_without_a_restart(demo: Demo):
    other = "http://127.0.0.1:10/hub/cas/callback"
    demo_accounts.write(platform(), demo.var, HOME, [SERVICE, other])
    until(lambda: httpx.get(f"{demo.cas.url}/login", params={"service": other}).status_code == 200, what="the registration")
    assert httpx.get(f"{demo.cas.url}/login", params={"service": SERVICE}).status_code == 200
    write(demo.var, platform())


def test_the_wait_doubles_to_a_limit_and_ends_with_a_right_password():
    now = [0.0]
    slow = throttle.Throttle(lambda: now[0])
    waits = []
    for _ in range(20):
        slow.failed("ann")
        waits.append(slow.wait_seconds("ann"))
    assert waits[: throttle.FREE_FAILURES - 1] == [0.0] * (throttle.FREE_FAILURES - 1)
    assert waits[throttle.FREE_FAILURES - 1 : throttle.FREE_FAILURES + 2] == [4.0, 8.0, 16.0]
    assert waits[-1] == throttle.LONGEST_WAIT_SECONDS
    assert slow.wait_seconds("ben") == 0.0
    now[0] = throttle.LONGEST_WAIT_SECONDS
    assert slow.wait_seconds("ann") == 0.0
    slow.succeeded("ann")
    slow.failed("ann")
    assert slow.wait_seconds("ann") == 0.0


def test_the_throttle_forgets_the_oldest_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(throttle, "MAX_NAMES", 3)
    slow = throttle.Throttle(lambda: 0.0)
    for name in ("ann", "ben", "cid", "dan"):
        for _ in range(throttle.FREE_FAILURES):
            slow.failed(name)
    assert [slow.wait_seconds(name) for name in ("ann", "ben", "cid", "dan")] == [0.0, 4.0, 4.0, 4.0]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_for_tls_alone_where_the_platform_is_behind_it(tmp_path: Path, scheme: str):
    var = Var(tmp_path)
    demo_accounts.write(platform(), var, f"{scheme}://data.example.org/", [f"{scheme}://data.example.org/hub/cas/callback"])
    with demo_cas(var.cas, demo_accounts.server_file(var), 0, "--host", "localhost") as running:
        cookies = httpx.get(f"{running.url}/login").headers.get_list("set-cookie")
    assert cookies
    assert {"; Secure" in cookie for cookie in cookies} == {scheme == "https"}


def test_a_sign_out_is_told_to_the_hub_that_is_named_in_the_place_of_the_public_name(tmp_path: Path):
    var = Var(tmp_path)
    write(var, platform())
    with socket.create_server(("127.0.0.1", 0)) as hub, ThreadPoolExecutor() as pool, httpx.Client() as person:
        words = ("--hub", f"http://127.0.0.1:{hub.getsockname()[1]}")
        with demo_cas(var.cas, demo_accounts.server_file(var), 0, *words) as running:
            signed_in = running.sign_in(person, SERVICE, "visitor", Demo(running, var).passwords["visitor"])
            signing_out = pool.submit(person.get, f"{running.url}/logout")
            hub.settimeout(30)
            told = hub.accept()[0]
            with told, told.makefile("rb") as lines:
                assert lines.readline() == b"POST /hub/cas/callback HTTP/1.1\r\n"
                length = next(int(line.split()[1]) for line in lines if line.lower().startswith(b"content-length:"))
                while lines.readline().strip():
                    pass
                assert parse_qs_ticket(signed_in.headers["location"]).encode() in lines.read(length)
                told.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert signing_out.result(30).status_code == httpx.codes.OK
