"""A hub in a pod, as the chart starts it: all that it is told comes by its environment, and by the files that this one names."""

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowerbird_config.load import load_pod_settings
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub import background
from bowerbird_hub.chart.make_secrets import KEYS
from bowerbird_hub.deployments import hub_settings
from bowerbird_hub.deployments.hub_settings import Settings
from bowerbird_hub.identity.database import WrongAddress, connect, file_address, given_address
from bowerbird_hub.identity.live import Live
from bowerbird_hub.managed import CULLER, VO, vo_routes, vo_sign_in
from bowerbird_hub.nodes.door import NodeDoor, NotYet
from bowerbird_hub.nodes.opening import door_of
from bowerbird_hub.nodes.services import SERVICES_RECORD
from bowerbird_hub.nodes.storage import HomeStorage
from bowerbird_hub.origins import Origins
from bowerbird_hub.proxy_routes import keep_routes
from bowerbird_hub.runtimes.kubernetes import KubernetesSpawner
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.orphan_pods import keep_ending_orphans
from bowerbird_hub.runtimes.pod_servers import PodServers
from bowerbird_hub.sign_on import demo_accounts
from bowerbird_hub.succession import Replaced, Succession
from jupyterhub.app import JupyterHub
from kubespawner.clients import load_config
from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger("bowerbird.hub")
PODS = "BOWERBIRD_PODS"
DEMO_CAS, DEMO_CAS_PORT = "BOWERBIRD_DEMO_CAS_URL", "BOWERBIRD_CAS_PORT"
_CAS_PATH = "cas"
# Whoever watches the cluster: by its token the hub tells its figures, and nothing else.
PROMETHEUS = "prometheus"
_PROMETHEUS_ROLE = {"name": PROMETHEUS, "scopes": ["read:metrics"], "services": [PROMETHEUS]}
_KEY_BYTES = 32


class NotConfigured(Exception):
    """The environment of the hub's pod lacks something, or has it in a wrong form; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a platform runs: all that `settings` needs beside the platform itself, without secrets."""

    var: Var
    pods: PodSettings
    own: Origins
    hub_port: int
    proxy_api: str
    services: str
    image_parts: str
    # Where the proxy finds the demo CAS server, and where in its own pod the hub does.
    demo_cas: str | None = None
    demo_cas_port: int | None = None
    # A password may be in it.
    database: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Deployment":
        """Return what the environment says; NotConfigured where it does not say it all, ConfigError where the file of pods is wrong."""
        var = Var(Path(_told(environment, "BOWERBIRD_VAR")))
        demo_cas = environment.get(DEMO_CAS)
        return cls(
            var,
            load_pod_settings(Path(_told(environment, PODS))),
            _origins(environment, "BOWERBIRD_PUBLIC_URL"),
            _port(environment, "BOWERBIRD_HUB_PORT"),
            _told(environment, "BOWERBIRD_PROXY_API_URL"),
            _told(environment, "BOWERBIRD_SERVICES_URL"),
            _told(environment, "BOWERBIRD_IMAGE_PARTS_URL"),
            demo_cas,
            _port(environment, DEMO_CAS_PORT) if demo_cas else None,
            _database(environment, var),
        )


@dataclass(frozen=True, slots=True)
class Secrets:
    """The platform's own secrets, as the chart's Secret has them."""

    proxy_token: str = field(repr=False)
    cookie_secret: bytes = field(repr=False)
    crypt_key: bytes = field(repr=False)
    tokens: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Secrets":
        """Return what the environment holds; NotConfigured where it does not hold them all."""
        proxy, cookie, crypt, culler, services, metrics = (_told(environment, _variable(key)) for key in KEYS)
        return cls(proxy, _key("cookie-secret", cookie), _key("crypt-key", crypt), {CULLER: culler, VO: services, PROMETHEUS: metrics})


def _variable(key: str) -> str:
    return f"BOWERBIRD_SECRET_{key.upper().replace('-', '_')}"


def _told(environment: Mapping[str, str], name: str) -> str:
    found = environment.get(name)
    if not found:
        raise NotConfigured(f"the hub cannot start in a pod: its environment has no {name}")
    return found


def _port(environment: Mapping[str, str], name: str) -> int:
    found = _told(environment, name)
    if not found.isdecimal():
        raise NotConfigured(f"the hub cannot start in a pod: {name} is {found!r}, and is to be a port")
    return int(found)


def _database(environment: Mapping[str, str], var: Var) -> str:
    try:
        return given_address(environment) or file_address(var)
    except WrongAddress as error:
        raise NotConfigured(f"the hub cannot start in a pod: {error}") from None


def _origins(environment: Mapping[str, str], name: str) -> Origins:
    found = _told(environment, name)
    try:
        return Origins.at(found)
    except ValueError as error:
        raise NotConfigured(f"the hub cannot start in a pod: {name} is {found!r}, and is to be like https://data.example.org/") from error


def _key(name: str, text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _KEY_BYTES:
        # Not what it is: it is a secret all the same.
        raise NotConfigured(f"{name} of the platform's Secret is not 32 bytes in hexadecimal digits; 'openssl rand -hex 32' makes one")
    return found


def settings(platform: Platform, deployment: Deployment) -> Settings:
    """Return the configuration by class and trait, without secrets and without live objects."""
    own = deployment.own
    demo = {f"{own.host}/{_CAS_PATH}/": deployment.demo_cas} if deployment.demo_cas else {}
    return hub_settings.with_more(
        hub_settings.settings(platform, own),
        {
            "JupyterHub": {
                # Every address of the pod, of either kind: the network policies say who comes to it.
                "hub_bind_url": f"http://:{deployment.hub_port}",
                "hub_connect_url": deployment.pods.hub_url,
                # So long does a hub that follows another wait for the starts that are under way before people reach it.
                "init_spawners_timeout": 3,
                # A limit on idle servers may come with an edit, and the culler with it.
                "load_roles": [*hub_settings.VO_ROLES, hub_settings.CULLER_ROLE, _PROMETHEUS_ROLE],
                # The chart starts them.
                "services": [{"name": name, "display": False} for name in (CULLER, PROMETHEUS)]
                + [{"name": VO, "display": False, **vo_sign_in(own)}],
            },
            "ConfigurableHTTPProxy": {
                "api_url": deployment.proxy_api,
                "extra_routes": {**vo_routes(own, deployment.services, deployment.image_parts), **demo},
            },
        },
    )


def configure(c: Any, live: Live, deployment: Deployment, secrets: Secrets) -> None:
    """Fill JupyterHub's configuration `c`, and follow the platform file's edits from now on."""
    var, own = deployment.var, deployment.own
    hub_settings.take(c, settings(live.platform, deployment))
    hub_settings.log_with_the_hub()
    c.JupyterHub.db_url = deployment.database
    _take_secrets(c, secrets)
    hub_settings.sign_on(c, live, own, f"{own.home}{_CAS_PATH}")
    if deployment.demo_cas_port:
        # Browsers come to it by the proxy; the hub asks it within their pod, where nobody can answer in its place.
        c.CASAuthenticator.demo_inner_url = f"http://127.0.0.1:{deployment.demo_cas_port}/{_CAS_PATH}"
    hub_settings.spawn_by(c, KubernetesSpawner, live, Obituaries(var.run / "obituaries.json"))
    c.KubernetesSpawner.settings = deployment.pods
    _demo(live.platform, deployment)
    live.on_change(lambda platform: _follow(platform, deployment))


def _take_secrets(c: Any, secrets: Secrets) -> None:
    c.ConfigurableHTTPProxy.auth_token = secrets.proxy_token
    c.JupyterHub.cookie_secret = secrets.cookie_secret
    c.CryptKeeper.keys = [secrets.crypt_key]
    c.JupyterHub.services = [{**service, "api_token": secrets.tokens[service["name"]]} for service in c.JupyterHub.services]


def _demo(platform: Platform, deployment: Deployment) -> None:
    """Write the accounts of the demo CAS server, which reads them again when they change."""
    home = deployment.own.home
    demo_accounts.write(platform, deployment.var, home, [f"{home}{hub_settings.CALLBACK_PATH}"])


def _follow(platform: Platform, deployment: Deployment) -> None:
    """Take up an edited platform file: what JupyterHub read at its start is told again."""
    _demo(platform, deployment)
    if JupyterHub.initialized():
        hub_settings.tell_spawners(JupyterHub.instance(), platform)


def users_in_mind() -> list[Any]:
    """Return every user with servers; NotYet while the hub has still to read who has one."""
    app = JupyterHub.instance() if JupyterHub.initialized() else None
    if app is None or app.http_server is None:
        raise NotYet
    return list(app.users.values())


def from_environment(c: Any, environment: Mapping[str, str]) -> None:
    """Fill JupyterHub's configuration from what the chart put into the environment, and open the door for node plugins with the hub."""
    deployment, secrets = Deployment.of(environment), Secrets.of(environment)
    platform = Path(_told(environment, "BOWERBIRD_PLATFORM"))
    live = Live(platform, deployment.var, database_url=deployment.database, sockets=False, parts=(SERVICES_RECORD,))
    door, port = _door(environment, deployment, live, secrets.tokens[VO])
    succession = _take_place(deployment)
    configure(c, live, deployment, secrets)
    live.on_start(lambda: background.begin(_end_when_replaced(succession), "whether another hub has taken this one's place"))
    live.on_start(lambda: door.open(port))
    live.on_start(lambda: _end_orphans(deployment.pods, succession))
    live.on_start(_keep_routes)


def _take_place(deployment: Deployment) -> Succession:
    """Be the one hub of the database from now on; NotConfigured where that is another one, or cannot be known."""
    # The volume is empty at first.
    for place in (deployment.var.hub, deployment.var.run):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    succession = Succession(connect(deployment.database), socket.gethostname())
    try:
        succession.take()
    except Replaced as error:
        raise NotConfigured(str(error)) from error
    except SQLAlchemyError as error:
        # Not its text, which may say more than a log is to hold.
        raise NotConfigured(f"the hub cannot start in a pod: its database does not answer ({type(error).__name__})") from error
    return succession


async def _end_when_replaced(succession: Succession) -> None:
    _log.critical("%s", await succession.replaced())
    # As it stands: whatever is at work would go on to write what is the other's by now.
    os._exit(1)


def _end_orphans(pods: PodSettings, succession: Succession) -> None:
    load_config()
    background.begin(keep_ending_orphans(pods, users_in_mind, succession.successor), "servers without a record")


def _keep_routes() -> None:
    background.begin(keep_routes(JupyterHub.instance()), "the proxy's routes")


def _door(environment: Mapping[str, str], deployment: Deployment, live: Live, services_token: str) -> tuple[NodeDoor, int]:
    try:
        servers = PodServers(users_in_mind, HomeStorage(deployment.var.home_storage))
        return door_of(environment, deployment.pods.driver, servers, live.node_feed, services_token)
    except ValueError as error:
        raise NotConfigured(str(error)) from error
