"""Copies of directory trees with everything that a file system knows of a file.

Owners, modes, times, extended attributes, holes and hard links are kept; links are copied as links. The walk goes
from open directory to open directory and follows no link, so a user who moves things about meanwhile cannot lead it out
of their home. What vanishes during the walk was not there; sockets and devices are left out.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a file that became a FIFO since it was listed does not hold us up.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20
_NO_ATTRIBUTES = frozenset({errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EINVAL})

# Copies a file otherwise (True), or leaves it to us (False): what databases ask for.
Special = Callable[[Path, Path], bool]


@dataclass
class TreeCopy:
    """One copy; hard links are kept among all trees that it copies."""

    special: Special = lambda source, target: False
    copied: int = 0
    _links: dict[tuple[int, int], Path] = field(default_factory=dict)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a directory to one that does not exist yet."""
        with _opened(source, _DIRECTORY) as handle:
            self._directory(handle, source, target)

    def _directory(self, handle: int, source: Path, target: Path) -> None:
        target.mkdir(mode=0o700)
        for name in sorted(os.listdir(handle)):
            with suppress(FileNotFoundError):
                self._entry(handle, name, source / name, target / name)
        _dress(handle, target, os.fstat(handle))

    def _entry(self, parent: int, name: str, source: Path, target: Path) -> None:
        known = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(known.st_mode):
            self._link(parent, name, target, known)
        elif stat.S_ISFIFO(known.st_mode):
            os.mkfifo(target)
            _own(target, known)
        elif stat.S_ISDIR(known.st_mode):
            with _opened(name, _DIRECTORY, parent) as handle:
                self._directory(handle, source, target)
        elif stat.S_ISREG(known.st_mode) and not self.special(source, target):
            with _opened(name, _READ, parent) as handle:
                self._file(handle, target)

    def _link(self, parent: int, name: str, target: Path, known: os.stat_result) -> None:
        os.symlink(os.readlink(name, dir_fd=parent), target)
        _own(target, known)

    def _file(self, handle: int, target: Path) -> None:
        known = os.fstat(handle)
        first = self._links.get((known.st_dev, known.st_ino)) if known.st_nlink > 1 else None
        if first is not None:
            os.link(first, target, follow_symlinks=False)
            return
        with _opened(target, _WRITE) as copy:
            _contents(handle, copy, known.st_size)
        _dress(handle, target, known)
        self.copied += 1
        if known.st_nlink > 1:
            self._links[known.st_dev, known.st_ino] = target


@contextmanager
def _opened(path: str | Path, flags: int, parent: int | None = None) -> Iterator[int]:
    handle = os.open(path, flags, 0o600, dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)


def _contents(source: int, target: int, size: int) -> None:
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole to the end
                return
            raise
        position = min(os.lseek(source, start, os.SEEK_HOLE), size)
        _range(source, target, start, position)


def _range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        chunk = os.pread(source, min(_CHUNK, end - start), start)
        if not chunk:
            return
        view = memoryview(chunk)
        while view:
            written = os.pwrite(target, view, start)
            start, view = start + written, view[written:]


def _own(path: Path, known: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, known.st_uid, known.st_gid, follow_symlinks=False)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns), follow_symlinks=False)


def _dress(source: int, target: Path, known: os.stat_result) -> None:
    """Give a copy what its original has; the mode after the owner, who else takes its set-id bits away."""
    for name in _listed(source):
        try:
            os.setxattr(target, name, os.getxattr(source, name), follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise
    _own(target, known)
    os.chmod(target, stat.S_IMODE(known.st_mode))
    os.utime(target, ns=(known.st_atime_ns, known.st_mtime_ns))


def _listed(source: int) -> list[str]:
    try:
        return os.listxattr(source)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return []
        raise
