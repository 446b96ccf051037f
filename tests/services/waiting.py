"""Waiting for what comes by itself, and whether a file has been let go."""

import os
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 20


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def is_open(path: Path) -> bool:
    """Tell whether this process has a file open."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == str(path):
                return True
        except OSError:
            continue
    return False
