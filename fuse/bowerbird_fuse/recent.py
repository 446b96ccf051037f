"""What the kernel has just looked up in a space, held for a moment: what it opens next is that very file, whatever has its name by then.

Another view may put a new file in its place, or take it away, between the kernel's two questions. A removed directory is
held for as long as the kernel knows it: somebody may stand in it.
"""

import os
import time
from collections import OrderedDict

from bowerbird_fuse.released import Released
from bowerbird_fuse.stores.base import Entry, Store

# A file without a name keeps its room on the disk while it is held: so not for long.
_SECONDS = 1.0
_MOST = 256


class Recent:
    """The entries that are held, by node; the companion holds what it has looked up itself."""

    def __init__(self, released: Released) -> None:
        self._released = released
        self._held: OrderedDict[int, tuple[float, Entry]] = OrderedDict()
        self._removed: dict[int, Entry] = {}

    def hold(self, node: int, entry: Entry) -> None:
        """Hold what that node is for a moment; it is closed here."""
        self.drop(node)
        self._held[node] = time.monotonic(), entry
        if len(self._held) > _MOST:
            self._held.popitem(last=False)[1][1].close()

    def hold_removed(self, node: int, entry: Entry) -> None:
        """Hold a directory that is about to be removed, until the kernel forgets it."""
        self.drop(node)
        self._removed[node] = entry

    def again(self, node: int, store: Store, path: bytes) -> Entry | None:
        """Return it once more, for the caller to close; None where it is not held. It was found at that path of the store."""
        if node in self._held:
            return self._held[node][1].again()
        if (fd := self._released.held(node)) is not None:
            return store.entry(os.dup(fd), path)
        return self._removed[node].again() if node in self._removed else None

    def drop(self, node: int) -> None:
        """Hold that node no more."""
        self._released.let_go(node)
        if node in self._held:
            self._held.pop(node)[1].close()
        if node in self._removed:
            self._removed.pop(node).close()

    def expire(self, seconds: float = _SECONDS) -> None:
        """Hold no more what was looked up longer ago."""
        self._released.let_go_older(int(seconds))
        oldest = time.monotonic() - seconds
        while self._held and next(iter(self._held.values()))[0] < oldest:
            self._held.popitem(last=False)[1][1].close()

    def clear(self) -> None:
        """Hold nothing."""
        self._released.let_go_older(-1)
        for node in (*self._held, *self._removed):
            self.drop(node)
