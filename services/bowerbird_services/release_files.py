"""The files of releases, opened beneath the directory of a release and nowhere else, as this process's own user may."""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bowerbird_config import sockets

from bowerbird_services.identity import Away
from bowerbird_services.regular_files import open_regular

# (collection, release) -> a descriptor of its directory, which the caller closes; NoFile where there is none.
Directories = Callable[[str, str], int]
_SECONDS = 5.0
# What is said of a path that leads to no file of the release, or out of it.
_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO})


class NoFile(Exception):
    """There is no such file."""


class ClosedFile(Exception):
    """There is such a file, and this process may not read it; the words are for whoever asked."""

    def __init__(self) -> None:
        super().__init__("the platform itself may not read this file; ask its admins to make it readable for others")


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """An open regular file."""

    descriptor: int
    size: int
    modified: float
    tag: str

    def close(self) -> None:
        """Let it go."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def hub_directories(path: Path) -> Directories:
    """Return what asks the hub at that socket; Away where it does not answer."""

    def directory(collection: str, release: str) -> int:
        try:
            with sockets.connect(path, _SECONDS, socket.SOCK_SEQPACKET) as hub:
                hub.send(sockets.encode({"collection": collection, "release": release}))
                _, given, _ = sockets.receive_descriptors(hub, 64, 1)
        except OSError as error:
            raise Away("the hub does not answer, so no file can be opened now") from error
        if not given:
            raise NoFile
        return given[0]

    return directory


def mounted_directories(place: Path) -> Directories:
    """Return what opens them below a directory in which each release is, as `COLLECTION/RELEASE`."""

    def directory(collection: str, release: str) -> int:
        # A name is one step of the way, and no step up.
        if not all(name.strip(".") and "/" not in name and "\0" not in name for name in (collection, release)):
            raise NoFile
        try:
            return os.open(place / collection / release, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _NOWHERE:
                raise NoFile from error
            raise Away("the platform's data are not there, so no file can be opened now") from error

    return directory


def open_file(directories: Directories, collection: str, release: str, path: str) -> ReleaseFile:
    """Return a file of a release; see `open_in`."""
    directory = directories(collection, release)
    try:
        return open_in(directory, path)
    finally:
        os.close(directory)


def open_in(directory: int, path: str) -> ReleaseFile:
    """Return a file below an open directory. No symbolic link is followed, and nothing but a regular file is opened."""
    try:
        descriptor = open_regular(directory, path)
    except PermissionError as error:
        raise ClosedFile from error
    except OSError as error:
        if error.errno in _NOWHERE:
            raise NoFile from error
        raise
    found = os.fstat(descriptor)
    return ReleaseFile(descriptor, found.st_size, found.st_mtime, f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"')
