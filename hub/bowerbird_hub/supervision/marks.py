"""Marks: how a process that no record names is known as one of a platform's.

Every part is started with them in its environment, and what a part starts inherits them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bowerbird_hub.supervision.processes import Process, environment, living

PART = "BOWERBIRD_PART"
VAR = "BOWERBIRD_VAR"


def marks(part: str, var: Path) -> dict[str, str]:
    """Return the marks of a part of the platform of that state directory."""
    return {PART: part, VAR: str(var)}


def part_of(process: Process, var: str) -> str | None:
    """Return the name of the part of that platform which a process belongs to."""
    told = environment(process.pid)
    return told.get(PART) if told.get(VAR) == var else None


def marked(told: Mapping[str, str], name: str | None = None) -> list[Process]:
    """Return the processes with the same platform's mark, or of one part of it; never us or those that started us."""
    spared = lineage()
    found = ((process, part_of(process, told[VAR])) for process in living() if process.pid not in spared)
    return [process for process, part in found if part and name in {None, part}]


def lineage() -> set[int]:
    """Return our own number and those of the processes that we descend from."""
    found, pid = set(), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat[stat.rindex(")") + 2 :].split()[1])
    return found
