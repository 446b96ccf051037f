"""Mounting, by the system calls themselves: the device of a mount, its first request, and what is mounted where."""

import contextlib
import ctypes
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KIND = "fuse.bowerbird"
_NOSUID, _NODEV, _NOEXEC, _BIND, _PRIVATE, _SHARED, _DETACH = 2, 4, 8, 4096, 1 << 18, 1 << 20, 2
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _RECURSIVE, _EMPTY_PATH = 1, 0x8000, 0x1000
_FROM_EMPTY_PATH, _TO_EMPTY_PATH = 0x04, 0x40
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_INIT, _LARGEST_REQUEST = 26, 1 << 20
# linux/fuse.h: struct fuse_init_in lies behind a header of 40 bytes; `flags` is its fourth word, `flags2` the fifth.
_INIT_FLAGS, _INIT_FLAGS_AT = struct.Struct("<II"), 40 + 12
_INIT_EXT, _HAS_RESEND = 1 << 30, 1 << (39 - 32)
_DEVICES = Path("/sys/class/bdi")
_READ_AHEAD_KIB = 1024
_CONNECTIONS = Path("/sys/fs/fuse/connections")
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One line of /proc/self/mountinfo; `connection` is FUSE's number for it."""

    path: Path
    kind: str
    connection: int
    shared: bool


def mount_points() -> Iterator[MountPoint]:
    """Yield every mount of this namespace, stacked ones from the lowest; asks no file system."""
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            fields, _, rest = line.partition(b" - ")
            _, _, device, _, path, _, *marks = fields.split()
            connection = int(device.split(b":")[1])
            yield MountPoint(
                Path(os.fsdecode(_plain(path))), rest.split()[0].decode(), connection, any(m.startswith(b"shared:") for m in marks)
            )


def _plain(path: bytes) -> bytes:
    return path.replace(b"\\040", b" ").replace(b"\\011", b"\t").replace(b"\\012", b"\n").replace(b"\\134", b"\\")


def mounted(path: Path) -> list[MountPoint]:
    """Return what is mounted there, the uppermost last."""
    return [point for point in mount_points() if point.path == path]


def share(directory: Path) -> None:
    """Make a directory a shared mount of its own, so that mounts made below it later reach the sandboxes of now."""
    if not mounted(directory):
        _mount(os.fsencode(directory), directory, b"none", _BIND, None)
    if not mounted(directory)[-1].shared:
        _mount(b"none", directory, b"none", _SHARED, None)


def memory(directory: Path, largest_bytes: int) -> None:
    """Make a directory a file system in memory, which root alone comes to."""
    _mount(b"bowerbird", directory, b"tmpfs", _NOSUID | _NODEV | _NOEXEC, f"mode=0700,size={largest_bytes}".encode())


@dataclass(frozen=True, slots=True)
class Device:
    """What a mount is served by: the descriptor, the kernel's first request, FUSE's number for it.

    Whoever has it keeps the descriptor open: when the last duplicate is closed, the mount is dead.
    """

    fd: int
    init: bytes
    connection: int

    @property
    def asks_again(self) -> bool:
        """Tell whether the kernel can ask a next worker what a killed one has taken and not answered (Linux 6.9)."""
        flags, more = _INIT_FLAGS.unpack_from(self.init.ljust(_INIT_FLAGS_AT + _INIT_FLAGS.size, b"\0"), _INIT_FLAGS_AT)
        return bool(flags & _INIT_EXT and more & _HAS_RESEND)

    @property
    def is_asked(self) -> bool:
        """Tell whether a call waits for an answer; true where this machine does not say."""
        try:
            return int((_CONNECTIONS / str(self.connection) / "waiting").read_text()) > 0
        except (OSError, ValueError):
            return True

    def read_further_ahead(self) -> None:
        """Let the kernel read further ahead of who reads in order; to be called once it has its first answer."""
        # Where this machine does not let us, it reads as far ahead as it would.
        with contextlib.suppress(OSError):
            (_DEVICES / f"0:{self.connection}" / "read_ahead_kb").write_text(str(_READ_AHEAD_KIB))

    def abort(self, path: Path) -> None:
        """End every call that waits in the mount at `path`, whoever holds duplicates; nothing where this machine cannot."""
        # Once it is unmounted its number may be another's.
        if not any(point.connection == self.connection for point in mounted(path)):
            return
        with contextlib.suppress(OSError):
            (_CONNECTIONS / str(self.connection) / "abort").write_text("1")


def open_device(path: Path) -> Device:
    """Mount a view at `path`, on top of what may be there, and return what it is served by."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        _mount(b"bowerbird", path, KIND.encode(), _NOSUID | _NODEV, options.encode())
    except OSError:
        os.close(device)
        raise
    try:
        return Device(device, _first_request(device), mounted(path)[-1].connection)
    except OSError:
        detach(path)
        os.close(device)
        raise


def _first_request(device: int) -> bytes:
    poll = select.poll()
    poll.register(device, select.POLLIN)
    if not poll.poll(5000):
        raise TimeoutError("the kernel asked nothing of a new mount")
    request = os.read(device, _LARGEST_REQUEST + (1 << 16))
    if struct.unpack_from("<I", request, 4)[0] != _INIT:
        raise OSError("the kernel's first request is not INIT")
    return request


def detach(path: Path) -> None:
    """Take away the uppermost mount there, whoever still holds files of it."""
    if _libc.umount2(os.fsencode(path), _DETACH):
        code = ctypes.get_errno()
        raise OSError(code, f"cannot unmount {path}: {os.strerror(code)}")


def detach_all(path: Path) -> None:
    """Take away every mount there; one that another brought here, by sharing its events, goes with that."""
    while mounted(path):
        detach(path)


def detach_below(path: Path) -> None:
    """Take away every mount at that path and below it."""
    for point in reversed([point for point in mount_points() if point.path.is_relative_to(path)]):
        detach_all(point.path)


def read_only_tree(path: Path) -> int:
    """Return a descriptor of a directory through which nobody can write, whatever the modes below it say."""
    return _clone(path, _RECURSIVE, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0)


def bind(source: Path, directory: int, *, read_only: bool = False) -> None:
    """Show what is mounted at `source` at an open directory too, on top of what may be there; asks no file system.

    The new mount shares no event with the one it was made of: what is taken away from one is not taken away from the other.
    """
    tree = _clone(source, 0, _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_RDONLY if read_only else 0), _PRIVATE)
    try:
        _call(_MOVE_MOUNT, tree, b"", directory, b"", _FROM_EMPTY_PATH | _TO_EMPTY_PATH)
    finally:
        os.close(tree)


def _clone(path: Path, reach: int, attributes: int, propagation: int) -> int:
    fd = _call(_OPEN_TREE, -100, os.fsencode(path), _CLONE | reach | os.O_CLOEXEC)
    wanted = struct.pack("<QQQQ", attributes, 0, propagation, 0)
    try:
        _call(_MOUNT_SETATTR, fd, b"", _EMPTY_PATH | reach, wanted, len(wanted))
    except OSError:
        os.close(fd)
        raise
    return fd


def directory(path: Path) -> int:
    """Return a descriptor of a directory."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _mount(source: bytes, path: Path, kind: bytes, flags: int, options: bytes | None) -> None:
    if _libc.mount(source, os.fsencode(path), kind, flags, options):
        code = ctypes.get_errno()
        raise OSError(code, f"cannot mount at {path}: {os.strerror(code)}")


def _call(number: int, *arguments: int | bytes) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
