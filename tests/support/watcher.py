"""Ends what a rig has started when whoever started this is gone: `watcher.py TOP LOG`, or `watcher.py TOP -- DOWN…`.

TOP is the rig's state directory. Every process of a keeper's rig has its standard error in LOG, and nothing else has. A whole
platform is ended by its own command; what that leaves has the platform's mark in its environment. Standard input is a pipe that
closes when the tests end, however they end.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_DETACH_AND_STAY_ON_LINK = 2 | 8
_PATIENCE_SECONDS = 5.0
_DOWN_SECONDS = 60.0


def processes_logging_to(log: Path) -> Iterator[int]:
    """Yield the pids of a rig's processes."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "fd" / "2").readlink() == log:
                    yield int(entry.name)


def processes_marked(var: Path) -> Iterator[int]:
    """Yield the pids of a platform's processes, by its mark in their environment."""
    mark = f"BOWERBIRD_VAR={var}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def end(log: Path) -> None:
    """Kill a rig's processes, and return when none is left."""
    _kill_all(lambda: processes_logging_to(log))


def _kill_all(find: Callable[[], Iterable[int]]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := list(find())) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def bring_down(top: Path, down: list[str]) -> None:
    """End a platform by its command, and kill what that has left."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(down, check=False, timeout=_DOWN_SECONDS, stdin=subprocess.DEVNULL, capture_output=True)
    _kill_all(lambda: processes_marked(top))


@contextlib.contextmanager
def watched(top: Path, down: list[str], environment: dict[str, str] | None = None) -> Iterator[None]:
    """Have a platform ended by that command when these tests are killed meanwhile."""
    argv = [sys.executable, "-I", "-S", __file__, str(top), "--", *down]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True, env=environment) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def detach_below(top: Path) -> None:
    """Take away every mount at or below a directory; asks no file system."""
    libc = ctypes.CDLL(None, use_errno=True)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(top):
            libc.umount2(point.encode(), _DETACH_AND_STAY_ON_LINK)


if __name__ == "__main__":
    sys.stdin.read()
    top, how = Path(sys.argv[1]), sys.argv[2]
    if how == "--":
        bring_down(top, sys.argv[3:])
    else:
        end(Path(how))
    detach_below(top)
