"""Slows down whoever tries passwords: the more failures of a name in a row, the longer the wait."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 5
FIRST_WAIT_SECONDS = 4.0
LONGEST_WAIT_SECONDS = 60.0
MAX_NAMES = 10_000


@dataclass(frozen=True)
class _Failures:
    count: int
    until: float


class Throttle:
    """Counts failures by name; a name that does not exist counts like one that does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_seconds(self, name: str) -> float:
        """Return how long that name must wait; 0 where it may try now."""
        with self._lock:
            failures = self._failures.get(name)
        return max(0.0, failures.until - self._clock()) if failures else 0.0

    def failed(self, name: str) -> None:
        """Note a wrong password."""
        with self._lock:
            before = self._failures.pop(name, None)
            count = before.count + 1 if before else 1
            steps = count - FREE_FAILURES
            wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(steps, 8)) if steps >= 0 else 0.0
            self._failures[name] = _Failures(count, self._clock() + wait)
            while len(self._failures) > MAX_NAMES:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Note a right password: the count begins anew."""
        with self._lock:
            self._failures.pop(name, None)
