"""A real hub with a real proxy on random ports, started and ended within one test module."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import httpx
from bowerbird_config.install import Install
from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_config.remembered import read_last_good
from bowerbird_hub.runtimes import launch, remnants, sandbox
from bowerbird_hub.runtimes.places import mark_of, servers_directory
from bowerbird_hub.state import layout, secret_files
from bowerbird_hub.supervision import ports, sweep
from bowerbird_hub.supervision.away import away_directory, write_page
from bowerbird_hub.supervision.parts import routing
from bowerbird_hub.supervision.ports import Ports
from bowerbird_hub.supervision.processes import Process, find

from tests.support.keeper import FakeKeeper, Identities
from tests.support.named_sign_on import PASSWORD
from tests.support.names import HOST, owners_url, person_client
from tests.support.nobody import ANOTHER_UID, AS_NOBODY

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
END_SECONDS = 20
PLATFORM = """
bowerbird: 1
name: Test platform
contact: admin@example.org
sign_on:
  cas: {url: "https://cas.example.org/cas"}
  admins: [admin]
teams:
  eso: {title: ESO, contact: eso@example.org, owners: [owner], members: [researcher]}
profiles:
  minimal: {title: Minimal, description: "Python and JupyterLab", memory: 1 GiB, cpu: 1, teams: everyone, contains: [Python, JupyterLab]}
  reduction: {title: ESO reduction, memory: 2 GiB, cpu: 2, teams: [eso], variables: {ESO_ANSWER: "42"}}
  tight: {title: Little memory, memory: 320 MiB, cpu: 0.5, processes: 100, teams: [eso]}
  absent: {title: Not installed, environment: gone, memory: 1 GiB, cpu: 1, teams: [eso]}
runtime:
  environments: {gone: /nonexistent/environment}
limits: {idle: 1 h, start: 120 s}
"""


class HubUnderTest(Protocol):
    """A hub whose servers run anywhere, with all that the contract of runtimes asks of it and of where they run."""

    @property
    def url(self) -> str:
        """The address that people are given."""

    def log(self) -> str:
        """Return what the hub has written."""

    def sign_in(self, name: str) -> "Person":
        """Sign somebody in."""

    def edit(self, text: str) -> None:
        """Give the platform another platform file."""

    def settled(self) -> bool:
        """Tell whether the platform file as it stands was taken up."""

    def kill_hub(self, signum: int = signal.SIGKILL) -> None:
        """End the hub as a crash does; what it started stays."""

    def start_hub(self) -> None:
        """Start the hub, and return when it answers."""

    def forget_servers(self) -> None:
        """Take every server out of the records of a hub that does not run."""

    def servers(self) -> Mapping[Any, str]:
        """Return all that runs of servers."""

    def shown(self) -> str:
        """Return what others can read of the servers that run: command lines, manifests."""

    def secrets(self) -> list[str]:
        """Return every secret of the platform's own."""

    def obituaries(self) -> str:
        """Return what the hub keeps of bad ends of servers."""

    def mounted(self) -> set[str]:
        """Return whose view is mounted."""

    def give_data(self, user: str, text: str) -> str:
        """Put a text among the data of somebody whose server runs, from outside; return where it is below /data."""

    def refusing_data(self, user: str) -> AbstractContextManager[str]:
        """Let mounts of somebody's view fail while the block runs; give the words with which they do."""

    def read_home(self, user: str, path: str) -> str:
        """Return a file of a home."""

    def write_home(self, user: str, path: str, text: str | None) -> None:
        """Write a file of a home, or remove it."""


@dataclass
class RunningHub:
    """A hub, its proxy, and the ways to speak to them, where servers are processes: a `HubUnderTest`."""

    var: Var
    ports: Ports
    platform: Path
    keeper: FakeKeeper
    as_root: bool = True
    # Certificate and key of the tests' own host, in the place of localhost.
    tls: tuple[Path, Path] | None = None
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.ports.public}/" if self.tls else f"http://localhost:{self.ports.public}/"

    def client(self) -> httpx.Client:
        return person_client(self.url, self.tls[0] if self.tls else None)

    def log(self) -> str:
        return (self.var.logs / "hub.log").read_text()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        members = ("config", "hub")
        return {
            **kept,
            **self.ports.environment(),
            "PYTHONPATH": os.pathsep.join([*(str(ROOT / member) for member in members), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BOWERBIRD_ROOT": str(ROOT),
            "BOWERBIRD_PYTHON": sys.executable,
            "BOWERBIRD_VAR": str(self.var.root),
            "BOWERBIRD_PLATFORM": str(self.platform),
            "SECRET_OF_THE_HUB": "not for servers",
        }

    def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> None:
        argv = argv if self.as_root else [*AS_NOBODY, *argv]
        with (self.var.logs / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                argv, env=dict(environment), cwd=self.var.hub, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def start_proxy(self) -> None:
        directory = servers_directory(self.var)
        if self.as_root:
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        write_page(self.var, load(self.platform), self.url)
        install = Install.from_environment({"BOWERBIRD_ROOT": str(ROOT)})
        command = (
            *install.proxy_command,
            *("--ip", "127.0.0.1", "--port", str(self.ports.public), "--api-ip", "127.0.0.1", "--api-port", str(self.ports.proxy_api)),
            *routing(self.var, self.ports),
            *(("--ssl-cert", str(self.tls[0]), "--ssl-key", str(self.tls[1])) if self.tls else ()),
        )
        binds = (sandbox.Bind.same(install.base / "node"), sandbox.Bind.same(directory), sandbox.Bind.same(away_directory(self.var)))
        secret = tuple(sandbox.Bind.same(path) for path in self.tls or ())
        world = sandbox.Sandbox(command, sandbox.PROXY_ID, sandbox.PROXY_ID, binds=(*binds, *secret))
        argv = sandbox.argv(world) if self.as_root else list(command)
        self._start("proxy", argv, {"PATH": "/usr/bin:/bin", "CONFIGPROXY_AUTH_TOKEN": secret_files.read_secret(self.var, "proxy-token")})

    def start_hub(self) -> None:
        config = Path(__file__).with_name("hub_config.py")
        self._start("hub", [sys.executable, "-m", "jupyterhub", "-f", str(config)], self._environment())
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.parts["hub"].poll() is None, f"the hub ended:\n{self.log()}"
            try:
                with self.client() as client:
                    if client.get("hub/login", timeout=5).status_code == httpx.codes.OK:
                        return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"the hub did not answer:\n{self.log()}")

    def kill_hub(self, signum: int = signal.SIGKILL) -> None:
        """End the hub as a crash does; what it started stays."""
        hub = self.parts.pop("hub")
        hub.send_signal(signum)
        hub.wait(END_SECONDS)

    def edit(self, text: str) -> None:
        """Write the platform file as an editor does."""
        draft = self.platform.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.platform)

    def settled(self) -> bool:
        """Tell whether the platform file as it stands was taken up; what the hub makes of it then is there before an answer comes."""
        return read_last_good(self.var.platform) == load(self.platform)

    def forget_servers(self) -> None:
        """Take every server out of the hub's database, as an older back-up of it would."""
        with closing(sqlite3.connect(self.var.database)) as connection:
            connection.execute("update spawners set server_id = null, state = '{}'")
            connection.commit()

    def servers(self) -> dict[Process, str]:
        """Return every process of every server, by the marks in their environments."""
        return launch.marked(prefix=mark_of(self.var))

    def shown(self) -> str:
        return "\n".join(Path(f"/proc/{process.pid}/cmdline").read_text() for process in self.servers())

    def secrets(self) -> list[str]:
        return [path.read_text().strip() for path in self.var.secrets.iterdir()]

    def obituaries(self) -> str:
        return (self.var.run / "obituaries.json").read_text()

    def mounted(self) -> set[str]:
        return self.keeper.mounted

    def give_data(self, user: str, text: str) -> str:
        (self.var.views / user / "given.txt").write_text(text)
        return "given.txt"

    @contextmanager
    def refusing_data(self, user: str) -> Iterator[str]:
        self.keeper.refuse = f"the store does not answer for {user}"
        try:
            yield self.keeper.refuse
        finally:
            self.keeper.refuse = None

    def read_home(self, user: str, path: str) -> str:
        return (self.var.homes / user / path).read_text()

    def write_home(self, user: str, path: str, text: str | None) -> None:
        file = self.var.homes / user / path
        if text is None:
            file.unlink()
        else:
            if not file.parent.exists():
                file.parent.mkdir()
                home = (self.var.homes / user).stat()
                os.chown(file.parent, home.st_uid, home.st_gid)
            file.write_text(text)

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        for name in ("hub", "proxy"):
            part = self.parts.pop(name, None)
            if part is not None:
                part.send_signal(signal.SIGTERM)
                part.wait(END_SECONDS)
        # A hub that was killed without a sandbox leaves its services.
        for process in [*self.servers(), *sweep.strays(self.var, ())]:
            process.send(signal.SIGKILL)
        remnants.clear(self.var)

    def sign_in(self, name: str) -> "Person":
        client = self.client()
        self.clients.append(client)
        client.get("hub/login")
        data = {"username": name, "password": PASSWORD, "_xsrf": _xsrf(client, "/hub/")}
        # A person who is signed in lands on the form; their server is not started by that.
        answer = client.post("hub/login?next=%2Fhub%2Fhome", data=data)
        assert answer.status_code == httpx.codes.OK, answer.text
        return Person(self, name, client)


def _xsrf(client: httpx.Client, path: str) -> str:
    return next(cookie.value or "" for cookie in client.cookies.jar if cookie.name == "_xsrf" and cookie.path == path)


@dataclass
class Person:
    """Somebody with a browser that keeps cookies."""

    hub: HubUnderTest
    name: str
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post_form(self, data: dict[str, str], server: str = "") -> httpx.Response:
        path = f"hub/spawn/{self.name}/{server}" if server else "hub/spawn"
        xsrf = _xsrf(self.client, "/hub/")
        return self.client.post(path, data={**data, "_xsrf": xsrf}, headers={"Referer": urljoin(self.hub.url, path)})

    def refused(self, data: dict[str, str], server: str = "") -> httpx.Response:
        """Return the page on which a start that is refused ends: the form waits a second for it, and then leads to another one."""
        deadline = time.monotonic() + START_SECONDS
        page = self.post_form(data, server)
        while "/spawn-pending/" in str(page.url) and page.status_code == httpx.codes.OK and time.monotonic() < deadline:
            time.sleep(0.2)
            page = self.get(str(page.url))
        return page

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"X-XSRFToken": _xsrf(self.client, "/hub/"), "Referer": urljoin(self.hub.url, "hub/home")}
        return self.client.request(method, f"hub/api/{path}", json=body, headers=headers)

    def start(self, profile: str, server: str = "") -> None:
        """Start a server and return when it is ready."""
        answer = self.post_form({"profile": profile}, server)
        assert answer.status_code == httpx.codes.OK, answer.text
        self.wait(lambda model: bool(model and model["ready"]), server)

    def model(self, server: str = "") -> dict[str, Any] | None:
        answer = self.api("GET", f"users/{self.name}?include_stopped_servers")
        assert answer.status_code == httpx.codes.OK, answer.text
        found = answer.json()["servers"].get(server)
        return dict(found) if found else None

    def wait(self, holds: Any, server: str = "") -> dict[str, Any] | None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            model = self.model(server)
            if holds(model):
                return model
            # A hub that is asked without a pause is held up in what it is asked about.
            time.sleep(0.2)
        raise TimeoutError(f"the server of {self.name} is {model}:\n{self.hub.log()[-4000:]}")

    def progress(self) -> list[dict[str, Any]]:
        """Return the events of a start, to the last."""
        events = []
        with self.client.stream("GET", f"hub/api/users/{self.name}/server/progress", timeout=START_SECONDS) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
        return events

    def stop(self, server: str = "") -> None:
        path = f"users/{self.name}/servers/{server}" if server else f"users/{self.name}/server"
        answer = self.api("DELETE", path)
        assert answer.status_code in {202, 204}, answer.text
        self.wait(lambda model: model is None or model.get("stopped"), server)

    def server_api(self, method: str, path: str, body: Any = None, server: str = "") -> httpx.Response:
        """Ask the server's own API, as the pages of JupyterLab do."""
        prefix = f"/user/{self.name}/{server}/" if server else f"/user/{self.name}/"
        own = urljoin(owners_url(self.hub.url, self.name), prefix)
        if not any(cookie.path == prefix for cookie in self.client.cookies.jar):
            self.client.get(f"{own}lab")
        headers = {"X-XSRFToken": _xsrf(self.client, prefix)}
        return self.client.request(method, f"{own}api/{path}", json=body, headers=headers)


@contextmanager
def running_hub(var: Var, platform: str = PLATFORM, as_root: bool = True, tls: tuple[Path, Path] | None = None) -> Iterator[RunningHub]:
    """Start proxy and hub on random ports, as root or as nobody; leaving ends them and every server."""
    file = var.root / "platform.yaml"
    layout.claim(var)
    layout.prepare(var)
    secret_files.make_secrets(var)
    file.write_text(platform)
    hub = RunningHub(var, ports.choose("127.0.0.1", 0), file, FakeKeeper(var, Identities(var).uid), as_root, tls)
    if not as_root:
        for path in (var.root, *var.root.rglob("*")):
            os.chown(path, ANOTHER_UID, ANOTHER_UID)
    with hub.keeper:
        try:
            hub.start_proxy()
            hub.start_hub()
            yield hub
        finally:
            hub.stop()


def process_of(pid: int) -> Process:
    """Return a living process."""
    found = find(pid)
    assert found is not None
    return found
