"""A real JupyterHub with our sign-on, in its own process, and a browser for it that follows redirects by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_config.remembered import read_last_good

from tests.support.cas import ROOT, free_port, until

API_TOKEN = "token-of-the-tests-only"
START_SECONDS = 60

PLATFORM: dict[str, Any] = {
    "bowerbird": 1,
    "name": "Test platform",
    "contact": "admins@example.org",
    "teams": {
        "craft": {
            "title": "CRAFT",
            "contact": "craft@example.org",
            "groups": ["CN=craft,OU=Teams\\, all,DC=example,DC=org"],
            "owners": ["owner"],
        },
        "eso": {"title": "ESO", "contact": "eso@example.org", "groups": ["eso-people"], "guests": ["guest"]},
    },
    "profiles": {"minimal": {"title": "Minimal", "memory": "1 GiB", "cpu": 1, "teams": "everyone"}},
}

# The proxy only remembers what it is told: the tests' browser goes to the hub and the servers itself.
CONFIG = """
import json, os, sys
from pathlib import Path
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import SimpleLocalProcessSpawner
from bowerbird_config.paths import Var
from bowerbird_hub.sign_on.cas import CASAuthenticator
from bowerbird_hub.identity.live import Live

told = json.loads(os.environ["TEST_HUB"])

class Remembered(Proxy):
    should_start = False
    routes = {}
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
        Path("routes.json").write_text(json.dumps({k: v["target"] for k, v in self.routes.items()}))
    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
    async def get_all_routes(self):
        return dict(self.routes)

c = get_config()
c.JupyterHub.proxy_class = Remembered
c.JupyterHub.bind_url = told["public"]
c.JupyterHub.hub_port = told["port"]
c.JupyterHub.db_url = told["database"]
c.JupyterHub.cookie_secret_file = told["cookie_secret"]
c.JupyterHub.authenticator_class = CASAuthenticator
c.JupyterHub.spawner_class = SimpleLocalProcessSpawner
c.JupyterHub.log_level = "DEBUG"
c.CASAuthenticator.live = Live(Path(told["platform"]), Var(Path(told["var"])), poll_seconds=0.1)
c.CASAuthenticator.public_url = told["public"]
c.CASAuthenticator.demo_url = told["demo"]
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--HubOAuth.cache_max_age=1"]
c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(os.getcwd(), "home")
c.JupyterHub.services = [{"name": "tests", "api_token": told["token"]}]
scopes = ["admin:users", "admin:groups", "read:roles", "admin:servers", "tokens"]
c.JupyterHub.load_roles = [{"name": "tests", "services": ["tests"], "scopes": scopes}]
"""


@dataclass(frozen=True)
class Hub:
    """A running hub."""

    url: str
    directory: Path
    var: Var
    platform_file: Path

    @property
    def log(self) -> str:
        """Everything that the hub wrote."""
        return (self.directory / "hub.log").read_text(errors="replace")

    @property
    def callback(self) -> str:
        """The service URL, without its state."""
        return f"{self.url}/hub/cas/callback"

    def api(self, path: str, method: str = "GET", **keywords: Any) -> httpx.Response:
        """Ask the hub's API as a service that may see everything."""
        headers = {"Authorization": f"token {API_TOKEN}"}
        return httpx.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=30, **keywords)

    def user(self, name: str) -> dict[str, Any]:
        """Return what the hub knows of somebody."""
        return dict(self.api(f"/users/{name}").json())

    def edit(self, platform: dict[str, Any]) -> None:
        """Put another platform file in its place."""
        write_platform(self.platform_file, platform)

    def settled(self) -> bool:
        """Tell whether the platform file as it stands was taken up."""
        return read_last_good(self.var.platform) == load(self.platform_file)

    def routes(self) -> dict[str, str]:
        """Return what the proxy would know."""
        return dict(json.loads((self.directory / "routes.json").read_text()))


def write_platform(path: Path, platform: dict[str, Any]) -> None:
    """Write a platform file as an editor does: whole, under another name first."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(yaml.safe_dump(platform))
    fresh.replace(path)


class _Routed(httpx.BaseTransport):
    """Sends `/user/...` to the single-user server that the proxy would send it to."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/user/") and str(request.url).startswith(self._hub.url):
            prefix = "/".join(request.url.path.split("/")[:3]) + "/"
            target = httpx.URL(self._hub.routes()[prefix])
            url = request.url.copy_with(host=target.host, port=target.port)
            request = httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def browser(hub: Hub, **keywords: Any) -> Iterator[httpx.Client]:
    """Open a fresh browser profile; it follows no redirect by itself."""
    # JupyterHub tells a page from a script's request by this header, which every browser sends.
    headers = {"Sec-Fetch-Mode": "navigate", "User-Agent": "tests"}
    with httpx.Client(transport=_Routed(hub), headers=headers, timeout=30, **keywords) as client:
        yield client


def follow(client: httpx.Client, url: str, stop: Callable[[httpx.Response], bool] | None = None) -> httpx.Response:
    """Follow redirects as a browser does, until there is none or `stop` says so."""
    response = client.get(url)
    for _ in range(12):
        if not response.is_redirect or (stop and stop(response)):
            return response
        response = client.get(response.url.join(response.headers["location"]))
    raise AssertionError(f"too many redirects, the last to {response.headers['location']}")


@contextmanager
def running_hub(directory: Path, platform: dict[str, Any], port: int | None = None, demo_url: str = "", public: str = "") -> Iterator[Hub]:
    """Run a hub in that directory until the block ends; what it wrote stays in `hub.log`, and `public` is what people call it."""
    port = port or free_port()
    var = Var(directory / "var")
    for state in (var.run, var.hub):
        state.mkdir(mode=0o700, parents=True)
    hub = Hub(f"http://127.0.0.1:{port}", directory, var, directory / "platform.yaml")
    hub.edit(platform)
    (directory / "config.py").write_text(CONFIG)
    with running_again(hub, demo_url, public):
        yield hub


@contextmanager
def running_again(hub: Hub, demo_url: str = "", public: str = "") -> Iterator[Hub]:
    """Run a hub on what an earlier one left."""
    told = {
        "public": public or hub.url,
        "port": int(httpx.URL(hub.url).port or 0),
        "database": f"sqlite:///{hub.var.database}",
        "cookie_secret": str(hub.directory / "cookie_secret"),
        "platform": str(hub.platform_file),
        "var": str(hub.var.root),
        "demo": demo_url,
        "token": API_TOKEN,
    }
    env = {
        **os.environ,
        "TEST_HUB": json.dumps(told),
        "JUPYTERHUB_CRYPT_KEY": "ab" * 32,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "config"), str(ROOT / "hub")]),
    }
    with (hub.directory / "hub.log").open("a") as log:
        argv = [sys.executable, "-m", "jupyterhub", "-f", "config.py"]
        process = subprocess.Popen(argv, cwd=hub.directory, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: _answers(hub, process), START_SECONDS, "the hub's start")
        yield hub
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _answers(hub: Hub, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, hub.log[-3000:]
    try:
        return httpx.get(f"{hub.url}/hub/health", timeout=5).is_success
    except httpx.TransportError:
        return False
