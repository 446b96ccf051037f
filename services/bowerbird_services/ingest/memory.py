"""How much of its memory a container has left.

Under version 2 of cgroups a node ends all of a container that wants more than its limit, and a pod of which a part is away
gets no requests: so what takes too much is ended before that.
"""

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_MOST = 0.85


def is_short(cgroup: Path) -> bool:
    """Tell whether little is left; never where there is no limit, or the node ends one process alone, as under version 1."""
    try:
        limit = int((cgroup / "memory.max").read_text())
        told = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        # What is kept of files goes when it is needed.
        return int(told["anon"]) + int(told["shmem"]) > _MOST * limit
    except (OSError, ValueError, KeyError):
        return False


def taken(pid: int) -> int:
    """Return how much memory of its own a process takes, in kB; of one that is gone none."""
    try:
        told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return sum(int(told[name].split()[0]) for name in ("RssAnon", "RssShmem"))
    except (OSError, ValueError, KeyError):
        return 0
