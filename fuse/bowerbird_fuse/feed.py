"""The hub's identity feed: the platform file and every identity record, at once and as they change."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird_config import sockets
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform

log = logging.getLogger(__name__)
# The hub says something every five seconds; one that says nothing for so long is taken for gone.
_SILENCE_SECONDS = 15.0
_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class PlatformIs:
    """The platform file, as the hub has it now."""

    platform: Platform


@dataclass(frozen=True, slots=True)
class IdentityIs:
    """An identity record, as the hub has it now."""

    record: IdentityRecord


@dataclass(frozen=True, slots=True)
class IdentityGone:
    """The hub knows that name no more."""

    name: str


@dataclass(frozen=True, slots=True)
class Synced:
    """The hub has said all that it knows: these are the names."""

    names: frozenset[str]


News = PlatformIs | IdentityIs | IdentityGone | Synced


class FeedError(ValueError):
    """The hub said what cannot be understood."""


def parse(message: Mapping[str, Any]) -> News | None:
    """Return the news in a message of the feed, without the names of `synced`; None for one that has none."""
    try:
        match message.get("kind"):
            case "platform":
                return PlatformIs(Platform.model_validate(message["platform"]))
            case "identity":
                return IdentityIs(IdentityRecord.from_json(message["record"]))
            case "forget":
                return IdentityGone(str(message["name"]))
            case "synced":
                return Synced(frozenset())
    except (ValueError, KeyError, TypeError) as error:
        raise FeedError(f"the hub said {message.get('kind')!r}, which cannot be understood: {error}") from error
    return None


def last_platform(path: Path) -> Platform | None:
    """Return the last good platform file as the hub wrote it down; None where there is none that can be read."""
    try:
        return Platform.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.warning("%s cannot be read: %s", path, error)
        return None


class Feed(threading.Thread):
    """Listens to the hub for ever, and gives each news to `tell`; a hub that is away is asked again within a second."""

    def __init__(self, path: Path, tell: Callable[[News], None]) -> None:
        super().__init__(name="feed", daemon=True)
        self.path = path
        self.tell = tell
        self._stopped = threading.Event()

    def run(self) -> None:
        """Listen until `stop`."""
        failures = 0
        while not self._stopped.is_set():
            try:
                with sockets.connect(self.path, _SILENCE_SECONDS) as connection:
                    sockets.write_line(connection, {"op": "subscribe"})
                    log.info("listening to the hub")
                    failures = 0
                    self._listen(connection)
            except (OSError, ValueError) as error:
                if failures == 0:
                    log.info("the hub is away (%s); going on with what it said last", error)
            self._stopped.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _listen(self, connection: socket.socket) -> None:
        names: set[str] = set()
        for message in sockets.read_lines(connection):
            try:
                news = parse(message)
            except FeedError:
                # The next message may be understood; until then what was said before holds.
                log.exception("news of the hub is left out")
                continue
            if isinstance(news, IdentityIs):
                names.add(news.record.name)
            if isinstance(news, Synced):
                news = Synced(frozenset(names))
            if news is not None:
                self.tell(news)
