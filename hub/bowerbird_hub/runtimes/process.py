"""ProcessSpawner: JupyterHub's way to single-user servers that are processes of this machine."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from bowerbird_config.identity import IdentityRecord
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes import launch, preconditions
from bowerbird_hub.runtimes.environment import NO_PORT
from bowerbird_hub.runtimes.keeper_client import KeeperError
from bowerbird_hub.runtimes.launch import LaunchFailed
from bowerbird_hub.runtimes.local import Host, LocalServer, Order
from bowerbird_hub.runtimes.places import ServerPlace
from bowerbird_hub.runtimes.platform_spawner import UNAVAILABLE, PlatformSpawner, StartRefused
from bowerbird_hub.runtimes.preconditions import NotReady
from bowerbird_hub.runtimes.sandbox import BWRAP
from bowerbird_hub.runtimes.unix_server import UnixServer
from jupyterhub.objects import Server
from jupyterhub.spawner import Spawner
from traitlets import Any as AnyTrait
from traitlets import Float

_NEWS_SECONDS = 1.0


class ProcessSpawner(PlatformSpawner):
    """Runs a server as a process: sandboxed under root, else as the hub's own user."""

    host: Host = AnyTrait(help="what this machine gives to servers").tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value
    grace_seconds = Float(5.0, help="how long a server may take to end itself").tag(config=True)

    # What jupyterhub.singleuser must be told, although the server listens on no port.
    ip = "127.0.0.1"
    port = NO_PORT

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._mounted = False
        self._told_version = 0
        self.local = LocalServer(self.host, ServerPlace(self.host.var, self.user.name, self.name or ""))

    @property
    def lacks(self) -> tuple[str, ...]:
        """What servers do without here, each a sentence."""
        return self.host.lacks

    def check_environment(self, name: str) -> None:
        """Return where servers of this machine can run in that environment; NotReady where not."""
        self.host.environment(self.live.platform, name)

    # -- start -----------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the server and return its address when it answers; StartRefused with a sentence where it cannot be."""
        record, choice, at = self._begin()
        try:
            order = await self._prepare(record, choice, at)
            self._tell(40, f"Starting {choice.profile.title}")
            await self.local.start(order)
        except NotReady as refusal:
            raise StartRefused(str(refusal), reason="precondition", status_code=UNAVAILABLE) from refusal
        except (LaunchFailed, OSError) as error:
            raise self._failure(f"Your server could not be started: {error}.", launch.tail(self.local.place.log)) from error
        self.obituaries.forget(self.user.name, self.name or "")
        await self._answering()
        self._tell(95, "Opening JupyterLab")
        return self.local.place.url

    async def _prepare(self, record: IdentityRecord, choice: Choice, at: datetime) -> Order:
        preconditions.servers(self._others_running(), self.live.platform.limits.servers_per_user)
        environment = self.host.environment(self.live.platform, choice.profile.environment)
        if self.host.sandboxed:
            preconditions.sandbox(Path(BWRAP))
        view = await self._mount(record)
        await asyncio.to_thread(preconditions.home, self.local.place.home, record if self.host.sandboxed else None)
        everyone = self.live.identities.records()
        self._told_version = self.live.identities.version
        limited = self.live.platform.spaces.home.hard is not None
        return Order(record, choice, environment.python, view, self.get_env(), at, everyone, home_limited=limited)

    async def _mount(self, record: IdentityRecord) -> Path | None:
        if self.host.keeper is None:
            self.local.make_home(record)
            return None
        self._tell(20, "Mounting your data")
        async with self.host.lock(self.user.name):
            self._mounted = True
            try:
                return await self.host.keeper.mount(self.user.name)
            except KeeperError as error:
                raise NotReady(
                    f"Your data could not be mounted: {error}. Try again in a minute, or tell the admins of the platform."
                ) from error

    async def _answering(self) -> None:
        """Return when the server answers; StartRefused as soon as it has ended instead."""
        self._tell(60, "Waiting for JupyterLab to answer")
        running = self.local.running
        assert running is not None  # noqa: S101  `local.start` has just set it
        answering = asyncio.ensure_future(cast(UnixServer, self.server).wait_up(self.start_timeout, extra_path="api"))
        ending = asyncio.ensure_future(running.server.gone())
        try:
            await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                words = self.local.news_of_memory() or "Your server ended while it was starting."
                raise self._failure(words, launch.tail(self.local.place.log))
            answering.result()
        finally:
            answering.cancel()
            ending.cancel()
        self.local.lock_directory()

    # -- the address -----------------------------------------------------------------------------------------------

    @property
    def server(self) -> Server | None:
        """JupyterHub's record of the server, which here listens on a socket."""
        server = super().server
        if server is not None and not isinstance(server, UnixServer):
            server = self._server = UnixServer(orm_server=server.orm_server).at(self.local.place.url, self.local.place.socket)
        return server

    @server.setter
    def server(self, server: Server | None) -> None:
        Spawner.server.fset(self, server)

    # -- life ------------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """Return what a restarted hub needs to take the server over."""
        state: dict[str, Any] = super().get_state()
        own = self.local.to_state()
        return {**state, "process": {**own, "mounted": self._mounted}} if own else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a server that an earlier hub started."""
        super().load_state(state)
        own = state.get("process") or {}
        self.local.load(own)
        self._mounted = bool(own.get("mounted"))

    async def poll(self) -> int | None:
        """Return None while the server runs, else its status; what ended for want of memory is told on the way."""
        self._tell_memory()
        if self.local.alive or (self.local.running is None and self._start_pending):
            return None
        return self.local.status or 0

    def _tell_memory(self) -> None:
        words = self.local.news_of_memory()
        if words:
            self.log.warning("%s: %s", self._log_name, words)
            end = self.obituaries.write(self.user.name, self.name or "", words)
            self.local.tell_news(end.news)
            # JupyterHub keeps the state at the start alone, and a hub that takes this one's place would tell it anew.
            self.orm_spawner.state = self.get_state()
            self._commit()

    def _tell_accounts(self) -> None:
        version = self.live.identities.version
        record = self.live.identities.record(self.user.name)
        if record is not None and version != self._told_version:
            self.local.tell_accounts(record, self.live.identities.records(), datetime.now(UTC))
            self._told_version = version

    async def stop(self, now: bool = False) -> None:
        """End the server with all that it started."""
        await self.local.end(0 if now else self.grace_seconds)

    async def run_post_stop_hook(self) -> None:
        """Clear up after the server, however it came to its end."""
        await self.local.clear()
        await self._unmount()
        hook = super().run_post_stop_hook()
        if hook is not None:
            await hook

    async def _unmount(self) -> None:
        if self.host.keeper is None:
            return
        async with self.host.lock(self.user.name):
            self._mounted = False
            if any(getattr(other, "_mounted", False) for other in self.user.spawners.values()):
                return
            try:
                await self.host.keeper.unmount(self.user.name)
            except KeeperError as error:
                self.log.warning("The view of %s stays mounted: %s", self.user.name, error)

    # JupyterHub polls each half a minute; the kernel tells at once.
    def start_polling(self) -> None:
        """Watch the server: notice at once when it ends, and soon whether memory ran out in it or its teams changed."""
        super().start_polling()
        if self.local.running is not None:
            self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        running = self.local.running
        if running is None:
            return
        ending = asyncio.ensure_future(running.server.gone())
        try:
            while not (await asyncio.wait({ending}, timeout=_NEWS_SECONDS))[0]:
                self._tell_what_is_new()
        finally:
            ending.cancel()
        await self.poll_and_notify()

    def _tell_what_is_new(self) -> None:
        try:
            self._tell_memory()
            self._tell_accounts()
        except OSError as error:
            self.log.warning("%s is not told what is new: %s", self._log_name, error)
