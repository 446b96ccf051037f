"""Limits of memory, processor and processes by control groups of version 1 or 2, each group one directory a controller.

Groups are made below the hub's own (version 1), or below the nearest one above it that may have groups and hands
the controllers down (version 2, which allows no processes beside groups).
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config import control_groups

CONTROLLERS = ("memory", "cpu", "pids")
_WHAT = {"memory": "memory", "cpu": "processor time", "pids": "processes"}
_PERIOD_MICROSECONDS = 100_000
_LEAST_MICROSECONDS = 1000
_REMOVAL_SECONDS = 5.0
_STEP_SECONDS = 0.02
# Puts itself into each group named before the command, then becomes the command.
_ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 126; shift; n=$((n - 1)); done; exec "$@"'


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server may use; `cpu` in cores, `memory` in bytes."""

    memory: int
    cpu: float
    processes: int


@dataclass(frozen=True, slots=True)
class Base:
    """Where groups with one controller are made, and the top of the tree that this is a part of."""

    path: Path
    version: int
    top: Path


Bases = Mapping[str, Base]


def detect(proc: Path = Path("/proc/self")) -> Bases:
    """Return where groups can be made on this machine, by controller; a controller that cannot be used is not in it."""
    mounts = list(_mounts((proc / "mountinfo").read_text()))
    groups = _own_groups((proc / "cgroup").read_text())
    found = {}
    for controller in CONTROLLERS:
        base = _first_version(controller, mounts, groups) or _second_version(controller, mounts, groups)
        if base is not None:
            found[controller] = base
    return found


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    point: Path
    version: int
    controllers: frozenset[str]


def _mounts(mountinfo: str) -> Iterator[_Mount]:
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            _id, _parent, _device, root, point, *_ = before.split(" ")
            yield _Mount(root, Path(point), 1 if kind == "cgroup" else 2, frozenset(options.split(",")))


def _own_groups(text: str) -> dict[str, str]:
    """Return the group that we are in, by controller; that of version 2 under the empty name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _below(mount: _Mount, group: str) -> Path:
    inside = group.removeprefix(mount.root.rstrip("/")) if group.startswith(mount.root) else ""
    return mount.point / inside.strip("/")


def _first_version(controller: str, mounts: Iterable[_Mount], groups: Mapping[str, str]) -> Base | None:
    for mount in mounts:
        if mount.version == 1 and controller in mount.controllers and controller in groups:
            path = _below(mount, groups[controller])
            return Base(path, 1, mount.point) if _writable(path) else None
    return None


def _second_version(controller: str, mounts: Iterable[_Mount], groups: Mapping[str, str]) -> Base | None:
    unified = [mount for mount in mounts if mount.version == 2] if "" in groups else []  # noqa: PLR2004  the version's number
    for mount in unified:
        own = _below(mount, groups[""])
        for path in (own, *own.parents):
            if path.is_relative_to(mount.point) and _hands_down(path, controller):
                return Base(path, 2, mount.point)
    return None


def _hands_down(path: Path, controller: str) -> bool:
    switch = path / "cgroup.subtree_control"
    with suppress(OSError):
        if controller not in switch.read_text().split():
            switch.write_text(f"+{controller}")
        return controller in switch.read_text().split() and _writable(path)
    return False


def _writable(path: Path) -> bool:
    return path.is_dir() and os.access(path, os.W_OK)


def missing(bases: Bases | None = None) -> tuple[str, ...]:
    """Return which limits this machine cannot keep, each as a sentence for the form and for `status`."""
    there = detect() if bases is None else bases
    return tuple(
        f"{_WHAT[controller]} of servers is not limited: this machine lets us use no {controller} control group"
        for controller in CONTROLLERS
        if controller not in there
    )


def settings(controller: str, version: int, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Return the files of a group and what is written into them, in that order."""
    quota = str(max(_LEAST_MICROSECONDS, round(limits.cpu * _PERIOD_MICROSECONDS)))
    return {
        ("memory", 1): (("memory.limit_in_bytes", str(limits.memory)), ("memory.memsw.limit_in_bytes", str(limits.memory))),
        ("memory", 2): (("memory.max", str(limits.memory)), ("memory.swap.max", "0")),
        ("cpu", 1): (("cpu.cfs_period_us", str(_PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", quota)),
        ("cpu", 2): (("cpu.max", f"{quota} {_PERIOD_MICROSECONDS}"),),
        ("pids", 1): (("pids.max", str(limits.processes)),),
        ("pids", 2): (("pids.max", str(limits.processes)),),
    }[controller, version]


# A kernel without swap accounting has none of these, and then there is no swap to limit either.
_OPTIONAL = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})


@dataclass(frozen=True, slots=True)
class Group:
    """The directories of one server's group; empty where this machine has no controller."""

    paths: tuple[Path, ...] = ()

    def entering(self, command: Iterable[str]) -> list[str]:
        """Return the argv that enters the group and becomes the command."""
        if not self.paths:
            return list(command)
        return ["/bin/sh", "-c", _ENTER, "sh", str(len(self.paths)), *(str(path / "cgroup.procs") for path in self.paths), *command]

    def memory_kills(self) -> int:
        """Return how many of its processes the kernel has ended for want of memory."""
        for path in self.paths:
            for name in ("memory.oom_control", "memory.events"):
                with suppress(OSError):
                    return control_groups.memory_kills((path / name).read_text())
        return 0

    def processes(self) -> set[int]:
        """Return the numbers of the processes in it."""
        found: set[int] = set()
        for path in self.paths:
            with suppress(OSError):
                found |= {int(line) for line in (path / "cgroup.procs").read_text().split()}
        return found

    def end(self) -> bool:
        """End every process in it and remove it; False where something would not go."""
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while not self._removed():
            if time.monotonic() > deadline:
                return False
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_STEP_SECONDS)
        return True

    def _removed(self) -> bool:
        for path in self.paths:
            with suppress(OSError):
                path.rmdir()
        return not any(path.exists() for path in self.paths)


def create(bases: Bases, name: str, limits: Limits) -> Group:
    """Make the group of that name with those limits; what an earlier one of the name held is ended. OSError where that cannot be."""
    group = Group(tuple(dict.fromkeys(base.path / name for base in bases.values())))
    group.end()
    try:
        for controller, base in bases.items():
            (base.path / name).mkdir(exist_ok=True)
            for file, value in settings(controller, base.version, limits):
                _write(base.path / name / file, value)
    except OSError:
        group.end()
        raise
    return group


def _write(path: Path, value: str) -> None:
    if path.name in _OPTIONAL and not path.exists():
        return
    path.write_text(value)


def groups_of(bases: Bases, prefix: str) -> dict[str, Group]:
    """Return the groups whose names begin so, by name, wherever in the trees: an earlier hub may have run in another group."""
    found: dict[str, list[Path]] = {}
    for top in dict.fromkeys(base.top for base in bases.values()):
        for place, names, _files in os.walk(top):
            for name in (name for name in names if name.startswith(prefix)):
                found.setdefault(name, []).append(Path(place, name))
    return {name: Group(tuple(paths)) for name, paths in found.items()}
