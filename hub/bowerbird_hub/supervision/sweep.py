"""What a platform left behind: processes that no record names, mounts that nobody serves, files of what no longer runs."""

import ctypes
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.runtimes import launch
from bowerbird_hub.runtimes.places import mark_of
from bowerbird_hub.runtimes.sandbox import BWRAP
from bowerbird_hub.state.state_files import read_json
from bowerbird_hub.supervision.marks import VAR, lineage, marked, part_of
from bowerbird_hub.supervision.parts import NAMES
from bowerbird_hub.supervision.processes import Process, command_line, parent, tree
from bowerbird_hub.supervision.records import boot_id

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_DETACH_AND_STAY_ON_LINK = 2 | 8  # MNT_DETACH | UMOUNT_NOFOLLOW


def servers(var: Var) -> list[Process]:
    """Return every process of single-user servers of this platform, the sandboxes around them included."""
    return with_descendants(launch.marked(prefix=f"{mark_of(var)}-"))


def server_mains(var: Var) -> list[Process]:
    """Return the servers themselves: who is asked to end, and ends its kernels in good order."""
    family = [process for process in servers(var) if not _is_sandbox(process)]
    members = {process.pid for process in family}
    return [process for process in family if parent(process) not in members]


def _is_sandbox(process: Process) -> bool:
    return command_line(process.pid)[:1] == [BWRAP]


def workers(var: Var) -> list[Process]:
    """Return the workers that the keeper has written down; they bear no mark and outlive it."""
    told = (read_json(path) for path in (var.run / "keeper").glob("*.json"))
    known = (Process(int(record["pid"]), int(record["ticks"])) for record in told if {"pid", "ticks"} <= set(record))
    return [process for process in known if process.alive]


def with_descendants(roots: Iterable[Process]) -> list[Process]:
    """Return processes with all that descend from them, each once, parents before their children."""
    # The larger family is that of the ancestor. Numbers say nothing: they begin anew after the largest.
    families = sorted(map(tree, roots), key=len, reverse=True)
    return list(dict.fromkeys(process for family in families for process in family))


def everything(var: Var) -> list[Process]:
    """Return every process of this platform but the supervisor."""
    spared = lineage()
    found = with_descendants([*marked({VAR: str(var.root)}), *servers(var), *workers(var)])
    return [process for process in found if process.pid not in spared]


def strays(var: Var, kept: Iterable[str]) -> list[Process]:
    """Return what the parts that no longer live left behind; single-user servers are not part of it: the hub finds them again."""
    spared = {process.pid for process in servers(var)}
    # Workers bear no mark: the keeper takes them over itself.
    dead = set(NAMES) - set(kept)
    return [process for process in marked({VAR: str(var.root)}) if part_of(process, str(var.root)) in dead and process.pid not in spared]


def mounts_below(path: Path) -> list[str]:
    """Return the mount points at or below a path, the innermost first."""
    top = str(path)
    points = [_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split()[4]) for line in _MOUNTS.read_text().splitlines()]
    return [point for point in reversed(points) if point == top or point.startswith(f"{top}/")]


def unmount_below(path: Path) -> list[str]:
    """Detach every mount at or below a path; returns those that would not go."""
    libc = ctypes.CDLL(None, use_errno=True)
    stuck = []
    for point in mounts_below(path):
        if libc.umount2(os.fsencode(point), _DETACH_AND_STAY_ON_LINK) != 0:
            stuck.append(f"{point}: {os.strerror(ctypes.get_errno())}")
    return stuck


def forget_dead_records(var: Var) -> None:
    """Drop records of parts that no longer live, and what a start that was cut short left beside them."""
    for path in (var.run / "parts").iterdir():
        record = read_json(path)
        if path.name.startswith(".") or record.get("boot") != boot_id():
            path.unlink()


def clear_run(var: Var) -> None:
    """Empty the directory of sockets and records of a platform that has stopped."""
    if mounts_below(var.run):
        return
    for path in sorted(var.run.rglob("*"), reverse=True):
        with suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
