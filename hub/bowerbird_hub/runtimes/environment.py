"""The command and the environment of a single-user server. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bowerbird_hub.managed import VO_PATH
from bowerbird_hub.profiles import Choice

# JupyterHub's single-user server reads a port from its environment even where it listens on a socket, and this is the
# one port that jupyter_server takes for none.
NO_PORT = 8888
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# A repository in a team's space belongs to whoever made it, and git refuses what is another's. Every place, since git before
# 2.46 takes no pattern: what a server sees is the user's own, the team's, or a release.
GIT = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


@dataclass(frozen=True, slots=True)
class World:
    """What a server finds where it runs: the same names in a sandbox and without one."""

    user: str
    home: PurePosixPath
    directory: PurePosixPath
    runtime: PurePosixPath
    python: Path
    program: PurePosixPath
    packages: str
    choice: Choice
    data: PurePosixPath | None = None
    news: PurePosixPath | None = None

    @property
    def own_prefix(self) -> PurePosixPath:
        """Where pip installs in this environment: in the home, since the environment itself cannot be written to."""
        return self.home / ".local" / "environments" / self.choice.profile.environment


def command(world: World) -> list[str]:
    """Return the argv of a server that listens on a socket."""
    return [*program(world), f"--ServerApp.sock={world.directory / 'server.sock'}", "--ServerApp.sock_mode=0660", *options(world)]


def program(world: World) -> list[str]:
    """Return the argv as far as the program; -I keeps packages of the home out of the server itself, not out of kernels."""
    return [str(world.python), "-I", str(world.program)]


def options(world: World) -> list[str]:
    """Return what every server is told, wherever it listens."""
    return [
        "--ServerApp.websocket_ping_timeout=30000",
        # How long the server may believe in a session that the hub has ended.
        "--HubOAuth.cache_max_age=30",
        # The file browser reaches the home and the data, and opens in the home.
        "--ServerApp.root_dir=/",
        f"--FileContentsManager.preferred_dir={world.home}",
        "--KernelManager.transport=ipc",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
    ]


def variables(world: World, hub: Mapping[str, str], memory: int, mark: str) -> dict[str, str]:
    """Return the server's whole environment; `hub` is what JupyterHub itself tells it."""
    own = world.own_prefix
    told = {
        **(GIT if world.data is not None else {}),
        **world.choice.profile.variables,
        **{name: value for name, value in hub.items() if name.startswith("JUPYTERHUB_")},
        "MEM_LIMIT": str(memory),
        "CPU_LIMIT": f"{world.choice.profile.cpu:g}",
        "HOME": str(world.home),
        "USER": world.user,
        "LOGNAME": world.user,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": f"{own}/bin:{world.python.parent}:{_SYSTEM_PATH}",
        "PYTHONPATH": f"{own}/{world.packages}",
        "PIP_PREFIX": str(own),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "JUPYTER_RUNTIME_DIR": str(world.runtime),
        "BOWERBIRD_PROFILE": world.choice.name,
        "BOWERBIRD_SERVER": mark,
    }
    places = {"BOWERBIRD_DATA": world.data, "BOWERBIRD_NEWS": world.news}
    return {**told, **_tables(hub), **{name: str(place) for name, place in places.items() if place is not None}}


def _tables(hub: Mapping[str, str]) -> dict[str, str]:
    """Return where the platform's tables are asked; a notebook sends its token below that address and to no other."""
    public = hub.get("JUPYTERHUB_PUBLIC_HUB_URL", "").rstrip("/").removesuffix("/hub")
    return {"BOWERBIRD_TAP_URL": f"{public}/{VO_PATH}/tap"} if public else {}
