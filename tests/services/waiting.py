"""Waiting for what comes by itself."""

import time
from collections.abc import Callable

SECONDS = 20


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
