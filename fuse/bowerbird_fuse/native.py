"""The native companion: what pyfuse3 has no handlers for, added to its own when libfuse opens the session.

Whichever `fuse_session_new` is found first is called, so the companion must be there before pyfuse3 is: importing this
module loads it, and a worker imports this module first. Without it a worker serves on, with what `missing` says.
"""

import ctypes
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bowerbird_fuse import sources

log = logging.getLogger(__name__)

_NAME = "libbowerbird_fuse.so"
# What fuse_version() says of the releases that the companion was tried with: 3.10 has all it calls, 3.17 opens sessions otherwise.
_OLDEST, _NEWEST = 310, 316
_WITHOUT = "files cannot be locked, statfs tells the figures of the home, fallocate and holes are not to be had"

# linux/fuse.h: what an open is answered with.
KEEP_CACHE, CACHE_DIR, PASSTHROUGH = 1 << 1, 1 << 3, 1 << 7

# Of a file that no other view can write: it is locked within this view alone.
PRIVATE = -4096

Figures = ctypes.POINTER(ctypes.c_uint64)
_int64, _uint64, _int = ctypes.c_int64, ctypes.c_uint64, ctypes.c_int


class Calls(ctypes.Structure):
    """What Python answers: `struct calls` of native/native.h."""

    _fields_ = (
        ("figures", ctypes.CFUNCTYPE(_int64, _uint64, Figures)),
        ("allocate", ctypes.CFUNCTYPE(_int64, _uint64, _int, _int64, _int64)),
        ("seek", ctypes.CFUNCTYPE(_int64, _uint64, _int64, _int)),
        ("copy", ctypes.CFUNCTYPE(_int64, _uint64, _int64, _uint64, _int64, _uint64)),
        ("descriptor", ctypes.CFUNCTYPE(_int64, _uint64)),
        ("unsound", ctypes.CFUNCTYPE(_int64, _uint64)),
        ("shelve", ctypes.CFUNCTYPE(_int64, _int, _uint64, _uint64, _uint64, _int)),
        ("unshelve", ctypes.CFUNCTYPE(_int64, _int, _uint64, _uint64, _uint64)),
        ("stand", ctypes.CFUNCTYPE(_int64, _uint64)),
        ("list", ctypes.CFUNCTYPE(_int64, _uint64)),
    )


class Reading(ctypes.Structure):
    """How a handle is read without Python: `struct reading` of native/native.h."""

    _fields_ = (
        ("fd", _int),
        ("space", ctypes.c_uint32),
        ("moment", ctypes.c_uint32),
        ("group", ctypes.c_uint32),
        ("shown", ctypes.c_uint32),
        ("hidden", ctypes.c_uint32),
    )


def _load() -> tuple[ctypes.CDLL | None, str]:
    """Load the companion; return it, or why it is not in use."""
    if "pyfuse3" in sys.modules:
        return None, "pyfuse3 was loaded first"
    path = next((path for folder in sys.path if (path := Path(folder) / _NAME).is_file()), None)
    if path is None:
        return None, f"{_NAME} is not installed"
    try:
        # Not yet for all to see: one of an older build would answer pyfuse3 in ways that this code does not know.
        if not _is_ours(ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)):
            return None, f"{path} was built of other sources: install anew"
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return None, str(error)
    version = int(library.fuse_version())
    if not _OLDEST <= version <= _NEWEST:
        return None, f"it does not know libfuse {version // 100}.{version % 100}"
    return library, ""


def _is_ours(library: ctypes.CDLL) -> bool:
    expected = sources.digest().encode() + b"\0"
    try:
        found = (ctypes.c_char * len(expected)).in_dll(library, "bowerbird_sources")
    except ValueError:
        return False
    return bytes(found) == expected


_library, _reason = _load()
_number = _uint64.in_dll(_library, "bowerbird_request") if _library is not None else _uint64(0)
_turn = ctypes.c_uint32.in_dll(_library, "bowerbird_turn") if _library is not None else ctypes.c_uint32(0)
_flags = _int.in_dll(_library, "bowerbird_write_flags") if _library is not None else None


def library() -> ctypes.CDLL | None:
    """Return the companion; None where there is none."""
    return _library


def answer_by(calls: Calls) -> None:
    """Let these calls answer in the session that is opened next; the caller keeps them for as long as the process lives."""
    if _library is not None:
        _library.bowerbird_answer_by(ctypes.byref(calls))


def request() -> int:
    """Return the number of the request in work; its highest bit says that the kernel asks again. 0 where it is not known."""
    return _number.value


def take_turns() -> bool:
    """Let the companion wait for requests by itself, for some milliseconds at a time; tell whether it will."""
    return _library is not None and not _library.bowerbird_take_turns()


def in_turn() -> bool:
    """Tell whether it does so now: then nobody else need wait for the device."""
    return bool(_turn.value)


def write_flags() -> int | None:
    """Return the flags that the open file of the write in work has by now; None where they are not known."""
    return None if _flags is None else _flags.value


def take_lock(numbers: Sequence[int], fd: int) -> None:
    """Hold on to what an earlier worker has locked, by kind, node, owner and handle; before the session is opened."""
    kind, *rest = numbers
    if _library is None or _library.bowerbird_take_lock(kind, *map(_uint64, rest), fd):
        os.close(fd)


def read_by(handle: int, reading: Reading) -> None:
    """Let an open handle be read without Python; `read_no_more` must come before its descriptor is closed."""
    if _library is not None:
        _library.bowerbird_read_by(_uint64(handle), ctypes.byref(reading))


def read_no_more(handle: int) -> None:
    """Let a handle be read by Python again."""
    if _library is not None:
        _library.bowerbird_read_no_more(_uint64(handle))


def answers_opens() -> bool:
    """Tell whether `open_by` has an effect in the session that was opened."""
    return _library is not None and bool(_library.bowerbird_sessions())


def open_by(flags: int, backing: int = 0) -> None:
    """Answer the open in work with these flags, and the kernel's number of the file that it is to read by itself."""
    if _library is not None:
        _library.bowerbird_open_by(flags, backing)


def missing() -> str | None:
    """Return why an opened session goes without the companion, and what that means; None where it has it."""
    reason = _reason
    if _library is not None and not _library.bowerbird_sessions():
        reason = "pyfuse3 has found another libfuse"
    return f"the native companion is not in use ({reason}): {_WITHOUT}" if reason else None
