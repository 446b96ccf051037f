"""The parts that the supervisor keeps alive: what each is started with, and how it is asked whether it lives."""

import hashlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.origins import ELSEWHERE, Origins
from bowerbird_hub.runtimes.places import servers_directory
from bowerbird_hub.runtimes.sandbox import PROXY_ID, Bind, Sandbox, argv
from bowerbird_hub.supervision.away import away_directory
from bowerbird_hub.supervision.marks import marks
from bowerbird_hub.supervision.ports import Ports, is_kept_for_root
from bowerbird_hub.supervision.probes import AllOf, HolderProbe, HttpProbe, OrderProbe, Probe, Request
from bowerbird_hub.supervision.proxy_scripts import node_options

PROXY, HOLDER, KEEPER, HUB = "proxy", "holder", "keeper", "hub"
# The order of a start; a stop goes the other way.
NAMES = (PROXY, HOLDER, KEEPER, HUB)
_TOKEN = "CONFIGPROXY_AUTH_TOKEN"  # noqa: S105  the name of a variable
_SECRET = "BOWERBIRD_SECRET_"  # noqa: S105  the beginning of a variable's name
_LOOPBACK = "127.0.0.1"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep alive; `after` names the parts that must have been ready before."""

    name: str
    argv: tuple[str, ...]
    probe: Probe
    log: Path
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[str, ...] = ()
    ready_seconds: float = 60.0
    # Nothing that an earlier life of it left behind may go on: it would hold the ports.
    alone: bool = False
    # It is never ended but by a stop: taken over however it was started, and left in peace when it does not answer.
    lasting: bool = False
    # What asks it to make room for the next one of it, which goes on where it stopped.
    makes_room_on: signal.Signals | None = None
    # What tells the code that it runs from newer code.
    code: str = ""
    # What the others must do when it is ready again after a restart; a probe's answer is what went wrong.
    on_return: Probe | None = None

    @property
    def fingerprint(self) -> str:
        """What tells this part from one that was asked for differently; no secret can be read from it."""
        told = [self.code, *self.argv, *sorted(f"{key}={value}" for key, value in self.environment.items() if _is_told(key))]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides how the parts are started."""

    install: Install
    var: Var
    platform_file: Path
    platform: Platform
    ports: Ports
    as_root: bool
    token: str = field(repr=False)
    supervisor_token: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    with_keeper: bool = False

    @property
    def url(self) -> str:
        """Where people go."""
        return Origins.of(self.platform, self.ports.public).home

    @property
    def door(self) -> str:
        """The address of this machine that the proxy is asked at; the platform's name may lead elsewhere first, or nowhere yet."""
        address = self.platform.runtime.address
        return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(address, address)  # noqa: S104  compared, not bound


def _is_told(name: str) -> bool:
    return name.startswith("BOWERBIRD_") and not name.startswith(_SECRET)


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_SECRET)}


def parts_of(plan: Plan) -> list[Part]:
    """Return the parts of a platform in the order of their start; no keeper where nothing can be mounted."""
    return [proxy(plan), *([holder(plan), keeper(plan)] if plan.with_keeper else []), hub(plan)]


def proxy(plan: Plan) -> Part:
    """Return configurable-http-proxy; it never runs as root, and has of root's might at most that to listen at a low port."""
    ports = plan.ports
    public = ("--ip", plan.platform.runtime.address, "--port", str(ports.public))
    inner = ("--api-ip", _LOOPBACK, "--api-port", str(ports.proxy_api), *routing(plan.var, ports))
    environment = {key: plan.environment[key] for key in _PASSED_ON if key in plan.environment}
    command = (*plan.install.proxy_command, *public, *inner, *_tls(plan))
    return Part(
        name=PROXY,
        argv=tuple(argv(_proxy_sandbox(plan, command))) if plan.as_root else command,
        probe=proxy_probe(plan.url, plan.door, plan.ports, plan.token),
        log=plan.var.logs / "proxy.log",
        directory=Path("/"),
        environment={**environment, **marks(PROXY, plan.var.root), _TOKEN: plan.token, "NODE_OPTIONS": node_options(plan.var)},
        ready_seconds=30.0,
        alone=True,
        on_return=Request(f"http://{_LOOPBACK}:{ports.hub}/hub/api/proxy", {"Authorization": f"token {plan.supervisor_token}"}),
    )


def routing(var: Var, ports: Ports) -> tuple[str, ...]:
    """Return how the proxy finds its way: by host first, and to the hub with what has no route."""
    hub = f"http://{_LOOPBACK}:{ports.hub}/hub"
    # A page of our own for what does not answer: the hub itself may be what does not.
    return ("--host-routing", "--default-target", f"{hub}/{ELSEWHERE}", "--error-path", str(away_directory(var)))


def _proxy_sandbox(plan: Plan, command: tuple[str, ...]) -> Sandbox:
    seen = [
        plan.install.base / "node",
        servers_directory(plan.var),
        away_directory(plan.var),
        *([tls_directory(plan.var)] if plan.platform.runtime.tls else []),
    ]
    # It outlives a supervisor that was killed, so that nobody's connection breaks; the next one takes it over.
    return Sandbox(
        command,
        PROXY_ID,
        PROXY_ID,
        binds=tuple(Bind.same(path) for path in seen),
        dies_with_parent=False,
        capabilities=("net_bind_service",) if is_kept_for_root(plan.ports.public) else (),
    )


def tls_directory(var: Var) -> Path:
    """Return where the proxy's own copies of certificate and key lie, which it can read without being root."""
    return var.run / "tls"


def _tls(plan: Plan) -> tuple[str, ...]:
    if plan.platform.runtime.tls is None:
        return ()
    place = tls_directory(plan.var)
    return ("--ssl-cert", str(place / "certificate.pem"), "--ssl-key", str(place / "key.pem"))


def holder(plan: Plan) -> Part:
    """Return the holder, which keeps the mounts while the keeper is replaced."""
    return Part(
        name=HOLDER,
        argv=(str(plan.install.fuse_python), "-m", "bowerbird_fuse.holder", "--socket", str(plan.var.holder_socket)),
        probe=holder_probe(plan.var),
        log=plan.var.logs / "holder.log",
        directory=plan.var.run,
        environment={**_without_secrets(plan.environment), **marks(HOLDER, plan.var.root)},
        ready_seconds=30.0,
        lasting=True,
    )


def keeper(plan: Plan) -> Part:
    """Return the data keeper, which mounts what people see as /data."""
    return Part(
        name=KEEPER,
        argv=(str(plan.install.fuse_python), "-m", "bowerbird_fuse.keeper", "--var", str(plan.var.root)),
        probe=keeper_probe(plan.var),
        log=plan.var.logs / "keeper.log",
        directory=plan.var.run,
        environment={**_without_secrets(plan.environment), **marks(KEEPER, plan.var.root)},
        after=(HOLDER,),
        ready_seconds=30.0,
        makes_room_on=signal.SIGUSR1,
        code=plan.install.code_of("config", "fuse"),
    )


def hub(plan: Plan) -> Part:
    """Return the hub; ready when the sign-in page is."""
    configuration = Path(__file__).parents[1] / "jupyterhub_config.py"
    return Part(
        name=HUB,
        argv=(str(plan.install.hub_python), "-m", "jupyterhub", "-f", str(configuration)),
        probe=hub_probe(plan.url, plan.door, plan.ports),
        log=plan.var.logs / "hub.log",
        directory=plan.var.hub,
        environment={
            **plan.environment,
            **plan.ports.environment(),
            **marks(HUB, plan.var.root),
            "BOWERBIRD_PLATFORM": str(plan.platform_file),
            "BOWERBIRD_ROOT": str(plan.install.root),
        },
        after=(PROXY, KEEPER) if plan.with_keeper else (PROXY,),
        ready_seconds=120.0,
        alone=True,
        code=plan.install.code_of("config", "hub"),
    )


def proxy_probe(url: str, door: str | None, ports: Ports, token: str) -> Probe:
    """Return the question whether the proxy lives, and is the one that has our token."""
    routes = HttpProbe(f"http://{_LOOPBACK}:{ports.proxy_api}/api/routes", {"Authorization": f"token {token}"})
    return AllOf((routes, HttpProbe(f"{url}_chp_healthz", door=door)))


def holder_probe(var: Var) -> Probe:
    """Return the question whether the holder answers."""
    return HolderProbe(var.holder_socket)


def keeper_probe(var: Var) -> Probe:
    """Return the question whether the keeper takes orders."""
    return OrderProbe(var.keeper_socket)


def hub_probe(url: str, door: str | None, ports: Ports) -> Probe:
    """Return the question whether people can sign in."""
    # The hub's own port first: the proxy logs an error for each question that comes before the hub has a route.
    return AllOf((HttpProbe(f"http://{_LOOPBACK}:{ports.hub}/hub/health"), HttpProbe(f"{url}hub/login", door=door)))
