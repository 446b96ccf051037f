"""Regular files beneath a directory that others write into: nothing else is opened, and no symbolic link is followed."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird_config.beneath import open_beneath

_LINK = "it is a symbolic link or lies behind one, and links are not followed: lay the file itself there"
_OTHER = "it is no regular file"


def open_regular(directory: int, name: str) -> int:
    """Return a descriptor to read a file below a directory; OSError where it is not there, is none, or a link is on the way."""
    # O_NONBLOCK: to open a pipe would wait for its other end.
    return _regular(directory, name, os.O_RDONLY | os.O_NONBLOCK)


@contextmanager
def opened(directory: Path, name: str) -> Iterator[int]:
    """Open a file below a directory to read it, and close it; see `open_regular`."""
    with _beneath(directory) as root:
        descriptor = open_regular(root, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def stat_of(directory: Path, name: str) -> os.stat_result:
    """Return what is known of a file below a directory, readable or not; see `open_regular`."""
    with _beneath(directory) as root:
        descriptor = _regular(root, name, os.O_PATH)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def names(directory: Path) -> Iterator[str]:
    """Yield the path of each file below a directory, in the order of their paths; what lies behind a link is not below it."""
    found = []
    for above, _, files in os.walk(directory):
        found += [Path(above, name).relative_to(directory) for name in files]
    yield from (path.as_posix() for path in sorted(found))


def path_of(descriptor: int) -> Path:
    """Return a path for readers that take nothing else: it leads to the open file, whatever its own path leads to by now."""
    return Path(f"/proc/self/fd/{descriptor}")


@contextmanager
def _beneath(directory: Path) -> Iterator[int]:
    root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def _regular(directory: int, name: str, flags: int) -> int:
    if "\0" in name:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    try:
        descriptor = open_beneath(directory, os.fsencode(name), flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _LINK) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        # With O_PATH alone a link at the end is opened itself.
        raise OSError(errno.ELOOP, _LINK) if stat.S_ISLNK(mode) else OSError(errno.ENXIO, _OTHER)
    return descriptor
