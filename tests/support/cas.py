"""CAS servers for tests: a fake that answers as badly as it is told to, and the real demo server in its own process."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import escape

import httpx
from bowerbird_hub.supervision import ports

ROOT = Path(__file__).parents[2]
DEMO_CAS = ROOT / "hub" / "bowerbird_hub" / "demo_cas" / "main.py"
READY_SECONDS = 30
NAMESPACE = "http://www.yale.edu/tp/cas"


def success(user: str, attributes: Mapping[str, list[str]] | None = None) -> bytes:
    """Return the reply of a server that knows the ticket."""
    values = "".join(f"<cas:{name}>{escape(value)}</cas:{name}>" for name, listed in (attributes or {}).items() for value in listed)
    return (
        f'<cas:serviceResponse xmlns:cas="{NAMESPACE}"><cas:authenticationSuccess><cas:user>{escape(user)}</cas:user>'
        f"<cas:attributes>{values}</cas:attributes></cas:authenticationSuccess></cas:serviceResponse>"
    ).encode()


def failure(code: str, text: str = "no") -> bytes:
    """Return the reply of a server that refuses the ticket."""
    return (
        f'<cas:serviceResponse xmlns:cas="{NAMESPACE}"><cas:authenticationFailure code="{escape(code)}">{escape(text)}'
        "</cas:authenticationFailure></cas:serviceResponse>"
    ).encode()


def logout_request(ticket: str) -> str:
    """Return a single-logout request as Apereo's server words it."""
    return (
        '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="LR-1" Version="2.0"'
        ' IssueInstant="2027-01-01T00:00:00Z"><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">@NOT_USED@'
        f"</saml:NameID><samlp:SessionIndex>{escape(ticket)}</samlp:SessionIndex></samlp:LogoutRequest>"
    )


@dataclass
class Reply:
    """What the fake sends; a `wait` before it, or a body in pieces with a wait after each."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html;charset=UTF-8"})
    wait: threading.Event | None = None
    drip: bool = False


@dataclass
class FakeCAS:
    """A CAS server whose every validation answers `reply`, and whose login needs no password."""

    url: str
    reply: Reply = field(default_factory=Reply)
    asked: list[Mapping[str, list[str]]] = field(default_factory=list)
    redirected_to: list[str] = field(default_factory=list)
    tickets: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    def signs_in(self, user: str, **attributes: list[str]) -> None:
        """Answer from now on that the ticket is that user's."""
        self.reply = Reply(success(user, attributes))


DRIP_SECONDS = 0.2


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeCAS


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeCAS:
        assert isinstance(self.server, _Server)
        return self.server.fake

    def log_message(self, *_arguments: object) -> None:
        pass

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if reply.drip:
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                if self.fake.release.wait(DRIP_SECONDS):
                    break
        else:
            self.wfile.write(reply.body)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/cas/login":
            self.fake.tickets += 1
            service = query["service"][0]
            joint = "&" if "?" in service else "?"
            ticket = urlencode({"ticket": f"ST-{self.fake.tickets}-fakefakefake"})
            self._answer(Reply(status=302, headers={"Location": f"{service}{joint}{ticket}"}))
        elif parts.path == "/cas/p3/serviceValidate":
            self.fake.asked.append(query)
            reply = self.fake.reply
            if reply.wait is not None:
                reply.wait.wait()
            self._answer(reply)
        else:
            self.fake.redirected_to.append(self.path)
            self._answer(Reply(b"elsewhere"))

    def handle(self) -> None:
        # A client that gave up is what some tests are about.
        with suppress(ConnectionError, TimeoutError):
            super().handle()


@contextmanager
def fake_cas(wrap: Callable[[socket.socket], socket.socket] | None = None, scheme: str = "http") -> Iterator[FakeCAS]:
    """Run a fake CAS server on a free port; `wrap` may put TLS around it."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    server.fake = FakeCAS(f"{scheme}://127.0.0.1:{server.server_port}/cas")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.fake
    finally:
        server.fake.release.set()
        if server.fake.reply.wait is not None:
            server.fake.reply.wait.set()
        server.shutdown()
        server.server_close()
        thread.join(READY_SECONDS)


@dataclass(frozen=True)
class DemoCAS:
    """The real demo CAS server, in its own process."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def sign_in(self, browser: httpx.Client, service: str, user: str, password: str) -> httpx.Response:
        """Fill in the form as a person does, and return its answer."""
        page = browser.get(f"{self.url}/login", params={"service": service})
        return self.submit(browser, page, user, password)

    @staticmethod
    def submit(browser: httpx.Client, page: httpx.Response, user: str, password: str) -> httpx.Response:
        """Send the form of a page."""
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        fields = {name: value.replace("&amp;", "&") for name, value in fields.items()}
        return browser.post(str(page.url), data={**fields, "username": user, "password": password})


@contextmanager
def demo_cas(directory: Path, accounts: Path, port: int = 0, *more: str) -> Iterator[DemoCAS]:
    """Run the demo CAS server as the hub runs it, or with more words of a command line; its log is `cas.log` in that directory."""
    log = directory / "cas.log"
    argv = [sys.executable, str(DEMO_CAS), "--port", str(port), "--dir", str(directory), "--accounts", str(accounts), *more]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=stderr, text=True, stdin=subprocess.DEVNULL, cwd="/", env=dict(os.environ)
        )
    assert process.stdout is not None
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        said = process.stdout.readline().split()
        timer.cancel()
        assert said[:1] == ["ready"], log.read_text()
        yield DemoCAS(said[1], process, log)
    finally:
        timer.cancel()
        process.send_signal(signal.SIGTERM)
        process.wait(READY_SECONDS)
        process.stdout.close()


def free_port() -> int:
    """Return a port that nothing listens on now, and that no connection is given before something does."""
    return ports.choose("127.0.0.1", 0).public


def until(true: Callable[[], bool], seconds: float = READY_SECONDS, what: str = "it") -> None:
    """Wait until something is so; an assertion fails where it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
