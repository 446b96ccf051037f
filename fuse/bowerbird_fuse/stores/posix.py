"""A store in a directory of this machine, beneath a descriptor of it."""

# ruff: noqa: D102  # stores/base.py says what each method promises

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import time
from typing import Self

from bowerbird_config.beneath import open_beneath

from bowerbird_fuse.presence import Presence
from bowerbird_fuse.stores.base import Entry

_libc = ctypes.CDLL(None, use_errno=True)
# What is asked for as "now" reaches us as a figure of the recent past.
_NOW_NS = 5_000_000_000
# What others may have appended to a file while nobody served this view.
_OTHERS_BYTES = 4 << 20
# The flags that mean something to the file below; the kernel sees to the others itself.
_OURS = os.O_ACCMODE | os.O_APPEND | os.O_TRUNC | os.O_SYNC | os.O_DSYNC


class PosixEntry:
    """A pinned entry: one descriptor, of O_PATH until it is opened."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def descriptor(self) -> int:
        return self.fd

    def close(self) -> None:
        """Close the descriptor; a second time does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def _self(self) -> str:
        # The one way to act on an O_PATH descriptor, and on a file that has no name any more.
        return f"/proc/self/fd/{self.fd}"

    def again(self) -> "PosixEntry":
        return PosixEntry(os.dup(self.fd))

    def stat(self) -> os.stat_result:
        return os.fstat(self.fd)

    def names(self) -> list[bytes]:
        directory = open_beneath(self.fd, b"", os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(map(os.fsencode, os.listdir(directory)))
        finally:
            os.close(directory)

    def child(self, name: bytes) -> "PosixEntry":
        return PosixEntry(open_beneath(self.fd, name, os.O_PATH))

    def open_child(self, name: bytes, flags: int) -> "PosixFile":
        if b"/" in name or name == b"..":
            raise OSError(errno.EINVAL, "no single name")
        # O_NONBLOCK: to open a pipe would wait for its other end.
        fd = os.open(name, flags & _OURS | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        file = PosixFile(fd)
        if not stat.S_ISREG(file.stat().st_mode):
            file.close()
            raise OSError(errno.EPERM, "only files are opened")
        return file

    def look(self, name: bytes) -> os.stat_result:
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def readlink(self) -> bytes:
        return os.readlink(b"", dir_fd=self.fd)

    def open(self, flags: int) -> "PosixFile":
        # Only what was pinned as a regular file: to open a pipe would wait for its other end.
        if not stat.S_ISREG(self.stat().st_mode):
            raise OSError(errno.EPERM, "only files are opened")
        return PosixFile(os.open(self._self, flags & _OURS | os.O_CLOEXEC))

    def xattrs(self) -> list[bytes]:
        return [os.fsencode(name) for name in os.listxattr(self._self)]

    def xattr(self, name: bytes) -> bytes:
        return os.getxattr(self._self, name)

    def statvfs(self) -> os.statvfs_result:
        return os.statvfs(self._self)

    def sync(self, data_only: bool) -> None:
        fd = os.open(self._self, os.O_RDONLY | os.O_CLOEXEC)
        try:
            (os.fdatasync if data_only else os.fsync)(fd)
        finally:
            os.close(fd)

    def create(self, name: bytes, flags: int, mode: int) -> "PosixFile":
        # O_NONBLOCK: another view may have put a pipe there meanwhile, and to open one would wait.
        file = PosixFile(open_beneath(self.fd, name, flags & (_OURS | os.O_EXCL) | os.O_CREAT | os.O_NONBLOCK, mode & 0o7777))
        if not stat.S_ISREG(file.stat().st_mode):
            file.close()
            raise OSError(errno.EEXIST, "what lies there is no file")
        return file

    def mknod(self, name: bytes, mode: int, device: int) -> None:
        os.mknod(name, mode, device, dir_fd=self.fd)

    def mkdir(self, name: bytes, mode: int) -> None:
        os.mkdir(name, mode, dir_fd=self.fd)

    def symlink(self, name: bytes, target: bytes) -> None:
        os.symlink(target, name, dir_fd=self.fd)

    def link(self, name: bytes, to: Entry) -> None:
        os.link(f"/proc/self/fd/{_fd(to)}", os.fsdecode(name), dst_dir_fd=self.fd, follow_symlinks=True)

    def unlink(self, name: bytes) -> None:
        os.unlink(name, dir_fd=self.fd)

    def rmdir(self, name: bytes) -> None:
        os.rmdir(name, dir_fd=self.fd)

    def rename(self, name: bytes, into: Entry, new_name: bytes, flags: int) -> None:
        if _libc.renameat2(self.fd, name, _fd(into), new_name, flags):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def chmod(self, mode: int) -> None:
        os.chmod(self._self, mode)

    def chown(self, uid: int, gid: int) -> None:
        os.chown(self._self, uid, gid)

    def truncate(self, size: int) -> None:
        os.truncate(self._self, size)

    def utime(self, atime_ns: int, mtime_ns: int) -> None:
        try:
            os.utime(self._self, ns=(atime_ns, mtime_ns))
        except PermissionError:
            # Who may write a file of another's may set both times to now, and only to now; FUSE hands that through as figures.
            if atime_ns != mtime_ns or abs(mtime_ns - time.time_ns()) > _NOW_NS:
                raise
            os.utime(self._self)

    def set_xattr(self, name: bytes, value: bytes) -> None:
        os.setxattr(self._self, name, value)

    def remove_xattr(self, name: bytes) -> None:
        os.removexattr(self._self, name)


class PosixFile(PosixEntry):
    """An open file; it works on when its name is gone."""

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def write(self, offset: int, data: bytes) -> int:
        return os.pwrite(self.fd, data, offset)

    def tail(self, offset: int, most: int) -> bytes:
        reader = os.open(self._self, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(reader, most + _OTHERS_BYTES, offset)
        finally:
            os.close(reader)

    def resize(self, size: int) -> None:
        os.ftruncate(self.fd, size)

    def append(self, on: bool) -> None:
        flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, flags | os.O_APPEND if on else flags & ~os.O_APPEND)

    def allocate(self, mode: int, offset: int, length: int) -> None:
        if _libc.fallocate(self.fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def seek(self, offset: int, whence: int) -> int:
        return os.lseek(self.fd, offset, whence)

    def take(self, offset: int, source: Entry, source_offset: int, length: int) -> int:
        return os.copy_file_range(_fd(source), self.fd, length, source_offset, offset)

    def sync(self, data_only: bool) -> None:
        (os.fdatasync if data_only else os.fsync)(self.fd)


class PosixStore:
    """The tree below a directory, which the descriptor `root` holds and the store closes."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._presence: Presence | None = None

    @property
    def place(self) -> str:
        return os.readlink(f"/proc/self/fd/{self.root}")

    @property
    def presence(self) -> Presence | None:
        if self._presence is None:
            with contextlib.suppress(OSError):
                self._presence = Presence(open_beneath(self.root, b"", os.O_RDONLY | os.O_DIRECTORY))
        return self._presence

    def pin(self, path: bytes) -> PosixEntry:
        return PosixEntry(open_beneath(self.root, path, os.O_PATH))

    def entry(self, fd: int, path: bytes) -> PosixEntry:
        return PosixEntry(fd)

    def adopt(self, fd: int, flags: int) -> PosixFile:
        return PosixFile(fd)

    def close(self) -> None:
        os.close(self.root)
        if self._presence is not None:
            self._presence.close()


def _fd(entry: Entry) -> int:
    if not isinstance(entry, PosixEntry):
        raise OSError(errno.EXDEV, "the two lie in different stores")
    return entry.fd
