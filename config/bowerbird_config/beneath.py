"""Opening what lies beneath a directory, and nothing else: openat2(2), which Python has not."""

import ctypes
import errno
import os
import struct

_OPENAT2 = 437
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RESOLVE = _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH
# The kernel refuses a path of 4096 bytes; a longer one is gone along in steps.
_STEP = 4000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_beneath(root: int, path: bytes, flags: int, mode: int = 0) -> int:
    """Return a descriptor of `path` below the directory `root`; no symbolic link is followed, not even the last.

    An empty path is the directory itself. OSError as open(2) has it; ELOOP where a link is on the way.
    """
    held = root
    try:
        while len(path) > _STEP:
            cut = path.rindex(b"/", 0, _STEP)
            step = _openat2(held, path[:cut], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0)
            if held != root:
                os.close(held)
            held, path = step, path[cut + 1 :]
        return _openat2(held, path or b".", flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    finally:
        if held != root:
            os.close(held)


def _openat2(directory: int, path: bytes, flags: int, mode: int) -> int:
    how = struct.pack("<QQQ", flags & 0xFFFFFFFF, mode, _RESOLVE)
    while True:
        fd = int(_libc.syscall(_OPENAT2, directory, path, how, len(how)))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        # EAGAIN: something on the way was renamed meanwhile; openat2(2) asks to try again.
        if code not in (errno.EAGAIN, errno.EINTR):
            raise OSError(code, os.strerror(code))
