"""How much of a space is in use, counted by all of its views together in shared memory.

Each view adds to its own slot and to no other, and what is in use is the sum: so there is no lock that somebody who died
could hold. The size of the memory is sealed, so that nobody can cut it under another's feet. Whoever holds a view's
worker may falsify the figures of that view's spaces, and no more; a scan sets them right.
"""

import fcntl
import mmap
import os
from dataclasses import dataclass
from enum import IntEnum

# More views of one space than this share slots, and miscount until the next scan.
SLOTS = 1024
# The keeper's own slot: what earlier views left, and what a scan found; and that of its scanner, which empties the trash.
KEEPERS, SCANNERS = 0, 1
_WORD_BYTES = 8
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Word(IntEnum):
    """What a slot holds, in bytes; each may be negative, since a view may free what another one wrote."""

    USED = 0
    TRASH = 1  # the part of it that lies in the trash
    HELD = 2  # the part of it that has no name any more, and is still open
    MOVED = 3  # all that was ever added or taken: how far a scan that ran meanwhile may be off
    SLOTS = 4  # in the keeper's slot alone: how many are in use


# Plain numbers: each write asks for them.
_USED, _TRASH, _HELD, _MOVED, _SLOTS = map(int, Word)
_STRIDE = len(Word)
_BYTES = SLOTS * _STRIDE * _WORD_BYTES


def open_memory() -> int:
    """Return new memory for a meter."""
    fd = os.memfd_create("meter", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, _BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a meter, which lies in the memory `fd`."""

    fd: int
    number: int


class Meter:
    """One view's hand on the meter of a space."""

    def __init__(self, fd: int, slot: int = KEEPERS) -> None:
        if os.fstat(fd).st_size != _BYTES or fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            raise ValueError("this is no meter: its size is not sealed")
        self._memory = mmap.mmap(fd, _BYTES)
        self._words = memoryview(self._memory).cast("q")
        self._first = slot * len(Word)

    def close(self) -> None:
        """Let go of it."""
        self._words.release()
        self._memory.close()

    def add(self, used: int = 0, trash: int = 0, held: int = 0) -> None:
        """Count what was taken, or given back where negative."""
        words, first = self._words, self._first
        try:
            words[first] += used
            words[first + _MOVED] += abs(used) + abs(trash)
            if trash:
                words[first + _TRASH] += trash
            if held:
                words[first + _HELD] += held
        except ValueError:
            # A figure that cannot be was written by somebody who lies: counting begins anew, until the next scan.
            self.clear(*Word)

    def own(self, word: Word) -> int:
        """Return a word of the own slot."""
        return self._words[self._first + word]

    def clear(self, *words: Word) -> None:
        """Set words of the own slot to nothing."""
        for word in words:
            self._words[self._first + word] = 0

    def widen(self, slot: int) -> None:
        """Count that slot, and all before it, from now on."""
        self._words[Word.SLOTS] = max(self._words[Word.SLOTS], slot + 1)

    def total(self, word: int) -> int:
        """Return the sum of a word over all slots in use."""
        last = min(max(self._words[_SLOTS], 1), SLOTS) * _STRIDE
        return sum(self._words[word:last:_STRIDE])

    @property
    def used(self) -> int:
        """All that is in use, the trash too."""
        return max(0, self.total(_USED))

    @property
    def wanted(self) -> int:
        """What is in use and not in the trash, which makes room when room is needed."""
        return max(0, self.used - max(0, self.total(Word.TRASH)))
