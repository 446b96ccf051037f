"""FUSE_PASSTHROUGH for workers: the kernel lets only root hand it the file that it is to read instead of asking.

A worker sends the file that it has opened and gets the kernel's number of it, or a negated errno. It is believed nothing: the
file must be a regular one, open to read alone, and on one of the read-only trees that this worker was given, so that a
number lets nobody read what the worker could not, or write at all.
"""

import fcntl
import os
import socket
import stat
import struct
import threading
from errno import EACCES

from bowerbird_config import sockets

from bowerbird_fuse.wire import close_all

# What a worker says: OPEN with a file beside it, or CLOSE with the number that is needed no more.
OPEN, CLOSE = 1, 2
WORDS = struct.Struct("<ii")
ANSWER = struct.Struct("<i")
# linux/fuse.h: FUSE_DEV_IOC_BACKING_OPEN takes struct fuse_backing_map, FUSE_DEV_IOC_BACKING_CLOSE a number.
_BACKING_OPEN, _BACKING_CLOSE = 0x4010E501, 0x4004E502
_BACKING_MAP, _NUMBER = struct.Struct("<iIQ"), struct.Struct("<I")
_PATH = getattr(os, "O_PATH", 0o10000000)


class Broker(threading.Thread):
    """Serves one worker until it goes; `trees` are the mounts, by number, whose files it may hand over."""

    def __init__(self, device: int, connection: socket.socket) -> None:
        super().__init__(name="broker", daemon=True)
        self._device = os.dup(device)
        self._connection = connection
        self.trees: frozenset[int] = frozenset()

    def run(self) -> None:
        """Answer until the worker goes, or says what none says."""
        try:
            with self._connection:
                while self._answer_one():
                    pass
        except OSError:
            return
        finally:
            os.close(self._device)

    def _answer_one(self) -> bool:
        data, fds, _ = sockets.receive_descriptors(self._connection, WORDS.size + 1, 1)
        try:
            if len(data) != WORDS.size:
                return False
            kind, number = WORDS.unpack(data)
            if kind == OPEN and len(fds) == 1:
                self._connection.send(ANSWER.pack(self._open(fds[0])))
            elif kind == CLOSE and not fds:
                self._close(number)
            else:
                return False
            return True
        finally:
            close_all(fds)

    def _open(self, fd: int) -> int:
        if not self._may_be_read(fd):
            return -EACCES
        try:
            # Of a buffer that may be written to, ioctl returns the system's result, which is the number.
            return int(fcntl.ioctl(self._device, _BACKING_OPEN, bytearray(_BACKING_MAP.pack(fd, 0, 0)), True))
        except OSError as error:
            return -(error.errno or EACCES)

    def _close(self, number: int) -> None:
        try:
            fcntl.ioctl(self._device, _BACKING_CLOSE, _NUMBER.pack(number & 0xFFFFFFFF))
        except OSError:
            return  # there is no such number in this mount

    def _may_be_read(self, fd: int) -> bool:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        return (
            flags & os.O_ACCMODE == os.O_RDONLY
            and not flags & _PATH
            and stat.S_ISREG(os.fstat(fd).st_mode)
            and bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY)
            and mount_number(fd) in self.trees
        )


def start(device: int) -> tuple[Broker, socket.socket]:
    """Start a broker for the mount of that device; return it, and the end of the socket that its worker gets."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    broker = Broker(device, ours)
    broker.start()
    return broker, theirs


def mount_number(fd: int) -> int:
    """Return which mount a descriptor was opened on."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
        return next(int(line.split()[1]) for line in info if line.startswith(b"mnt_id:"))
