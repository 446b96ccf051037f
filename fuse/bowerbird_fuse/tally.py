"""Counting what a space holds, file by file, as its meter counts: what the meter is set right by."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bowerbird_config.beneath import open_beneath

from bowerbird_fuse.charge import ENTRY_BYTES, is_trash, size_of

_AT_ONCE = 500


@dataclass(slots=True)
class Tally:
    """What was counted, in bytes; `trash` is the part of `used` that lies in the trash."""

    used: int = 0
    trash: int = 0


def tally(root: int, pause: float = 0.0) -> Tally:
    """Count what lies below a directory; no link is followed, and what goes or comes meanwhile may be counted or not.

    `pause`, in seconds, is how long others get their turn now and then.
    """
    found = Tally()
    several: set[int] = set()
    for count, (directory, st) in enumerate(_walk(root), 1):
        size = ENTRY_BYTES + (0 if st.st_ino in several else size_of(st))
        if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
            several.add(st.st_ino)
        found.used += size
        if is_trash(directory):
            found.trash += size
        if pause and count % _AT_ONCE == 0:
            time.sleep(pause)
    return found


def _walk(root: int) -> Iterator[tuple[bytes, os.stat_result]]:
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        for name, st in _entries(root, directory):
            if stat.S_ISDIR(st.st_mode):
                waiting.append(directory + b"/" + name if directory else name)
            yield directory, st


def _entries(root: int, directory: bytes) -> list[tuple[bytes, os.stat_result]]:
    try:
        fd = open_beneath(root, directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []  # it went, or is another thing by now
    found = []
    try:
        for name in os.listdir(fd):
            try:
                found.append((os.fsencode(name), os.stat(name, dir_fd=fd, follow_symlinks=False)))
            except FileNotFoundError:
                continue
    finally:
        os.close(fd)
    return found
