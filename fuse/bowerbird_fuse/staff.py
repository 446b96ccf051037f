"""Where workers come from: one waits warm, with everything imported, so that a dead one is followed at once."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from bowerbird_fuse.launch import Tell, Worker

log = logging.getLogger(__name__)
# After a start the machine is left to the worker that begins to serve.
_PAUSE_SECONDS = 1.0
# Before the next one is made ready, by the number of those in a row that died unused.
_BACK_OFF_SECONDS = (_PAUSE_SECONDS, 5.0, 60.0, 600.0)


@dataclass
class Staff:
    """Makes workers; `tell` hears of each. All of it belongs to the keeper's main thread."""

    tell: Tell
    wanted: Callable[[], bool]
    spare: Worker | None = None
    deaths: int = 0
    due: float | None = None

    def worker(self) -> Worker:
        """Return a worker that waits for its mount: the one that is ready, or a fresh one."""
        ready, self.spare = self.spare, None
        self.due = time.monotonic() + _PAUSE_SECONDS
        if ready is not None and not ready.process.ended():
            self.deaths = 0
            return ready
        return self._start()

    def _start(self) -> Worker:
        worker = Worker.start()
        worker.watch(self.tell)
        return worker

    def ended(self, worker: Worker) -> None:
        """Take note that a worker died which nobody had asked for yet."""
        if worker is self.spare:
            self.spare = None
            self._back_off()
            log.warning("the spare worker %d died unused", worker.process.pid)

    def _back_off(self) -> None:
        self.due = time.monotonic() + _BACK_OFF_SECONDS[min(self.deaths, len(_BACK_OFF_SECONDS) - 1)]
        self.deaths += 1

    def tick(self, now: float) -> None:
        """Make one ready, if views are served and none is."""
        if self.due is None or now < self.due:
            return
        self.due = None
        if self.spare is None and self.wanted():
            try:
                self.spare = self._start()
            except OSError as error:
                self._back_off()
                log.warning("no spare worker could be started: %s", error)

    def end(self) -> None:
        """End the one that waits; waits for it."""
        if self.spare is not None:
            self.spare.kill()
            self.spare.process.ended(_PAUSE_SECONDS)
