"""Telling the hub what its users must hear of: as soon as it listens, and without keeping anybody waiting."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bowerbird_fuse.csi.errors import Away, CallError

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0
# A hub that was away for longer learns it from nobody: by then the user has met the errors.
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _News:
    what: str
    tell: Callable[[], None]
    dropped: Callable[[], None]
    due: float
    end: float


class Teller(threading.Thread):
    """Tells one thing after another; what the hub does not take is told again, after what waits by then.

    Also what it refuses: a hub that is about to be replaced may not know the question, and the next one does.
    """

    def __init__(self) -> None:
        super().__init__(name="telling", daemon=True)
        self._waiting: queue.SimpleQueue[_News] = queue.SimpleQueue()
        # The last news of each thing, which alone are told. Who changes it has the lock.
        self._last: dict[str, _News] = {}
        self._lock = threading.Lock()

    def later(self, what: str, tell: Callable[[], None], dropped: Callable[[], None] = lambda: None) -> None:
        """Have `tell` called, which tells the hub that, in the place of earlier news of it; `dropped` where it is away for too long."""
        now = time.monotonic()
        news = _News(what, tell, dropped, now, now + _PATIENCE_SECONDS)
        with self._lock:
            self._last[what] = news
        self._waiting.put(news)

    def run(self) -> None:
        """Tell for ever."""
        while True:
            news = self._waiting.get()
            time.sleep(max(0.0, news.due - time.monotonic()))
            if self._last.get(news.what) is news:
                self._tell(news)

    def _tell(self, news: _News) -> None:
        try:
            news.tell()
        except CallError as error:
            if time.monotonic() < news.end:
                self._again(news)
                return
            _give_up(news, error)
        except OSError as error:
            log.warning("the hub heard, but the pod is not shown, that %s: %s", news.what, error)
        except Exception:  # what waits behind it is to be told all the same
            log.exception("it could not be told that %s", news.what)
        with self._lock:
            if self._last[news.what] is news:
                del self._last[news.what]

    def _again(self, news: _News) -> None:
        later = replace(news, due=time.monotonic() + _PAUSE_SECONDS)
        with self._lock:
            if self._last[news.what] is news:
                self._last[news.what] = later
                self._waiting.put(later)


def _give_up(news: _News, error: CallError) -> None:
    if isinstance(error, Away):
        log.warning("the hub was away for too long to hear that %s: %s", news.what, error)
        news.dropped()
    else:
        # Told anew, it would be refused anew.
        log.warning("the hub does not hear that %s: %s", news.what, error)
