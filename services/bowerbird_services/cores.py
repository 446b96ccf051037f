"""How many cores there are for a process."""

import os
from pathlib import Path
from typing import Final

_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """Return how many cores this process may use at once, by its affinity and the limit of its container."""
    bound = len(os.sched_getaffinity(0))
    try:
        quota, period = _LIMIT.read_text(encoding="ascii").split()
        return min(bound, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # there is no limit, or none that can be seen
        return bound
