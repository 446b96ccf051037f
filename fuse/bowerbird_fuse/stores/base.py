"""What a backend of files offers to a view: a store pins entries, and a pinned entry does the work.

Paths are bytes below the store's root, without a leading slash; the empty one is the root. Names are single components.
Errors are OSError with the errno that the caller shall see. No method follows a symbolic link.
"""

import os
from typing import Protocol, Self

from bowerbird_fuse.presence import Presence


class Entry(Protocol):
    """One file, directory or link, held so that no rename or replacement changes which one it is."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    @property
    def descriptor(self) -> int:
        """The number of it in this process."""

    def close(self) -> None:
        """Let go of it."""

    def again(self) -> "Entry":
        """Pin the same once more."""

    def stat(self) -> os.stat_result:
        """Return its attributes."""

    def names(self) -> list[bytes]:
        """Return the names in a directory, sorted, without `.` and `..`."""

    def child(self, name: bytes) -> "Entry":
        """Pin what has that name in a directory."""

    def open_child(self, name: bytes, flags: int) -> "File":
        """Return the file of that name in a directory, opened; the flags are those of the system call."""

    def look(self, name: bytes) -> os.stat_result:
        """Return the attributes of what has that name in a directory."""

    def readlink(self) -> bytes:
        """Return what a symbolic link says."""

    def open(self, flags: int) -> "File":
        """Return it as an open file; the flags are those of the system call."""

    def xattrs(self) -> list[bytes]:
        """Return the names of its extended attributes."""

    def xattr(self, name: bytes) -> bytes:
        """Return one extended attribute."""

    def statvfs(self) -> os.statvfs_result:
        """Return the figures of the file system that it lies on."""

    def sync(self, data_only: bool) -> None:
        """Return once its data (and attributes) are on the disk."""

    # The rest is for stores that can be written.

    def create(self, name: bytes, flags: int, mode: int) -> "File":
        """Open a file of that name, made where there is none."""

    def mknod(self, name: bytes, mode: int, device: int) -> None:
        """Make a file, a pipe or a socket."""

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory."""

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link that says `target`, whatever it is."""

    def link(self, name: bytes, to: "Entry") -> None:
        """Make a further name of a file."""

    def unlink(self, name: bytes) -> None:
        """Take away the name of a file."""

    def rmdir(self, name: bytes) -> None:
        """Take away an empty directory."""

    def rename(self, name: bytes, into: "Entry", new_name: bytes, flags: int) -> None:
        """Move a name; `flags` are those of renameat2(2)."""

    def chmod(self, mode: int) -> None:
        """Set the permission bits."""

    def chown(self, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves one as it is."""

    def truncate(self, size: int) -> None:
        """Set the size of a file."""

    def utime(self, atime_ns: int, mtime_ns: int) -> None:
        """Set both times, in nanoseconds since the epoch."""

    def set_xattr(self, name: bytes, value: bytes) -> None:
        """Set one extended attribute."""

    def remove_xattr(self, name: bytes) -> None:
        """Take one extended attribute away."""


class File(Entry, Protocol):
    """An open file."""

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes from there on, fewer only at the end of the file."""

    def write(self, offset: int, data: bytes) -> int:
        """Write at that offset, or at the end where the file was opened to append; return how many bytes."""

    def tail(self, offset: int, most: int) -> bytes:
        """Return what stands from there on, up to some more than `most` bytes, also of a file that is only written."""

    def resize(self, size: int) -> None:
        """Set the size, as whoever has it open to write may whatever its mode is."""

    def append(self, on: bool) -> None:
        """Write at the end from now on, whatever the offset; or no longer."""

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """Give it room, or take it; the modes are those of fallocate(2)."""

    def seek(self, offset: int, whence: int) -> int:
        """Return where data or a hole begins from there on; `whence` is os.SEEK_DATA or os.SEEK_HOLE."""

    def take(self, offset: int, source: "File", source_offset: int, length: int) -> int:
        """Copy bytes of another open file into this one; return how many."""


class Store(Protocol):
    """A tree of files below one root."""

    def pin(self, path: bytes) -> Entry:
        """Hold what lies at that path now."""

    @property
    def place(self) -> str:
        """The path of the root as this process has it; `/` where it has none."""

    @property
    def presence(self) -> Presence | None:
        """What is open here, for a store that other views write; None where they cannot be told."""

    def entry(self, fd: int, path: bytes) -> Entry:
        """Return what was pinned at that path by its descriptor, which the entry closes."""

    def adopt(self, fd: int, flags: int) -> File:
        """Return an open file of this store by its descriptor, which the file closes; it was opened with these flags."""

    def close(self) -> None:
        """Let go of the root."""
