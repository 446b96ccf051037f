"""Keeps the keeper and the plugin alive, as the first process of their container.

Asked to end, it lets the plugin finish its calls and go first, then the keeper. Whatever becomes a child of the first process is reaped.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

log = logging.getLogger(__name__)
# One that lived so long is started again at once, and one that did not a little later each time.
_SOUND_SECONDS = 10.0
_LATER_SECONDS = (0.2, 1.0, 5.0, 15.0)


@dataclass
class Part:
    """One process: its words for Python, what asks it to end then, and how long it is waited for."""

    name: str
    words: Sequence[str]
    ends_on: Callable[[], signal.Signals]
    patience_seconds: float
    pid: int | None = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0

    def start(self) -> None:
        """Start it."""
        # What keeps other people's modules out of this process keeps them out of that one.
        alone = ["-I"] if sys.flags.isolated else []
        self.pid = os.posix_spawn(sys.executable, [sys.executable, *alone, *self.words], os.environ)
        self.started = time.monotonic()

    def ended(self, status: int) -> None:
        """Take note of its end, and when it is due again."""
        self.pid = None
        self.failures = 0 if time.monotonic() - self.started > _SOUND_SECONDS else self.failures + 1
        pause = _LATER_SECONDS[min(self.failures, len(_LATER_SECONDS)) - 1] if self.failures else 0.0
        self.due = time.monotonic() + pause
        log.warning("%s has ended (%d)", self.name, os.waitstatus_to_exitcode(status))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it is our child and not reaped, so the number is its own."""
        if self.pid is not None:
            os.kill(self.pid, number)


@dataclass
class Supervisor:
    """Runs its parts in their order; they end in the other order."""

    parts: Sequence[Part]
    _stopping: bool = False
    _wake: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> None:
        """Keep the parts alive until SIGTERM, then end them."""
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._hear)
        while not self._stopping:
            self._start_due()
            self._wait(min((part.due for part in self.parts if part.pid is None), default=None))
        for part in reversed(self.parts):
            self._end(part)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True

    def _start_due(self) -> None:
        for part in self.parts:
            if part.pid is None and part.due <= time.monotonic():
                part.start()

    def _wait(self, until: float | None) -> None:
        timeout = None if until is None else max(0.0, until - time.monotonic())
        if select.select([self._wake[0]], [], [], timeout)[0]:
            os.read(self._wake[0], 1 << 10)
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for part in self.parts:
                if part.pid == pid:
                    part.ended(status)

    def _end(self, part: Part) -> None:
        part.send(part.ends_on())
        deadline = time.monotonic() + part.patience_seconds
        while part.pid is not None and time.monotonic() < deadline:
            self._wait(deadline)
        if part.pid is not None:
            log.error("%s does not end, and is killed", part.name)
            part.send(signal.SIGKILL)
            while part.pid is not None:
                self._wait(None)
