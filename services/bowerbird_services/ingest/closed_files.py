"""Files of a release that the service may not read: they become no tables and no products, and are not sent."""

import os
from collections.abc import Iterator
from pathlib import Path

_NAMED = 3


def closed_files(directory: Path) -> Iterator[str]:
    """Yield the path of each file and directory that cannot be read, below `directory`; a directory's ends with a slash."""
    for above, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(above, name)
            if not os.path.islink(path) and not os.access(path, os.R_OK, effective_ids=True):
                yield os.path.relpath(path, directory)
        for name in folders:
            path = os.path.join(above, name)
            if not os.path.islink(path) and not os.access(path, os.R_OK | os.X_OK, effective_ids=True):
                yield f"{os.path.relpath(path, directory)}/"


def told(names: list[str]) -> str:
    """Return the first of the names, in one line whatever they are, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
