"""Ends what a rig has started when whoever started this is gone: run with the rig's log and its state directory.

Every process of a rig has its standard error in that log, and nothing else has. Standard input is a pipe that closes when the
tests end, however they end.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_DETACH_AND_STAY_ON_LINK = 2 | 8
_PATIENCE_SECONDS = 5.0


def processes_logging_to(log: Path) -> Iterator[int]:
    """Yield the pids of a rig's processes."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "fd" / "2").readlink() == log:
                    yield int(entry.name)


def end(log: Path) -> None:
    """Kill a rig's processes, and return when none is left."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := list(processes_logging_to(log))) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def detach_below(top: Path) -> None:
    """Take away every mount at or below a directory; asks no file system."""
    libc = ctypes.CDLL(None, use_errno=True)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(top):
            libc.umount2(point.encode(), _DETACH_AND_STAY_ON_LINK)


if __name__ == "__main__":
    sys.stdin.read()
    end(Path(sys.argv[1]))
    detach_below(Path(sys.argv[2]))
