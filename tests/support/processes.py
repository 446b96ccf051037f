"""What the kernel tells of processes."""

from pathlib import Path


def children(pid: int) -> tuple[int, ...]:
    """Return the processes that a process has started from its first thread."""
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))


def began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks: with its pid it names a process for good; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def command(pid: int) -> tuple[str, ...]:
    """Return what a process was started with; nothing where it is gone."""
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1])
    except (FileNotFoundError, ProcessLookupError):
        return ()
