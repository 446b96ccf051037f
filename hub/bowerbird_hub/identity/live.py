"""The running platform: the platform file as it is now, and the identities that it makes."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.problems import ConfigError
from bowerbird_config.remembered import read_last_good
from bowerbird_hub.identity.database import connect, file_address
from bowerbird_hub.identity.feed import IdentityFeed, Message
from bowerbird_hub.identity.platform_file import PlatformFile
from bowerbird_hub.identity.store import IdentityStore
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_hub.release_door import ReleaseDoor
from bowerbird_hub.runtimes.sandbox import SERVICES_ID
from bowerbird_hub.sign_on.sign_ons import SignOns
from bowerbird_hub.state.state_files import write_text
from sqlalchemy.exc import SQLAlchemyError

POLL_SECONDS = 0.5

_log = logging.getLogger("bowerbird.platform")


def write_last_good(path: Path, platform: Platform) -> None:
    """Keep a platform for the next start, whole or not at all; nobody else may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(path, platform.model_dump_json(), 0o600)


class Live:
    """The platform file taken up while the platform runs; a broken edit leaves the last good one in force.

    `error` is what is wrong with the file as it stands, in the words of `bowerbird check`, or None.
    """

    def __init__(
        self,
        path: Path,
        var: Var,
        *,
        database_url: str | None = None,
        poll_seconds: float = POLL_SECONDS,
        sockets: bool = True,
        parts: tuple[IdentityRecord, ...] = (),
    ) -> None:
        """Keep what to follow; with `sockets`, parts on the same machine are told of it by theirs.

        `parts` are those of the platform that have an identity of their own; who hears of people hears of them.
        """
        self._file = PlatformFile(path)
        self.var = var
        self.error: str | None = None
        self._parts = parts
        self._engine = connect(database_url or file_address(var))
        self.identities = IdentityStore(self._engine)
        self.sign_ons = SignOns(self._engine)
        self.feeds = self._feeds() if sockets else ()
        self.node_feed = NodeFeed(self._snapshot)
        self._door = self._release_door() if sockets else None
        self._poll_seconds = poll_seconds
        self._platform: Platform | None = None
        self._platform_version = 0
        self._listeners: list[Callable[[Platform], None]] = []
        self._starters: list[Callable[[], object]] = []
        self._starting = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    def _feeds(self) -> tuple[IdentityFeed, ...]:
        """Return the feed for root's parts, and the one for the HTTP services."""
        mine = os.geteuid()
        group = SERVICES_ID if mine == 0 else None
        return (
            IdentityFeed(self.var.identity_socket, self._snapshot),
            IdentityFeed(self.var.services_socket, self._snapshot, readers=(0, mine, SERVICES_ID), group=group),
        )

    def _release_door(self) -> ReleaseDoor:
        mine = os.geteuid()
        group = SERVICES_ID if mine == 0 else None
        return ReleaseDoor(self.var.releases_socket, lambda: self.platform, self.var.releases, readers=(mine, SERVICES_ID), group=group)

    def _publish(self, messages: Iterable[Message]) -> None:
        told = tuple(messages)
        for feed in self.feeds:
            feed.publish(told)
        self.node_feed.publish(told)

    def __deepcopy__(self, _memo: dict[int, object]) -> "Live":
        """Stay the one that it is: traitlets copies whatever a configuration hands it."""
        return self

    @property
    def platform(self) -> Platform:
        """The platform that is in force; the file is read at the first question."""
        if self._platform is None:
            self._platform = self._first()
        return self._platform

    def on_change(self, listener: Callable[[Platform], None]) -> None:
        """Call that function with each platform that comes into force after this one."""
        self._listeners.append(listener)

    def on_start(self, begin: Callable[[], object]) -> None:
        """Call that function at the start, when the identities are known."""
        self._starters.append(begin)

    def _first(self) -> Platform:
        try:
            platform = self._file.load()
        except ConfigError as error:
            last = read_last_good(self.var.platform)
            if last is None:
                raise
            self.error = str(error)
            _log.error("the platform file is broken, so the last good one is used:\n%s", self.error)
            return last
        write_last_good(self.var.platform, platform)
        return platform

    async def start(self) -> None:
        """Open the database, serve the feed and watch the file; a second call changes nothing."""
        async with self._starting:
            if self._watching is not None:
                return
            self.var.hub.mkdir(mode=0o700, parents=True, exist_ok=True)
            platform = self.platform
            await self.identities.open()
            await self.sign_ons.open()
            await self.identities.adopt(platform)
            self._platform_version = self.identities.version
            self.identities.on_record(lambda record: self._publish([_identity(record)]))
            self.identities.on_forget(lambda name: self._publish([{"kind": "forget", "name": name}]))
            for feed in self.feeds:
                await feed.open()
            if self._door is not None:
                self._door.open()
            for begin in self._starters:
                begin()
            self._watching = asyncio.create_task(self._watch(), name="platform file")

    async def stop(self) -> None:
        """Stop watching and serving."""
        if self._watching is None:
            return
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        self._watching = None
        for feed in self.feeds:
            await feed.close()
        self.node_feed.close()
        if self._door is not None:
            self._door.close()
        await asyncio.to_thread(self._engine.dispose)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                if await asyncio.to_thread(self._file.edited):
                    await self._take_up()
            except Exception:  # a watcher that died in silence would leave an old platform in force for ever
                _log.exception("the platform file was not taken up")

    async def _take_up(self) -> None:
        try:
            platform = await asyncio.to_thread(self._file.load)
            if platform != self.platform:
                await self._adopt(platform)
        except ConfigError as error:
            self._refuse(str(error))
        except (SQLAlchemyError, OSError) as error:
            self._refuse(f"the edited platform file could not be stored: {type(error).__name__}; the disk may be full")
        else:
            if self.error is not None:
                _log.info("the platform file is in order again")
            self.error = None

    def _refuse(self, words: str) -> None:
        self.error = words
        _log.error("the edited platform file is broken and is not taken up:\n%s", words)

    async def _adopt(self, platform: Platform) -> None:
        await asyncio.to_thread(write_last_good, self.var.platform, platform)
        changed = await self.identities.adopt(platform)
        self._platform = platform
        self._platform_version = self.identities.version
        self._publish([self._announcement(), *map(_identity, changed)])
        _log.info("the edited platform file is in force; it changes %d identities", len(changed))
        for listener in self._listeners:
            try:
                listener(platform)
            except Exception:  # one listener's fault must not keep the others on the old platform
                _log.exception("a part of the hub did not take up the edited platform file")

    def _announcement(self) -> Message:
        return {"kind": "platform", "version": self._platform_version, "platform": self.platform.model_dump(mode="json")}

    def _snapshot(self) -> Iterator[Message]:
        yield self._announcement()
        yield from map(_identity, (*self._parts, *self.identities.records()))
        yield {"kind": "synced", "version": self.identities.version}


def _identity(record: IdentityRecord) -> Message:
    return {"kind": "identity", "version": record.version, "record": record.to_json()}
