"""The services that the hub itself keeps running: each unprivileged, in a sandbox that ends with the hub. Pure."""

from typing import Any

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.runtimes.sandbox import CAS_ID, SERVICE_ID, Bind, Sandbox, argv
from bowerbird_hub.sign_on.demo_accounts import server_file
from bowerbird_hub.supervision.marks import marks
from bowerbird_hub.supervision.parts import HUB
from bowerbird_hub.supervision.ports import Ports

CULLER = "idle-culler"
CAS = "demo-cas"


def services(platform: Platform, install: Install, var: Var, ports: Ports, as_root: bool) -> list[dict[str, Any]]:
    """Return JupyterHub's descriptions of the services that the platform asks for."""
    asked = []
    if platform.limits.idle is not None:
        asked.append(_service(CULLER, _culler(platform, install), as_root))
    if platform.sign_on.demo is not None:
        asked.append(_service(CAS, _demo_cas(install, var, ports), as_root))
    # Where no sandbox ends them with the hub, the supervisor knows by these what a killed hub left behind.
    return [{**service, "environment": marks(HUB, var.root)} for service in asked]


def _service(name: str, sandbox: Sandbox, as_root: bool) -> dict[str, Any]:
    return {"name": name, "display": False, "command": argv(sandbox) if as_root else list(sandbox.command)}


def _culler(platform: Platform, install: Install) -> Sandbox:
    idle = platform.limits.idle
    seconds = max(1, round(idle.total_seconds())) if idle is not None else 0
    often = min(300, max(1, seconds // 2))
    python = install.hub_python
    return Sandbox(
        command=(
            str(python),
            "-I",
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={seconds}",
            f"--cull-every={often}",
        ),
        uid=SERVICE_ID,
        gid=SERVICE_ID,
        binds=(Bind.same(python.parent.parent),),
        hostname=CULLER,
    )


def _demo_cas(install: Install, var: Var, ports: Ports) -> Sandbox:
    python, code = install.cas_python, install.root / "hub" / "bowerbird_hub"
    arguments = ("--port", str(ports.cas), "--dir", str(var.cas), "--accounts", str(server_file(var)))
    return Sandbox(
        command=(str(python), "-I", str(code / "demo_cas" / "main.py"), *arguments),
        uid=CAS_ID,
        gid=CAS_ID,
        binds=(Bind.same(python.parent.parent), Bind.same(code), Bind.same(var.cas, writable=True)),
        hostname=CAS,
    )
