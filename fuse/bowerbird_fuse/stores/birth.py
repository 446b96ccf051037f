"""When a file came into being: statx(2), which Python has not."""

import ctypes
import os
import struct

_NOFOLLOW, _BIRTH = 0x100, 0x800
# struct statx: the mask comes first, the birth at 80.
_BYTES, _MASK, _AT = 256, struct.Struct("=I"), struct.Struct("=qI")
_BIRTH_AT = 80
_libc = ctypes.CDLL(None, use_errno=True)


def born(directory: int, name: bytes, st: os.stat_result) -> float:
    """Return when what has that name was made, in seconds since the epoch; where the disk does not say, its oldest time in `st`."""
    buffer = ctypes.create_string_buffer(_BYTES)
    if _libc.statx(directory, name, _NOFOLLOW, _BIRTH, buffer) == 0 and _MASK.unpack_from(buffer)[0] & _BIRTH:
        seconds, ns = _AT.unpack_from(buffer, _BIRTH_AT)
        return float(seconds + ns / 1e9)
    return min(st.st_mtime, st.st_ctime)
