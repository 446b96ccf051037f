"""One single-user server on this machine: its files, its control group, its process, from the first to the last."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.images.on_machine import LocalEnvironment, local_environment
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.pods import NEWS
from bowerbird_config.problems import ConfigError
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes import cgroups, launch, preconditions, sandbox
from bowerbird_hub.runtimes.accounts import fellows, group, passwd, teams_of
from bowerbird_hub.runtimes.cgroups import Bases, Group, Limits
from bowerbird_hub.runtimes.environment import World, command, variables
from bowerbird_hub.runtimes.keeper_client import KeeperClient
from bowerbird_hub.runtimes.launch import Command, Running
from bowerbird_hub.runtimes.obituaries import out_of_memory
from bowerbird_hub.runtimes.places import INSIDE, TOLD, ServerPlace, servers_directory
from bowerbird_hub.runtimes.preconditions import NotReady
from bowerbird_hub.runtimes.sandbox import PROXY_ID, Bind, Sandbox
from bowerbird_hub.state.state_files import write_text
from bowerbird_hub.supervision import machine

DATA = PurePosixPath("/data")
HOMES = PurePosixPath("/home")
_PROGRAM = Path(__file__).with_name("single_user.py")
_PROGRAM_INSIDE = PurePosixPath("/etc/bowerbird") / _PROGRAM.name
_KERNEL_CONFIG = Path(__file__).with_name("ipython_kernel_config.py")


@dataclass
class Host:
    """What this machine and this checkout give to servers; one for all of them."""

    install: Install
    var: Var
    keeper: KeeperClient | None
    sandboxed: bool
    bases: Bases
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @classmethod
    def of_this_machine(cls, install: Install, var: Var) -> "Host":
        """Return what there is where we run."""
        keeper = KeeperClient(var.keeper_socket) if machine.mounts_data() else None
        return cls(install, var, keeper, machine.is_root(), cgroups.detect() if machine.is_root() else {})

    @property
    def lacks(self) -> tuple[str, ...]:
        """What servers do without here, each a sentence."""
        if not self.sandboxed:
            return (machine.lacks()[0],)
        return (*machine.lacks(), *cgroups.missing(self.bases))

    def environment(self, platform: Platform, name: str) -> LocalEnvironment:
        """Return an environment that is there; NotReady where it is not."""
        try:
            found = local_environment(name, self.install, platform.runtime.environments)
        except ConfigError as error:
            raise NotReady(
                f"The environment '{name}' of this profile cannot be used. The admins of the platform can mend it: {error}"
            ) from error
        return preconditions.environment(found, name)

    def lock(self, user: str) -> asyncio.Lock:
        """Return what guards a user's view: nobody unmounts what another server of theirs is about to use."""
        return self.locks.setdefault(user, asyncio.Lock())


@dataclass(frozen=True, slots=True)
class Order:
    """All that decides how one server starts."""

    record: IdentityRecord
    choice: Choice
    python: Path
    view: Path | None
    hub: Mapping[str, str] = field(repr=False)
    at: datetime
    everyone: tuple[IdentityRecord, ...] = ()
    home_limited: bool = False

    @property
    def home_in_view(self) -> bool:
        """Tell whether the home is reached through the view, which keeps its limit; without one it is the directory itself."""
        return self.view is not None and self.home_limited

    @property
    def limits(self) -> Limits:
        """What the server may use."""
        profile = self.choice.profile
        return Limits(profile.memory, profile.cpu, profile.processes)


class LocalServer:
    """A server that may run: started here, or found again by its state."""

    def __init__(self, host: Host, place: ServerPlace) -> None:
        self.host = host
        self.place = place
        self.running: Running | None = None
        self.status: int | None = None
        self._limits: Limits | None = None
        self._group = Group()
        self._told_kills = 0
        self._child: subprocess.Popen[bytes] | None = None

    # -- state across restarts of the hub ------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what a restarted hub needs."""
        if self.running is None or self._limits is None:
            return {}
        limits = [self._limits.memory, self._limits.cpu, self._limits.processes]
        return {**self.running.to_state(), "groups": [str(path) for path in self._group.paths], "limits": limits, "kills": self._told_kills}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` returned."""
        running = Running.from_state(state)
        # The records of a copied directory name the servers of the platform that it is a copy of.
        if running is not None and launch.bears(running, self.place.mark):
            self.running = running
            self._group = Group(tuple(path for path in map(Path, state.get("groups", [])) if path.name == self.place.mark))
            self._limits = Limits(*state["limits"])
            self._told_kills = int(state.get("kills", 0))

    # -- life ------------------------------------------------------------------------------------------------------

    def make_home(self, record: IdentityRecord) -> None:
        """Make the user's home where no keeper does it."""
        if not self.place.home.exists():
            self.place.home.mkdir(mode=0o700)
            if self.host.sandboxed:
                os.chown(self.place.home, record.uid, record.gid)

    async def start(self, order: Order) -> Running:
        """Start the server's process. LaunchFailed or OSError where that cannot be."""
        await self.clear()
        self._make_directory(order.record)
        self._limits = order.limits
        self._group = cgroups.create(self.host.bases, self.place.mark, order.limits)
        world = self._world(order)
        told = variables(world, order.hub, order.limits.memory, self.place.mark)
        self.running = await (self._in_sandbox(order, world, told) if self.host.sandboxed else self._as_we_are(world, told))
        return self.running

    def _make_directory(self, record: IdentityRecord) -> None:
        servers_directory(self.host.var).mkdir(mode=0o711, parents=True, exist_ok=True)
        self.place.directory.mkdir(mode=0o700)
        if self.host.sandboxed:
            # The group of the directory becomes the socket's: the proxy may connect, and nobody else.
            os.chown(self.place.directory, record.uid, PROXY_ID)
            self.place.directory.chmod(0o2750)

    def lock_directory(self) -> None:
        """Take the directory from the server, so that nothing can be put in its socket's place."""
        if self.host.sandboxed:
            os.chown(self.place.directory, 0, PROXY_ID)
            self.place.directory.chmod(0o751)

    def _world(self, order: Order) -> World:
        sandboxed = self.host.sandboxed
        return World(
            user=order.record.name,
            home=HOMES / order.record.name if sandboxed else PurePosixPath(self.place.home),
            directory=INSIDE if sandboxed else PurePosixPath(self.place.directory),
            runtime=INSIDE / "kernels" if sandboxed else PurePosixPath(self.place.runtime),
            python=order.python,
            program=_PROGRAM_INSIDE if sandboxed else PurePosixPath(_PROGRAM),
            packages=_packages(order.python),
            choice=order.choice,
            data=DATA if order.view is not None else None,
            news=(TOLD if sandboxed else PurePosixPath(self.place.told)) / NEWS,
        )

    async def _as_we_are(self, world: World, told: Mapping[str, str]) -> Running:
        self._child = launch.start(Command(self._group.entering(command(world)), told, self.place.home, self.place.log))
        return await launch.started(self._child)

    async def _in_sandbox(self, order: Order, world: World, told: Mapping[str, str]) -> Running:
        self.tell_accounts(order.record, order.everyone, order.at)
        reading, writing = os.pipe()
        try:
            full = sandbox.argv(self._sandbox(order, world, writing))
            self._child = launch.start(Command(self._group.entering(full), told, Path("/"), self.place.log), (reading, writing))
        except BaseException:  # also when cancelled the pipe's end is closed; after this, `sandboxed` closes it
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return await launch.sandboxed(self._child, reading)

    def _sandbox(self, order: Order, world: World, info_fd: int) -> Sandbox:
        etc = PurePosixPath("/etc")
        data = (Bind(order.view, DATA, writable=True),) if order.view is not None else ()
        return Sandbox(
            command=tuple(command(world)),
            uid=order.record.uid,
            gid=order.record.gid,
            groups=tuple(sorted(teams_of(order.record, order.at).values())),
            binds=(
                *(() if order.home_in_view else (Bind(self.place.home, world.home, writable=True),)),
                *data,
                Bind(self.place.directory, INSIDE, writable=True),
                Bind(self.place.told, TOLD),
                Bind(_PROGRAM, _PROGRAM_INSIDE),
                Bind(_KERNEL_CONFIG, etc / "ipython" / _KERNEL_CONFIG.name),
                # Last: a checkout may lie below a directory that has just been bound.
                Bind.same(order.python.parent.parent),
            ),
            # Links, not binds: a file that is replaced is seen through them at once, and so is a mount.
            links=(
                *((TOLD / name, etc / name) for name in ("passwd", "group")),
                *(((DATA / "home", world.home),) if order.home_in_view else ()),
            ),
            directory=world.home,
            hostname=order.choice.name,
            dies_with_parent=False,
            info_fd=info_fd,
        )

    # -- what the hub tells it while it runs -----------------------------------------------------------------------

    def tell_accounts(self, record: IdentityRecord, everyone: Iterable[IdentityRecord], at: datetime) -> None:
        """Give the server the names of its user and of those who are in its user's teams; a change is seen at once."""
        if self.host.sandboxed:
            others = fellows(record, everyone, at)
            self._tell("passwd", passwd(record, str(HOMES / record.name), others))
            self._tell("group", group(record, at, others))

    def tell_news(self, news: str) -> None:
        """Give the server a sentence for the page that its user is looking at."""
        self._tell(NEWS, news)

    def _tell(self, name: str, text: str) -> None:
        self.place.told.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_text(self.place.told / name, text, 0o644)

    # -- end -------------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        if self._child is not None and self._child.poll() is not None:
            self.status = self._child.returncode
        return self.running is not None and self.running.alive

    async def end(self, grace_seconds: float) -> None:
        """End it with all that it started."""
        if self.running is not None:
            await launch.end(self.running, self.place.mark, grace_seconds)

    async def clear(self) -> None:
        """Remove all that is left of it: processes, control group, files. It may be called at any time, and again."""
        await launch.sweep(self.running, self.place.mark)
        await asyncio.to_thread(self._group.end)
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self.status = await asyncio.to_thread(self._child.wait, 5)
        for path in (self.place.directory, self.place.told, self.place.runtime):
            await asyncio.to_thread(shutil.rmtree, path, True)
        self.running, self._child, self._group = None, None, Group()

    def news_of_memory(self) -> str | None:
        """Return what to tell about processes that have newly ended for want of memory; None where none has."""
        kills = self._group.memory_kills()
        if self._limits is None or kills <= self._told_kills:
            return None
        self._told_kills = kills
        return out_of_memory(kills, self._limits.memory)


def _packages(python: Path) -> str:
    """Return where the environment keeps packages, as seen from its top."""
    top = python.parent.parent
    found = sorted(top.glob("lib/python3*/site-packages"))
    return str(found[0].relative_to(top)) if found else "lib/python3/site-packages"
