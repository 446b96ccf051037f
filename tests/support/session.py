"""A person without a browser: signs in through CAS, starts a server, and runs code in a kernel of it."""

import json
import re
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
from tornado import ioloop, websocket
from tornado.httpclient import HTTPRequest

from tests.support.names import HERE, owners_url, person_client

START_SECONDS = 120
KERNEL_SECONDS = 60


class _Form(HTMLParser):
    """The fields of the first form of a page, with the values that they come with."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and not self.action:
            self.action = given.get("action") or ""
        if tag == "input" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""


@dataclass
class Session:
    """One signed-in person; `url` is the platform's."""

    url: str
    account: str
    client: httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    def hub(self, path: str) -> str:
        return urljoin(self.url, f"/hub/{path}")

    def own(self, path: str) -> str:
        """Return an address of this person's default server."""
        return urljoin(owners_url(self.url, self.account), f"/user/{self.account}/{path}")

    @property
    def xsrf(self) -> str:
        return next(cookie.value or "" for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and cookie.path == "/hub/")

    def start(self, profile: str) -> None:
        """Start the default server, and return when it answers."""
        answer = self.client.post(self.hub("spawn"), data={"profile": profile, "_xsrf": self.xsrf}, headers={"Referer": self.hub("spawn")})
        assert answer.status_code == httpx.codes.OK, answer.text
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when the server answers this person; the first visit passes through the hub's OAuth."""
        deadline = time.monotonic() + START_SECONDS
        last = ""
        while time.monotonic() < deadline:
            answer = self.client.get(self.own("api/kernels"))
            last = f"{answer.status_code} {answer.url}"
            if answer.status_code == httpx.codes.OK and "json" in answer.headers.get("content-type", ""):
                return
            self.client.get(self.own("lab"))
            time.sleep(0.2)
        raise TimeoutError(f"the server of {self.account} did not answer within {START_SECONDS} s; last: {last}")

    def stop(self) -> None:
        """Stop the default server, and return when it is gone."""
        headers = {"X-XSRFToken": self.xsrf, "Referer": self.hub("home")}
        self.client.delete(self.hub(f"api/users/{self.account}/server"), headers=headers).raise_for_status()
        deadline = time.monotonic() + START_SECONDS
        while self.client.get(self.hub(f"api/users/{self.account}"), headers=headers).json().get("servers"):
            assert time.monotonic() < deadline, f"the server of {self.account} does not stop"
            time.sleep(0.1)

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the single-user server's own API."""
        cookies = [cookie.value for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and cookie.path == f"/user/{self.account}/"]
        headers = {"X-XSRFToken": cookies[0] or ""} if cookies else {}
        return self.client.request(method, self.own(f"api/{path}"), headers=headers, **options)

    def kernel(self) -> str:
        """Start a kernel and return its id."""
        answer = self.api("POST", "kernels", json={"name": "python3"})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    def run(self, kernel: str, code: str) -> str:
        """Run code in that kernel and return all that it printed, errors included."""
        return str(ioloop.IOLoop().run_sync(lambda: self._run(kernel, code), timeout=KERNEL_SECONDS))

    def channel(self, kernel: str, session: str = "") -> HTTPRequest:
        """Return the request for a kernel's channels; what is said to a session that is away for a while is kept for it."""
        parts = urlsplit(self.own(f"api/kernels/{kernel}/channels"))
        query = f"session_id={session}" if session else ""
        address = parts._replace(scheme="ws", netloc=f"{HERE}:{parts.port}", query=query).geturl()
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.client.cookies.jar if c.domain == parts.hostname)
        return HTTPRequest(address, headers={"Cookie": cookies, "Host": parts.netloc, "Origin": f"{parts.scheme}://{parts.netloc}"})

    async def _run(self, kernel: str, code: str) -> str:
        channel = await websocket.websocket_connect(self.channel(kernel))
        message_id = uuid.uuid4().hex
        await channel.write_message(execute_request(code, message_id))
        try:
            return await self._printed(channel, message_id)
        finally:
            channel.close()

    @staticmethod
    async def _printed(channel: websocket.WebSocketClientConnection, message_id: str) -> str:
        printed = ""
        while True:
            raw = await channel.read_message()
            assert raw is not None, f"the kernel's channel closed after: {printed}"
            message = json.loads(raw)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            printed += content.get("text", "") if message["msg_type"] == "stream" else ""
            printed += "\n".join(content["traceback"]) if message["msg_type"] == "error" else ""
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return re.sub(r"\x1b\[[0-9;]*m", "", printed)


def execute_request(code: str, message_id: str) -> str:
    """Return what asks a kernel to run code."""
    header = {"msg_id": message_id, "msg_type": "execute_request", "username": "", "session": uuid.uuid4().hex, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    return json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []})


class PlainSession(Session):
    """A person at a stock JupyterHub, whose servers are below the hub's own address."""

    def own(self, path: str) -> str:
        return urljoin(self.url, f"/user/{self.account}/{path}")


def sign_in(url: str, account: str, password: str, kind: type[Session] = Session) -> Session:
    """Sign in through the CAS that the platform sends us to, or by a stock hub's own form."""
    with ExitStack() as unless_signed_in:
        client = unless_signed_in.enter_context(person_client())
        session = kind(url, account, client)
        _enter(session, password)
        unless_signed_in.pop_all()
        return session


def _enter(session: Session, password: str) -> None:
    client, account = session.client, session.account
    page = client.get(session.url)
    form = _Form(page.text)
    answer = client.post(
        urljoin(str(page.url), form.action or str(page.url)),
        data={**form.fields, "username": account, "password": password},
        headers={"Referer": str(page.url)},
    )
    assert urlsplit(str(answer.url)).path.startswith(("/hub/", "/user/")), f"sign-in ended at {answer.url}: {answer.text[:2000]}"
    client.get(session.hub("home"))
