"""Files whose pixels a thread has just found in memory: the next pieces of one are cut at once, without a thread.

To hand a small cutout to a thread costs as much as to cut it. But the loop waits for no disk, and so it opens a file itself
only where a thread has found, a moment ago, that its pixels are in memory. Of files on other machines nobody is told that.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bowerbird_services.identity import Away
from bowerbird_services.release_files import ClosedFile, Directories, NoFile, ReleaseFile, open_in
from bowerbird_services.store.dids import DID

# So long the directory that the hub gave is taken for that of the release.
_SECONDS: Final = 0.5
_MOST: Final = 64


@dataclass(slots=True)
class _Release:
    """The directory of a release, until when it is one, and what is near of its files."""

    directory: int
    until: float
    files: set[tuple[str, Hashable]] = field(default_factory=set)


class NearFiles:
    """Remembers what threads found; whether somebody may read a file is not decided here."""

    def __init__(self, directories: Directories, clock: Callable[[], float] = time.monotonic) -> None:
        self._directories = directories
        self._clock = clock
        # Guards the descriptors: none is closed while a file is opened below it.
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Release] = {}

    def add(self, did: DID, part: Hashable) -> None:
        """Learn that the pixels of a part of a file are in memory. Runs in a thread, as the hub is asked."""
        with self._lock:
            if self._remember(did, part):
                return
        try:
            directory = self._directories(*did.place)
        except (NoFile, Away):
            return
        with self._lock:
            while len(self._known) >= _MOST:
                self._forget(next(iter(self._known)))
            self._forget(did.place)
            self._known[did.place] = _Release(directory, self._clock() + _SECONDS, {(did.file, part)})

    def _remember(self, did: DID, part: Hashable) -> bool:
        known = self._known.get(did.place)
        if known is None or known.until < self._clock():
            return False
        known.files.add((did.file, part))
        return True

    def file(self, did: DID, part: Hashable) -> ReleaseFile | None:
        """Return the open file, which the caller closes, where that part of it is near; None where a thread has to open it."""
        with self._lock:
            known = self._known.get(did.place)
            if known is None or known.until < self._clock() or (did.file, part) not in known.files:
                return None
            with suppress(NoFile, ClosedFile, OSError):
                return open_in(known.directory, did.file)
        return None

    def _forget(self, place: tuple[str, str]) -> None:
        known = self._known.pop(place, None)
        if known is not None:
            os.close(known.directory)

    def close(self) -> None:
        """Let all go."""
        with self._lock:
            for place in list(self._known):
                self._forget(place)
