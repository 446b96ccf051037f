"""Giving up what a worker does not need: the uid of root, capabilities, the way back, and being looked into."""

import ctypes
import os
import resource
from collections.abc import Iterable

_SET_DUMPABLE, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 4, 24, 38
_libc = ctypes.CDLL(None, use_errno=True)


def drop(uid: int, gid: int, groups: Iterable[int]) -> None:
    """Become that identity for good: no capability, no new privilege, no core, no other process that may look in."""
    if uid == 0 or gid == 0:
        raise PermissionError("a worker never serves as root")
    with open("/proc/sys/kernel/cap_last_cap") as last:
        highest = int(last.read())
    for capability in range(highest + 1):
        _prctl(_CAPBSET_DROP, capability)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setgroups(sorted(set(groups)))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    # Last: a change of uid sets it anew. Afterwards /proc/PID belongs to root, though the uid is the user's.
    _prctl(_SET_DUMPABLE, 0)


def raise_open_files() -> None:
    """Let this process and its children open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
