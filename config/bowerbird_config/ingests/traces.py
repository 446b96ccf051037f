"""What changes when a file below the directory of a release is added, replaced or removed."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

# When a file was changed (ns), and how long it is.
Stamp = tuple[int, int]
# Of a release so many files and directories are looked at, the upper ones first: it is done every few seconds.
WATCHED = 5_000


def trace(directory: Path, most: int = WATCHED) -> Iterator[str]:
    """Yield a line for the directory and for each that lies below it, up to `most`; what lies behind a symbolic link does not."""
    try:
        top = os.stat(directory)
    except OSError:
        yield f"{directory} is not there"
        return
    yield _line(str(directory), top)
    waiting = deque([str(directory)])
    while waiting and most > 0:
        for entry in _entries(waiting.popleft()):
            if most == 0:
                return
            most -= 1
            try:
                yield _line(entry.path, entry.stat(follow_symlinks=False))
            except OSError:  # it went away meanwhile
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except OSError:
        return


def _line(path: str, found: os.stat_result) -> str:
    return f"{path!r} {found.st_ino} {found.st_mtime_ns} {found.st_size}"


def stamp(path: Path) -> Stamp | None:
    """Return when a file was changed and how long it is; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
