"""The cgroups of a cluster's machines, one in every hierarchy."""

import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_SECONDS = 10.0


def _hierarchies() -> Iterator[Path]:
    """Yield the hierarchies, but for links to them such as `cpu,cpuacct`'s."""
    yield from (path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def of(name: str) -> list[Path]:
    """Return where a cgroup is, in the hierarchies that have it."""
    return [path / name for path in _hierarchies() if (path / name).is_dir()]


def make(name: str) -> None:
    """Make a cgroup in every hierarchy, as kubelet's `cgroupRoot` must be there."""
    for hierarchy in _hierarchies():
        below = hierarchy
        for part in name.split("/"):
            below = below / part
            below.mkdir(exist_ok=True)
            # A new cpuset holds no processor and no memory, and so no process.
            for file in ("cpuset.cpus", "cpuset.mems"):
                if hierarchy.name == "cpuset":
                    (below / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Remove a cgroup with all below; its processes are dead, and are reaped within a moment."""
    deadline = time.monotonic() + _SECONDS
    while left := [folder for top in of(name) for folder in _below(top)]:
        for folder in left:
            try:
                folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _below(top: Path) -> list[Path]:
    """Return a cgroup and those below it, the deepest first."""
    return sorted((top, *(path for path in top.rglob("*") if path.is_dir())), key=lambda path: -len(path.parts))
