"""Where workers come from: one waits warm, with everything imported, so that a dead one is followed at once."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bowerbird_fuse.launch import Tell, Worker

log = logging.getLogger(__name__)
# After a start the machine is left to the worker that begins to serve.
_PAUSE_SECONDS = 1.0
# So many at most wait for a turn: each takes 30 MB.
_MOST_SPARES = 16
# Before the next one is made ready, by the number of those in a row that died unused.
_BACK_OFF_SECONDS = (_PAUSE_SECONDS, 5.0, 60.0, 600.0)


@dataclass
class Staff:
    """Makes workers; `tell` hears of each, and each inherits these descriptors. All of it belongs to the keeper's main thread."""

    tell: Tell
    wanted: Callable[[], bool]
    inherited: tuple[int, ...] = ()
    spares: list[Worker] = field(default_factory=list)
    deaths: int = 0
    due: float | None = None

    def worker(self) -> Worker:
        """Return a worker that waits for its mount: one that is ready, or a fresh one."""
        self.due = time.monotonic() + _PAUSE_SECONDS
        while self.spares:
            ready = self.spares.pop()
            if not ready.process.ended():
                self.deaths = 0
                return ready
        return self._start()

    def make_ready(self, count: int) -> None:
        """Start so many at once, for views that are to be taken over.

        Where that fails those that have started stay, as each of the others can be started later.
        """
        try:
            for _ in range(min(count, _MOST_SPARES)):
                self.spares.append(self._start())
        except OSError as error:
            log.warning("no spare worker could be started: %s", error)

    def _start(self) -> Worker:
        worker = Worker.start(self.inherited)
        worker.watch(self.tell)
        return worker

    def ended(self, worker: Worker) -> None:
        """Take note that a worker died which nobody had asked for yet."""
        if worker in self.spares:
            self.spares.remove(worker)
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
        if not self.spares and self.wanted():
            try:
                self.spares.append(self._start())
            except OSError as error:
                self._back_off()
                log.warning("no spare worker could be started: %s", error)

    def end(self) -> None:
        """End those that wait; waits for them."""
        for spare in self.spares:
            spare.kill()
        for spare in self.spares:
            spare.process.ended(_PAUSE_SECONDS)
