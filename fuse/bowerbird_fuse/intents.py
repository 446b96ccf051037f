"""What the request in work is about to change, written down before, and how it ended: what a next worker settles it by.

A worker answers one request before it takes the next, so one place is enough. The kernel asks the next worker again
what had no answer, under the same number. Then either nothing of it was done, or what stands here says what to look for.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from bowerbird_fuse.remains import INTENTS_BYTES

# linux/time.h: CLOCK_REALTIME_COARSE.
_COARSE = 5
# linux/fuse.h: FUSE_UNIQUE_RESEND.
_AGAIN = 1 << 63
_STATE, _NOTHING, _INTENT, _DONE = 0, 0, 1, 2
# Errno, number, when, and figures by which the disk is looked at; behind the state.
_FIELDS, _FIELDS_AT, _MOST_VALUES = struct.Struct("<IQQ5Q"), 8, 5
_ERRNO, _ERRNO_AT = struct.Struct("<I"), 8

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Intent:
    """What an earlier worker was about to do for the request in work, or has done."""

    begun_ns: int
    values: tuple[int, ...]
    done: bool

    @property
    def key(self) -> Key:
        """The file that it was about."""
        return self.values[0], self.values[1]

    def made(self, st: os.stat_result | None) -> bool:
        """Tell whether what has that name now was made by it: it is not older, and belongs to who made it."""
        if st is None or st.st_ctime_ns < self.begun_ns:
            return False
        return (st.st_dev, st.st_ino) == self.key if self.values[1] else st.st_uid == os.geteuid()


class Intents:
    """The one place; `number` tells the request in work, by the kernel's number for it."""

    def __init__(self, page: int, number: Callable[[], int]) -> None:
        self._page = mmap.mmap(page, INTENTS_BYTES)
        self._number = number
        self._open = False

    def earlier(self) -> Intent | None:
        """Return what an earlier worker wrote of the request in work; OSError where it had failed."""
        number = self._number()
        if not number & _AGAIN or self._page[_STATE] == _NOTHING:
            return None
        code, written, begun_ns, *values = _FIELDS.unpack_from(self._page, _FIELDS_AT)
        if written != number & ~_AGAIN:
            return None
        done = self._page[_STATE] == _DONE
        if done and code:
            raise OSError(code, "an earlier worker has come to that")
        return Intent(begun_ns, tuple(values), done)

    def begin(self, *values: int) -> None:
        """Write down that the request in work is about to change something."""
        page = self._page
        page[_STATE] = _NOTHING
        values += (0,) * (_MOST_VALUES - len(values))
        # The coarse clock is the one that files are stamped by: what is made from now on is not older.
        now = time.clock_gettime_ns(_COARSE)
        _FIELDS.pack_into(page, _FIELDS_AT, 0, self._number() & ~_AGAIN, now, *values)
        page[_STATE] = _INTENT
        self._open = True

    def end(self, code: int = 0) -> None:
        """Write down how it ended, with that errno; nothing where nothing was begun."""
        if self._open:
            self._open = False
            _ERRNO.pack_into(self._page, _ERRNO_AT, code)
            self._page[_STATE] = _DONE
