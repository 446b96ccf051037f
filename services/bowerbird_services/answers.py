"""What the service counts of its answers."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any


class Answers:
    """Counts answers and their time; the event loop alone writes and reads. The main process tells those of its worker with its own."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.at_work = 0
        self.workers = 0
        self.worker_at_work = 0

    def handed_over(self) -> dict[str, Any]:
        """Return what a worker has counted since it was asked last."""
        told = {"counts": [[*key, count] for key, count in self.counts.items()], "seconds": dict(self.seconds), "at_work": self.at_work}
        self.counts.clear()
        self.seconds.clear()
        return told

    def take(self, told: Mapping[str, Any]) -> None:
        """Count what a worker has handed over."""
        self.workers, self.worker_at_work = 1, told["at_work"]
        for part, status, count in told["counts"]:
            self.counts[part, status] += count
        for part, seconds in told["seconds"].items():
            self.seconds[part] += seconds

    def lost(self) -> None:
        """Take up that the worker has ended."""
        self.workers = self.worker_at_work = 0
