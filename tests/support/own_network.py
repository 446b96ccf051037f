"""A network of the tests' own, in which any port is free: this thread and what it starts are in it until the end."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_NEW_NETWORK = 0x40000000
_OWN = "/proc/thread-self/ns/net"


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")


@contextmanager
def own_network() -> Iterator[None]:
    """Stay in a network that has nothing but this machine's own addresses; skips where only root could."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network of its own")
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _call("unshare", _NEW_NETWORK)
        except OSError as error:
            pytest.skip(f"needs a network of its own, which this machine refuses ({error})")
        try:
            subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _call("setns", before, _NEW_NETWORK)
    finally:
        os.close(before)
