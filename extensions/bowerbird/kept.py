"""What was learnt of files, kept between cuts: by the identity of the file, so that one that was changed in any way is another."""

import os
import threading
import time
from collections import OrderedDict
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Key: TypeAlias = tuple[Any, ...]

# What was changed so lately may be changed again without a new time: a clock of the kernel ticks (nanoseconds).
_TICK = 20_000_000

_every: "list[Kept[Any]]" = []


class Kept(Generic[T]):
    """The last few of a kind; safe to use from many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Key, T] = OrderedDict()
        self._lock = threading.Lock()
        _every.append(self)

    def find(self, key: Key | None) -> T | None:
        """Return what is kept, for anyone to read."""
        with self._lock:
            if key is None or key not in self._made:
                return None
            self._made.move_to_end(key)
            return self._made[key]

    def take(self, key: Key | None) -> T | None:
        """Return what is kept and keep it no more: it is the caller's alone until it is given back."""
        with self._lock:
            return None if key is None else self._made.pop(key, None)

    def keep(self, key: Key | None, made: T) -> None:
        """Keep it; what was not asked for the longest is let go. Without a key nothing is kept."""
        if key is None:
            return
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._made.clear()


def identity(descriptor: int) -> Key | None:
    """Return what tells an open file from all others and from what it was before; None where that cannot be told for sure."""
    status = os.fstat(descriptor)
    # What has no name, as a copy in memory, does not come back.
    if not status.st_nlink or abs(time.time_ns() - status.st_ctime_ns) < _TICK:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def forget() -> None:
    """Keep nothing of any kind."""
    for one in _every:
        one.clear()
