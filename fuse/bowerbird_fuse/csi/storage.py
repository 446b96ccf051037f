"""Which storage a node has, told by a mark that is written into it once: nodes that share the storage read the same mark.

It is written and read as leases are (leases.py): in place, under flock, and never removed.
"""

import fcntl
import os
import secrets
from pathlib import Path

from bowerbird_fuse.csi.errors import Busy

NAME = "storage"
_LONGEST = 64


def mark_of(directory: Path) -> str:
    """Return the mark that lies in a directory of the storage; the first who asks makes it. Busy while another node does."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        return _read(fd) or _make(fd)
    finally:
        os.close(fd)


def _make(fd: int) -> str:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Busy("another node writes the mark of the storage") from error
    found = _read(fd)
    if not found:
        found = secrets.token_hex(16)
        os.pwrite(fd, found.encode(), 0)
        os.fsync(fd)
    return found


def _read(fd: int) -> str:
    return os.pread(fd, _LONGEST, 0).decode("ascii", "replace").strip()
