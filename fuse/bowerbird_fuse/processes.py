"""Processes by pid and start: one that was recorded, found again beyond doubt, and what it holds open."""

import ctypes
import os
import select
import signal
from dataclasses import dataclass

_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def start_ticks(pid: int) -> int | None:
    """Return when that process started, in the kernel's ticks; None where there is none, or a dead one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in b"ZX" else int(fields[18])


@dataclass(slots=True)
class Process:
    """A process held by a pidfd, so that its number is never another's."""

    pid: int
    ticks: int
    pidfd: int

    @classmethod
    def find(cls, pid: int, ticks: int | None = None) -> "Process | None":
        """Hold the process of that pid, which started then; None where it is gone."""
        try:
            pidfd = os.pidfd_open(pid)
        except (ProcessLookupError, OSError):
            return None
        # Asked once it is held: another process cannot take the number between.
        found = start_ticks(pid)
        if found is None or ticks not in (None, found):
            os.close(pidfd)
            return None
        return cls(pid, found, pidfd)

    def ended(self, timeout_seconds: float = 0) -> bool:
        """Wait so long for its end, and tell whether it came."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout_seconds * 1000))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended takes none."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def end(self, patience_seconds: float) -> None:
        """End it: SIGTERM, and SIGKILL to one that is not gone in time."""
        self.send(signal.SIGTERM)
        if not self.ended(patience_seconds):
            self.send(signal.SIGKILL)
            self.ended(patience_seconds)

    def duplicate(self, fd: int) -> int:
        """Return a duplicate of a descriptor of that process; OSError where it has none of that number."""
        copy = int(_libc.syscall(_PIDFD_GETFD, self.pidfd, fd, 0))
        if copy < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"descriptor {fd} of process {self.pid}: {os.strerror(code)}")
        return copy

    def close(self) -> None:
        """Let go of it."""
        os.close(self.pidfd)
