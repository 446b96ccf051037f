"""What a worker tells the kernel unasked, in the words of linux/fuse.h."""

import errno
import os
import struct

from bowerbird_fuse.tree import Outdated

_HEADER = struct.Struct("<IiQ")
_INVAL_INODE, _INVAL_ENTRY, _RESEND = 2, 3, 7
# Of what the kernel does not hold there is nothing to forget.
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBUSY})


def inval_inode(number: int) -> bytes:
    """Return the message that drops attributes and pages of an inode."""
    return _message(_INVAL_INODE, struct.pack("<Qqq", number, 0, 0))


def inval_entry(parent: int, name: bytes) -> bytes:
    """Return the message that drops a name and all below it."""
    return _message(_INVAL_ENTRY, struct.pack("<QII", parent, len(name), 0) + name + b"\0")


def resend() -> bytes:
    """Return the message that asks for every request again that has no answer yet."""
    return _message(_RESEND, b"")


def _message(code: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), code, 0) + body


def forget(device: int, outdated: Outdated) -> None:
    """Make the kernel forget; waits for requests in work, so never call it where those are answered."""
    for parent, name in outdated.names:
        _write(device, inval_entry(parent, name))
    for number in outdated.inodes:
        _write(device, inval_inode(number))


def _write(device: int, message: bytes) -> None:
    try:
        os.write(device, message)
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise
