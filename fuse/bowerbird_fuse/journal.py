"""What a worker tells the next one of the same mount: nodes and open handles, in a memfd that outlives it.

One JSON list a line, appended; the kernel must never know a number that the journal does not, so a worker flushes before
it answers. A last line without an end is one that a killed worker did not finish: its answer was never given.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """What a line is about."""

    NODE = "N"  # id, parent, name, device, inode: a node is here now
    FORGET = "F"  # id: the kernel has forgotten it
    OPEN = "O"  # handle, node, flags
    CLOSE = "C"  # handle


class Journal:
    """Appends to a memfd, and reads what stands in it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._pending: list[str] = []

    def note(self, mark: Mark, *values: int | str) -> None:
        """Remember a line until the next flush."""
        self._pending.append(json.dumps([mark.value, *values], separators=(",", ":")))

    def flush(self) -> None:
        """Write what was noted."""
        if self._pending:
            lines, self._pending = self._pending, []
            os.write(self.fd, ("\n".join(lines) + "\n").encode())

    def lines(self) -> Iterator[list[Any]]:
        """Yield each finished line."""
        text = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        for line in text[: text.rfind(b"\n") + 1].splitlines():
            yield json.loads(line)


def open_journal(name: str) -> int:
    """Return a new memfd to keep a journal in; every writer appends."""
    fd = os.memfd_create(f"bowerbird {name}", os.MFD_CLOEXEC)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd
