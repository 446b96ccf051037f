"""Many short pieces of a file read by one call to the kernel, which waits for no disk.

A piece of an image is a short range of bytes in each of its rows. Where each is a call of its own, a thread lets the
interpreter go for each and has to get it back: threads that cut at the same time spend more on that than on the cutting.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

# linux/aio_abi.h, of a machine that writes the lowest byte first.
_ORDER: Final = np.dtype(
    [
        ("data", "<u8"),
        ("key", "<u4"),
        ("flags", "<i4"),
        ("operation", "<u2"),
        ("priority", "<i2"),
        ("descriptor", "<u4"),
        ("address", "<u8"),
        ("length", "<u8"),
        ("start", "<i8"),
        ("unused", "<u8", 2),
    ]
)
_EVENT: Final = np.dtype([("data", "<u8"), ("order", "<u8"), ("result", "<i8"), ("second", "<i8")])
# The numbers of io_setup, io_destroy, io_getevents and io_submit, for which the C library has no functions.
_CALLS: Final = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
# So many orders a thread gives at once: the kernel counts those of all processes together.
_MOST: Final = 256
_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int) -> int:
    return int(_libc.syscall(*map(ctypes.c_long, (number, *arguments))))


class _Orders:
    """A place in the kernel for the orders of one thread; OSError where it gives none."""

    def __init__(self) -> None:
        self._give_back: Callable[[], int] = int
        calls = _CALLS.get(platform.machine())
        if calls is None:
            raise NotImplementedError
        setup, destroy, self._events_of, self._submit = calls
        context = ctypes.c_ulong(0)
        if _call(setup, _MOST, ctypes.addressof(context)):
            raise OSError(ctypes.get_errno(), "the kernel takes no orders")
        self._context = context.value
        # Nothing of the module may be there any more when the last thread ends.
        self._give_back = partial(_libc.syscall, ctypes.c_long(destroy), context)
        self._orders = np.zeros(_MOST, _ORDER)
        self._orders["flags"] = os.RWF_NOWAIT
        self._events = np.zeros(_MOST, _EVENT)
        self._numbers = np.arange(_MOST, dtype=np.uint64)
        self._pointers = self._numbers * np.uint64(_ORDER.itemsize) + np.uint64(self._orders.ctypes.data)

    def read(self, descriptor: int, starts: Any, length: int, address: int) -> bool:
        count = len(starts)
        some = self._orders[:count]
        some["descriptor"], some["length"], some["start"] = descriptor, length, starts
        some["address"] = self._numbers[:count] * np.uint64(length) + np.uint64(address)
        taken = _call(self._submit, self._context, count, self._pointers.ctypes.data)
        # Whatever was taken is waited for: until then the kernel may write to the address.
        done = 0
        while done < taken:
            done += max(0, _call(self._events_of, self._context, 1, taken - done, self._events[done:].ctypes.data, 0))
        return taken == count and bool((self._events["result"][:count] == length).all())

    def __del__(self) -> None:
        self._give_back()


_mine = threading.local()


def _orders() -> _Orders | None:
    found: _Orders | None = getattr(_mine, "orders", None)
    # What a process had is none of its child's.
    if getattr(_mine, "process", None) != os.getpid():
        try:
            found = _Orders()
        except (OSError, NotImplementedError):
            found = None
        _mine.orders, _mine.process = found, os.getpid()
    return found


def read(descriptor: int, starts: Any, length: int, destination: memoryview) -> bool:
    """Read pieces of one length that begin at `starts`, one after the other; return whether all of it was in memory and is there.

    Where it was not, or the kernel takes no such orders, `destination` holds nothing to go by.
    """
    orders = _orders()
    if orders is None:
        return False
    address = int(np.frombuffer(destination, dtype=np.uint8).ctypes.data)
    return all(
        orders.read(descriptor, starts[first : first + _MOST], length, address + first * length) for first in range(0, len(starts), _MOST)
    )
