"""Telling the hub what its users must hear of: as soon as it listens, and without keeping anybody waiting."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bowerbird_fuse.csi.errors import Away, CallError

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0
# A hub that was away for longer learns it from nobody: by then the user has met the errors.
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _News:
    what: str
    tell: Callable[[], None]


class Teller(threading.Thread):
    """Tells one thing after another, each again and again while the hub is Away."""

    def __init__(self) -> None:
        super().__init__(name="telling", daemon=True)
        self._waiting: queue.SimpleQueue[_News] = queue.SimpleQueue()

    def later(self, what: str, tell: Callable[[], None]) -> None:
        """Have `tell` called, which tells the hub that."""
        self._waiting.put(_News(what, tell))

    def run(self) -> None:
        """Tell for ever."""
        while True:
            _tell_in_time(self._waiting.get())


def _tell_in_time(news: _News) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            news.tell()
            return
        except Away:
            time.sleep(_PAUSE_SECONDS)
        except (CallError, OSError) as error:
            log.warning("the hub does not hear that %s: %s", news.what, error)
            return
    log.warning("the hub was away for too long to hear that %s", news.what)
