"""Processes by an identity that outlives their number: who lives, who is whose child, how one ends."""

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_START_TICKS = 19  # field 22 of proc_pid_stat(5), counted after the command's closing bracket
_DEAD = frozenset("ZXx")
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this boot; the kernel gives its number again, but not with the same start."""

    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Tell whether it still runs; one that only waits for its parent does not."""
        return find(self.pid) == self

    def send(self, signum: int) -> bool:
        """Send a signal; False where the process is gone. Never reaches another process of the same number."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Asked after the handle is held: from here on the handle means the process that was asked about.
            if not self.alive:
                return False
            signal.pidfd_send_signal(handle, signum)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    async def gone(self) -> None:
        """Return when the process has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(handle, ended.set)
        try:
            if self.alive:
                await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def find(pid: int) -> Process | None:
    """Return the living process of that number."""
    fields = _stat(pid)
    if fields is None or fields[0] in _DEAD:
        return None
    return Process(pid, int(fields[_START_TICKS]))


def living() -> Iterator[Process]:
    """Yield every living process that can be seen."""
    for entry in os.listdir(PROC):
        if entry.isdecimal() and (process := find(int(entry))):
            yield process


def tree(root: Process) -> list[Process]:
    """Return a process with all that descend from it, parents first; empty where it is gone."""
    children: dict[int, list[Process]] = {}
    for process in living():
        fields = _stat(process.pid)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(process)
    found = [root] if root.alive else []
    for process in found:
        found += children.get(process.pid, [])
    return found


def parent(process: Process) -> int | None:
    """Return the number of the process that this one descends from."""
    fields = _stat(process.pid)
    return int(fields[1]) if fields else None


def environment(pid: int) -> dict[str, str]:
    """Return what a process was started with; empty where that cannot be read."""
    return dict(entry.split("=", 1) for entry in _strings(pid, "environ") if "=" in entry)


def command_line(pid: int) -> list[str]:
    """Return a process's argv; empty where that cannot be read."""
    return _strings(pid, "cmdline")


def _strings(pid: int, name: str) -> list[str]:
    try:
        raw = (PROC / str(pid) / name).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return [os.fsdecode(entry) for entry in raw.split(b"\0") if entry]


def resident_bytes(pid: int) -> int:
    """Return the process's proportional set size (PSS); 0 where that cannot be read."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def running_seconds(process: Process) -> float:
    """Return how long a process has been running."""
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_ticks / os.sysconf("SC_CLK_TCK"))


async def end(processes: Iterable[Process], within_seconds: float) -> None:
    """End processes: asked first, killed after the deadline. Returns when none is left or even a kill had no effect."""
    left = [process for process in processes if process.send(signal.SIGTERM)]
    if left := await outlived(left, within_seconds):
        for process in left:
            process.send(signal.SIGKILL)
        await outlived(left, 5.0)


async def outlived(processes: Iterable[Process], within_seconds: float) -> list[Process]:
    """Return those that still live after that time; earlier where none does."""
    deadline = time.monotonic() + within_seconds
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        left = [process for process in left if process.alive]
    return left
