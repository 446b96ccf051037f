"""The services that the hub itself keeps running: each unprivileged, in a sandbox that ends with the hub. Pure."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from bowerbird_config.image_parts import IMAGE_PARTS
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.origins import Origins
from bowerbird_hub.runtimes.sandbox import CAS_ID, SERVICE_ID, SERVICES_ID, Bind, Sandbox, argv
from bowerbird_hub.sign_on.demo_accounts import server_file
from bowerbird_hub.supervision.marks import marks
from bowerbird_hub.supervision.parts import HUB
from bowerbird_hub.supervision.ports import Ports

# Below the service's address: where the hub sends a person who has signed in.
SIGNED_IN = "signed-in"
CULLER = "idle-culler"
CAS = "demo-cas"
VO = "vo"
VO_PATH = "services/vo"
# Whoever may sign in may ask for tables, and so may their servers; a token for that alone has this one scope.
VO_SCOPE = f"access:services!service={VO}"


def services(platform: Platform, install: Install, var: Var, ports: Ports, as_root: bool) -> list[dict[str, Any]]:
    """Return JupyterHub's descriptions of the services that the platform asks for."""
    asked = []
    if platform.limits.idle is not None:
        asked.append(_service(CULLER, _culler(platform.limits.idle, install), as_root))
    if platform.sign_on.demo is not None:
        asked.append(_service(CAS, _demo_cas(install, var, ports), as_root))
    # No account has its number, so nothing else says where its home is.
    own = Origins.of(platform, ports.public)
    asked.append({**_service(VO, _vo(own, install, var, ports), as_root), **vo_sign_in(own), "environment": {"HOME": str(var.services)}})
    # Where no sandbox ends them with the hub, the supervisor knows by these what a killed hub left behind.
    return [{**service, "environment": {**service.get("environment", {}), **marks(HUB, var.root)}} for service in asked]


def _service(name: str, sandbox: Sandbox, as_root: bool) -> dict[str, Any]:
    return {"name": name, "display": False, "command": argv(sandbox) if as_root else list(sandbox.command)}


def culler_command(python: Path, idle: timedelta) -> tuple[str, ...]:
    """Return what stops servers that have been idle that long; the hub's address and a token are in its environment."""
    seconds = max(1, round(idle.total_seconds()))
    often = min(300, max(1, seconds // 2))
    return (str(python), "-I", "-m", "jupyterhub_idle_culler", f"--timeout={seconds}", f"--cull-every={often}")


def _culler(idle: timedelta, install: Install) -> Sandbox:
    python = install.hub_python
    return Sandbox(
        command=culler_command(python, idle),
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


def vo_url(own: Origins) -> str:
    """Return where clients find the tables: under the hub's own name, which every machine that reaches the hub can resolve."""
    return f"{own.home}{VO_PATH}"


def vo_routes(own: Origins, everything: str, images: str) -> dict[str, str]:
    """Return where the proxy finds the service: at the one address what is asked of images, and at the other all else."""
    below = f"{own.host}/{VO_PATH}/"
    return {below: everything, **{f"{below}{part}/": images for part in IMAGE_PARTS}}


def vo_sign_in(own: Origins) -> dict[str, Any]:
    """Return how its pages know a person: by the hub's own sign-in, and nobody is asked whether the platform may know them."""
    return {"oauth_redirect_uri": f"{vo_url(own)}/{SIGNED_IN}", "oauth_no_confirm": True}


def _vo(own: Origins, install: Install, var: Var, ports: Ports) -> Sandbox:
    python, look = install.services_python, install.root / "hub/bowerbird_hub/pages/bowerbird.css"
    arguments = (
        *("--port", str(ports.services), "--images-port", str(ports.images), "--tables", str(var.tables), "--surveys", str(var.surveys)),
        *("--state", str(var.services)),
        *(
            "--identities",
            str(var.services_socket),
            "--releases",
            str(var.releases_socket),
            "--address",
            vo_url(own),
            "--prefix",
            f"/{VO_PATH}",
        ),
        *("--look", str(look)),
    )
    code = tuple(Bind.same(install.root / member) for member in ("config", "extensions", "services"))
    return Sandbox(
        command=(str(python), "-I", "-m", "bowerbird_services.main", *arguments),
        uid=SERVICES_ID,
        gid=SERVICES_ID,
        binds=(
            Bind.same(python.parent.parent),
            *code,
            Bind.same(look),
            Bind.same(var.tables),
            Bind.same(var.surveys),
            Bind.same(var.services_socket.parent),
            Bind.same(var.services, writable=True),
        ),
        hostname=VO,
    )
