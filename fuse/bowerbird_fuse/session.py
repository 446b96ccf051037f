"""Serving a mount that was made elsewhere: libfuse gets the kernel's first request over a socket pair, then the device itself.

libfuse opens a session by answering INIT. The kernel asks that once a mount, and a later worker of the same mount has to open
its session too: so the keeper keeps the question, every worker answers it, and the kernel ignores all answers but the first.
"""

import errno
import logging
import os
import socket
import struct

import pyfuse3
import trio

from bowerbird_fuse import lane, notify
from bowerbird_fuse.operations import ViewOperations
from bowerbird_fuse.passthrough import Passthrough

log = logging.getLogger(__name__)
_ANSWER_BYTES = 4096
# linux/fuse.h: `flags` of struct fuse_init_out, behind a header of 16 bytes; both kinds of locks.
_FLAGS, _FLAGS_AT = struct.Struct("<I"), 16 + 12
_POSIX_LOCKS, _FLOCK_LOCKS = 1 << 1, 1 << 10


class Session:
    """One pyfuse3 session on the device of a mount; one a process, since pyfuse3 keeps it in its module."""

    def __init__(self, device: int, init: bytes, passthrough: Passthrough) -> None:
        self.device = device
        self.init = init
        self.passthrough = passthrough
        self._fd: int | None = None

    async def serve(self, operations: ViewOperations, serving: trio.Event) -> None:
        """Answer the kernel until `stop`, or until the mount is gone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = theirs.detach()
        lane.enter()
        with ours:
            pyfuse3.init(operations, f"/dev/fd/{fd}", {"default_permissions"})
            await self._open(ours, fd)
        os.dup2(self.device, fd, inheritable=False)
        self._fd = fd
        try:
            os.write(self.device, notify.resend())
        except OSError as error:
            log.warning("this kernel does not ask again (%s): requests that waited for an earlier worker wait on", error)
        serving.set()
        lane.take_turns()
        await pyfuse3.main(1, 1)

    def stop(self) -> None:
        """Finish what is being answered, and let the kernel's further requests wait for the next worker."""
        pyfuse3.terminate()
        if self._fd is None:
            return
        # A task that was about to read would take a request, and libfuse would drop it unanswered: let it read nothing.
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(nothing, self._fd, inheritable=False)
        os.close(nothing)

    async def _open(self, ours: socket.socket, fd: int) -> None:
        ours.setblocking(False)
        ours.send(self.init)
        opened = trio.Event()

        async def answer() -> None:
            await trio.lowlevel.wait_readable(ours)
            self._answer(ours.recv(_ANSWER_BYTES))
            # pyfuse3 waits on the pair for a second request: woken, it ends its loop, and begins anew on the device.
            while not opened.is_set():
                trio.lowlevel.notify_closing(fd)
                with trio.move_on_after(0.001):
                    await opened.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await pyfuse3.main(1, 1)
            opened.set()

    def _answer(self, reply: bytes) -> None:
        try:
            os.write(self.device, self.passthrough.answered(self.init, _asking_for_locks(reply)))
        except OSError as error:
            if error.errno != errno.ENOENT:  # an earlier worker has answered
                raise


def _asking_for_locks(reply: bytes) -> bytes:
    """Return the answer to INIT with a wish: a kernel that locks by itself would lock nobody out who comes by another mount."""
    answer = bytearray(reply)
    flags = _FLAGS.unpack_from(answer, _FLAGS_AT)[0]
    _FLAGS.pack_into(answer, _FLAGS_AT, flags | _POSIX_LOCKS | _FLOCK_LOCKS)
    return bytes(answer)
