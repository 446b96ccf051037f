"""Platform -> JupyterHub's configuration: `settings` is pure, `configure` adds secrets, live objects and what follows an edit."""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.forms import PAGES
from bowerbird_hub.identity.live import Live
from bowerbird_hub.managed import CAS, CULLER, VO, VO_PATH, VO_SCOPE, services
from bowerbird_hub.origins import Origins
from bowerbird_hub.page_facts import PageFacts
from bowerbird_hub.runtimes.local import Host
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.orphans import end_orphans, unmount_unused
from bowerbird_hub.runtimes.process import ProcessSpawner
from bowerbird_hub.runtimes.sandbox import CAS_ID, SERVICES_ID
from bowerbird_hub.service_spawner import replace_jupyterhubs
from bowerbird_hub.sign_on import demo_accounts
from bowerbird_hub.sign_on.cas import CASAuthenticator
from bowerbird_hub.state.secret_files import read_secret
from bowerbird_hub.supervision import machine
from bowerbird_hub.supervision.ports import Ports
from jupyterhub.app import JupyterHub

_log = logging.getLogger("bowerbird.hub")
# Tasks that nobody waits for, held so that they are not collected while they run.
_background: set[asyncio.Task[None]] = set()

LOOPBACK = "127.0.0.1"
CALLBACK_PATH = "hub/cas/callback"
SUPERVISOR = "supervisor"
_DAY_SECONDS = 86_400
_TOKEN_DAYS = 30
# Names without a server cost a row each; what may run at once is `limits.servers_per_user`.
_NAMED_SERVERS = 20
_CULLER_ROLE = {"name": CULLER, "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"], "services": [CULLER]}
_VO_ROLES = [
    {"name": "user", "scopes": ["self", VO_SCOPE]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", VO_SCOPE]},
]

# Pages load nothing from elsewhere, and stand in no frame. Styles and the few scripts stand in the page itself.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a platform runs: all that `settings` needs beside the platform itself."""

    install: Install
    var: Var
    ports: Ports
    as_root: bool


def _headers(own: Origins) -> dict[str, str]:
    # A form of the hub may end at a server: at once after a start, and after a permission.
    policy = POLICY.replace("form-action 'self'", f"form-action 'self' {own.of_servers}")
    return {**HEADERS, "Content-Security-Policy": policy}


def settings(platform: Platform, deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the configuration by class and trait, without secrets and without live objects."""
    ports, var, own = deployment.ports, deployment.var, Origins.of(platform, deployment.ports.public)
    return {
        "JupyterHub": {
            "bind_url": own.home,
            # Each owner's servers have an origin of their own; what stands under no known name goes to `elsewhere`.
            "subdomain_host": own.hub,
            "hub_routespec": f"{own.host}/",
            "hub_bind_url": f"http://{LOOPBACK}:{ports.hub}",
            "db_url": f"sqlite:///{var.database}",
            "cookie_secret_file": str(var.secrets / "cookie-secret"),
            "cleanup_servers": False,
            "cleanup_proxy": False,
            "template_paths": [str(PAGES)],
            "allow_named_servers": True,
            "named_server_limit_per_user": _NAMED_SERVERS,
            "token_expires_in_max_seconds": _TOKEN_DAYS * _DAY_SECONDS,
            "oauth_require_pkce": True,
            # Without a domain, JupyterHub's cookies are for the host alone that set them, and no server is sent the hub's.
            "tornado_settings": {"headers": _headers(own), "domain": "", "cookie_options": {"samesite": "Lax"}},
            # The prefix keeps other hosts of the domain from setting them; browsers want TLS for it.
            "cookie_host_prefix_enabled": platform.runtime.tls is not None,
            "load_roles": [*_VO_ROLES, *([_CULLER_ROLE] if platform.limits.idle else [])],
            "services": services(platform, deployment.install, var, ports, deployment.as_root),
        },
        "ConfigurableHTTPProxy": {
            "should_start": False,
            "api_url": f"http://{LOOPBACK}:{ports.proxy_api}",
            # Under the hub's name and not one below it, which not every client could resolve. Its answers run nothing in a browser.
            "extra_routes": {f"{own.host}/{VO_PATH}/": f"http://{LOOPBACK}:{ports.services}"},
        },
        "Authenticator": {"enable_auth_state": True},
        "Spawner": {
            "start_timeout": round(platform.limits.start.total_seconds()),
            "http_timeout": round(platform.limits.start.total_seconds()),
            "poll_interval": 5,
            "consecutive_failure_limit": 0,
            "default_url": "/lab",
        },
    }


def configure(c: Any, live: Live, install: Install, var: Var, ports: Ports) -> None:
    """Fill JupyterHub's configuration `c`, end what no record owns, and follow the platform file's edits from now on."""
    deployment = Deployment(install, var, ports, machine.is_root())
    for name, traits in settings(live.platform, deployment).items():
        c[name].update(traits)
    _log_with_the_hub()
    host = Host.of_this_machine(install, var)
    obituaries = Obituaries(var.run / "obituaries.json")
    _secrets(c, var)
    _classes(c, live, host, obituaries, deployment)
    end_orphans(host)
    _demo(live.platform, deployment)
    _places_of_services(deployment)
    live.on_change(lambda platform: _follow(platform, deployment))
    for lack in host.lacks:
        _log.warning("%s", lack)
    with suppress(RuntimeError):  # no loop runs where only the configuration is looked at
        _background.add(asyncio.get_running_loop().create_task(unmount_unused(host)))


def _log_with_the_hub() -> None:
    """Let our own lines stand among the hub's, with its time and form."""
    if JupyterHub.initialized():
        ours = logging.getLogger("bowerbird")
        ours.parent = JupyterHub.instance().log
        ours.setLevel(logging.INFO)


def _secrets(c: Any, var: Var) -> None:
    c.ConfigurableHTTPProxy.auth_token = read_secret(var, "proxy-token")
    c.CryptKeeper.keys = [bytes.fromhex(read_secret(var, "crypt-key"))]
    # The supervisor asks for the routes when it has started the proxy anew.
    known = {"name": SUPERVISOR, "api_token": read_secret(var, "supervisor-token"), "display": False}
    c.JupyterHub.services = [*c.JupyterHub.services, known]
    c.JupyterHub.load_roles = [*c.JupyterHub.load_roles, {"name": SUPERVISOR, "scopes": ["proxy"], "services": [SUPERVISOR]}]


def _classes(c: Any, live: Live, host: Host, obituaries: Obituaries, deployment: Deployment) -> None:
    c.JupyterHub.authenticator_class = CASAuthenticator
    c.CASAuthenticator.live = live
    own = Origins.of(live.platform, deployment.ports.public)
    c.JupyterHub.subdomain_hook = own.domain
    c.CASAuthenticator.public_url = own.home
    c.CASAuthenticator.demo_url = f"http://{LOOPBACK}:{deployment.ports.cas}/cas"
    c.JupyterHub.spawner_class = ProcessSpawner
    c.ProcessSpawner.live = live
    c.ProcessSpawner.host = host
    c.ProcessSpawner.obituaries = obituaries
    replace_jupyterhubs()
    c.JupyterHub.template_vars = PageFacts(live, obituaries).variables()


def _demo(platform: Platform, deployment: Deployment) -> None:
    """Write the accounts of the demo CAS server, which reads them again when they change."""
    home = Origins.of(platform, deployment.ports.public).home
    demo_accounts.write(platform, deployment.var, home, [f"{home}{CALLBACK_PATH}"], CAS_ID if deployment.as_root else None)


def _places_of_services(deployment: Deployment) -> None:
    """Make the directories that the HTTP services see: all are theirs alone but the last, in which is the hub's socket."""
    var, owner = deployment.var, SERVICES_ID if deployment.as_root else -1
    own = (var.services, var.tables, var.surveys)
    for place, uid, mode in (*((each, owner, 0o700) for each in own), (var.services_socket.parent, -1, 0o750)):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(place, uid, owner)
        place.chmod(mode)


def _follow(platform: Platform, deployment: Deployment) -> None:
    """Take up an edited platform file: what JupyterHub read at its start is told again."""
    _demo(platform, deployment)
    if not JupyterHub.initialized():
        return
    app = JupyterHub.instance()
    told = settings(platform, deployment)["Spawner"]
    for name in ("start_timeout", "http_timeout"):
        app.config.Spawner[name] = told[name]
        for user in app.users.values():
            for spawner in user.spawners.values():
                setattr(spawner, name, told[name])
    _background.add(asyncio.ensure_future(_restart_services(app, platform, deployment)))


async def _restart_services(app: JupyterHub, platform: Platform, deployment: Deployment) -> None:
    """Start anew the services whose command has changed, and stop those that are not asked for any more."""
    asked = services(platform, deployment.install, deployment.var, deployment.ports, deployment.as_root)
    commands = {told["name"]: told["command"] for told in asked}
    for name in (CULLER, CAS, VO):
        service, command = app._service_map.get(name), commands.get(name)
        if service is None:
            if command is not None:
                _log.warning("the service %s is new in the platform file; it starts when the hub is started again", name)
        elif list(service.command) != command:
            await service.stop()
            if command is not None:
                service.command = command
                await service.start()


def from_environment(c: Any, environment: Mapping[str, str] = os.environ) -> None:
    """Fill JupyterHub's configuration from what the supervisor put into the environment."""
    var = Var(Path(environment["BOWERBIRD_VAR"]))
    names = ("BOWERBIRD_PORT", "BOWERBIRD_HUB_PORT", "BOWERBIRD_PROXY_API_PORT", "BOWERBIRD_CAS_PORT", "BOWERBIRD_SERVICES_PORT")
    live = Live(Path(environment["BOWERBIRD_PLATFORM"]), var)
    configure(c, live, Install.from_environment(environment), var, Ports(*(int(environment[name]) for name in names)))
