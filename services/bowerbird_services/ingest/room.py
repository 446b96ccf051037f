"""The room of a disk for what is made of the releases: all but a reserve, which sign-in and homes live on."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird_config.room import RESERVE_BYTES


class NoRoom(Exception):
    """The disk has nothing left but the reserve, or cannot be written to."""


def left(folder: Path) -> int:
    """Return how many bytes may still be written; less than none where the reserve is begun."""
    return shutil.disk_usage(folder).free - RESERVE_BYTES


def check(folder: Path, wanted: int = 0) -> None:
    """Return where so many bytes may be written; NoRoom where they would take of the reserve."""
    if left(folder) < wanted:
        raise no_room(folder)


def no_room(folder: Path) -> NoRoom:
    """Return what says so, in the same words each time."""
    return NoRoom(f"the disk of {folder} has no more room than the {RESERVE_BYTES >> 20} MiB that are kept free; make room there")


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn the system's error about a full disk or a used quota into NoRoom."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EDQUOT:
            raise NoRoom(f"the quota on what {folder} may hold is used up; make room there or raise it") from error
        if error.errno != errno.ENOSPC:
            raise
        raise no_room(folder) from error
