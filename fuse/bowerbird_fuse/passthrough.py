"""Files that the kernel reads by itself: the worker's end of FUSE_PASSTHROUGH.

Of what is public alone: such a file is read until it is closed, whatever becomes of the right to it meanwhile. All open
handles of a file must be alike, so one that was opened otherwise keeps the next ones from it.
"""

import errno
import logging
import os
import socket
import struct

from bowerbird_fuse import broker, native
from bowerbird_fuse.grant import DIRECT_BYTES
from bowerbird_fuse.handles import Handle, Handles

log = logging.getLogger(__name__)

SMALLEST_BYTES = DIRECT_BYTES
# The keeper has nothing else to do for us; one that does not answer in this time is asked no more.
_PATIENCE_SECONDS = 0.25
# What the kernel says where it is not this file that is in the way.
_NOT_HERE = frozenset({errno.EPERM, errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP})
# linux/fuse.h: of struct fuse_init_out behind its header, `flags`, `flags2` and `max_stack_depth`.
_HEADER, _FLAGS_AT, _FLAGS2_AT = 16, 12, 32
_INIT_OUT = 64
_INIT_EXT, _PASSTHROUGH = 1 << 30, 1 << (37 - 32)
_STACK_DEPTH = 1
# The kernel's question has the same flags, behind a header of 40 bytes.
_ASKED = struct.Struct("<II")
_ASKED_AT = 40 + 12


class Passthrough:
    """Which open files the kernel reads by itself; without a `connection` to a broker none."""

    def __init__(self, connection: socket.socket | None, handles: Handles) -> None:
        self._connection = connection
        self._handles = handles
        if connection is not None:
            connection.settimeout(_PATIENCE_SECONDS)

    def answered(self, question: bytes, reply: bytes) -> bytes:
        """Return libfuse's answer to the kernel's first request with passthrough switched on, where both know it."""
        if self._without(question):
            return reply
        patched = bytearray(reply.ljust(_HEADER + _INIT_OUT, b"\0"))
        struct.pack_into("<I", patched, 0, len(patched))
        ours = struct.unpack_from("<I", patched, _HEADER + _FLAGS_AT)[0] | _INIT_EXT
        struct.pack_into("<I", patched, _HEADER + _FLAGS_AT, ours)
        more = struct.unpack_from("<I", patched, _HEADER + _FLAGS2_AT)[0] | _PASSTHROUGH
        struct.pack_into("<II", patched, _HEADER + _FLAGS2_AT, more, _STACK_DEPTH)
        return bytes(patched)

    def words(self, question: bytes, wanted: bool) -> str:
        """Return what is in use on this mount, to stand in the log; `wanted` is what the platform says."""
        reason = self._without(question) if wanted else "storage.passthrough is off"
        if reason:
            return f"every file is read by the worker: {reason}"
        return f"the kernel reads public files of {SMALLEST_BYTES >> 20} MiB and more by itself, all others are read by the worker"

    def _without(self, question: bytes) -> str:
        flags, more = _ASKED.unpack_from(question.ljust(_ASKED_AT + _ASKED.size, b"\0"), _ASKED_AT)
        if self._connection is None:
            return "the keeper gave no broker"
        if not (flags & _INIT_EXT and more & _PASSTHROUGH):
            return "the kernel has no FUSE_PASSTHROUGH (Linux 6.9 has)"
        return "" if native.answers_opens() else "the native companion is not in use"

    def take(self, handle: Handle) -> bool:
        """Let the kernel read a handle that was just opened, if it may; its number is on the handle then."""
        if handle.grant is None or handle.grant.space:
            return False
        others = [other for other in self._handles.of(handle.node) if other is not handle]
        backing = next((other.backing for other in others if other.backing), 0)
        # A file that is open already can only be opened likewise.
        if not backing and not others and self._is_worth_it(handle):
            backing = self._ask(handle)
        if backing:
            self._handles.back(handle, backing)
        return bool(backing)

    def let_go(self, handle: Handle) -> None:
        """Give a number back with the last handle that had it; to be called once the handle is closed."""
        if handle.backing and not any(other.backing for other in self._handles.of(handle.node)):
            self._tell(broker.CLOSE, handle.backing)

    def _is_worth_it(self, handle: Handle) -> bool:
        if self._connection is None or handle.file is None or handle.grant is None or not handle.grant.direct:
            return False
        return os.fstat(handle.file.descriptor).st_size >= SMALLEST_BYTES

    def _ask(self, handle: Handle) -> int:
        if self._connection is None or handle.file is None:
            return 0
        try:
            socket.send_fds(self._connection, [broker.WORDS.pack(broker.OPEN, 0)], [handle.file.descriptor])
            answer = int(broker.ANSWER.unpack(self._connection.recv(broker.ANSWER.size))[0])
        except (OSError, struct.error) as error:
            self._stop(f"the keeper does not answer: {error}")
            return 0
        if -answer in _NOT_HERE:
            self._stop(os.strerror(-answer))
        return max(answer, 0)

    def _tell(self, kind: int, number: int) -> None:
        if self._connection is None:
            return
        try:
            self._connection.send(broker.WORDS.pack(kind, number))
        except OSError as error:
            self._stop(str(error))

    def _stop(self, reason: str) -> None:
        log.warning("the kernel is handed no more files to read by itself (%s): they are read by the worker", reason)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
