"""A hub on one machine, among the parts that the supervisor starts: `settings` is pure, `configure` adds what lives."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub import background
from bowerbird_hub.deployments import hub_settings
from bowerbird_hub.deployments.hub_settings import Settings
from bowerbird_hub.identity.database import file_address
from bowerbird_hub.identity.live import Live
from bowerbird_hub.managed import CAS, CULLER, VO, services, vo_routes
from bowerbird_hub.origins import Origins
from bowerbird_hub.runtimes.local import Host
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.orphans import end_orphans, unmount_unused
from bowerbird_hub.runtimes.process import ProcessSpawner
from bowerbird_hub.runtimes.sandbox import CAS_ID, SERVICES_ID
from bowerbird_hub.service_spawner import replace_jupyterhubs
from bowerbird_hub.sign_on import demo_accounts
from bowerbird_hub.state.secret_files import read_secret
from bowerbird_hub.supervision import machine
from bowerbird_hub.supervision.ports import Ports
from jupyterhub.app import JupyterHub

_log = logging.getLogger("bowerbird.hub")

LOOPBACK = "127.0.0.1"
SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a platform runs: all that `settings` needs beside the platform itself."""

    install: Install
    var: Var
    ports: Ports
    as_root: bool


def settings(platform: Platform, deployment: Deployment) -> Settings:
    """Return the configuration by class and trait, without secrets and without live objects."""
    ports, var, own = deployment.ports, deployment.var, Origins.of(platform, deployment.ports.public)
    return hub_settings.with_more(
        hub_settings.settings(platform, own),
        {
            "JupyterHub": {
                "hub_bind_url": f"http://{LOOPBACK}:{ports.hub}",
                "db_url": file_address(var),
                "cookie_secret_file": str(var.secrets / "cookie-secret"),
                "load_roles": [*hub_settings.VO_ROLES, *([hub_settings.CULLER_ROLE] if platform.limits.idle else [])],
                "services": services(platform, deployment.install, var, ports, deployment.as_root),
            },
            "ConfigurableHTTPProxy": {
                "api_url": f"http://{LOOPBACK}:{ports.proxy_api}",
                # Under the hub's name and not one below it, which not every client could resolve. Its answers run nothing in a browser.
                "extra_routes": vo_routes(own, f"http://{LOOPBACK}:{ports.services}", f"http://{LOOPBACK}:{ports.images}"),
            },
        },
    )


def configure(c: Any, live: Live, deployment: Deployment) -> None:
    """Fill JupyterHub's configuration `c`, end what no record owns, and follow the platform file's edits from now on."""
    var, own = deployment.var, Origins.of(live.platform, deployment.ports.public)
    hub_settings.take(c, settings(live.platform, deployment))
    hub_settings.log_with_the_hub()
    host = Host.of_this_machine(deployment.install, var)
    _secrets(c, var)
    hub_settings.sign_on(c, live, own, f"http://{LOOPBACK}:{deployment.ports.cas}/cas")
    hub_settings.spawn_by(c, ProcessSpawner, live, Obituaries(var.run / "obituaries.json"))
    c.ProcessSpawner.host = host
    replace_jupyterhubs()
    end_orphans(host)
    _demo(live.platform, deployment)
    _places_of_services(deployment)
    live.on_change(lambda platform: _follow(platform, deployment))
    for lack in host.lacks:
        _log.warning("%s", lack)
    live.on_start(lambda: background.begin(unmount_unused(host), "views that nobody uses"))


def _secrets(c: Any, var: Var) -> None:
    c.ConfigurableHTTPProxy.auth_token = read_secret(var, "proxy-token")
    c.CryptKeeper.keys = [bytes.fromhex(read_secret(var, "crypt-key"))]
    # The supervisor asks for the routes when it has started the proxy anew.
    known = {"name": SUPERVISOR, "api_token": read_secret(var, "supervisor-token"), "display": False}
    c.JupyterHub.services = [*c.JupyterHub.services, known]
    c.JupyterHub.load_roles = [*c.JupyterHub.load_roles, {"name": SUPERVISOR, "scopes": ["proxy"], "services": [SUPERVISOR]}]


def _demo(platform: Platform, deployment: Deployment) -> None:
    """Write the accounts of the demo CAS server, which reads them again when they change."""
    home = Origins.of(platform, deployment.ports.public).home
    owner = CAS_ID if deployment.as_root else None
    demo_accounts.write(platform, deployment.var, home, [f"{home}{hub_settings.CALLBACK_PATH}"], owner)


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
    hub_settings.tell_spawners(app, platform)
    background.begin(_restart_services(app, platform, deployment), "services of the edited platform file")


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


def from_environment(c: Any, environment: Mapping[str, str]) -> None:
    """Fill JupyterHub's configuration from what the supervisor put into the environment."""
    var = Var(Path(environment["BOWERBIRD_VAR"]))
    ports = Ports.of(environment)
    live = Live(Path(environment["BOWERBIRD_PLATFORM"]), var)
    configure(c, live, Deployment(Install.from_environment(environment), var, ports, machine.is_root()))
