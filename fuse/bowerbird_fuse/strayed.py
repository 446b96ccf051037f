"""Directories that another view has moved: the kernel knows them where they were, and must forget that place to rename them.

While it renames, the kernel cannot move a directory that it knows below another one: it ends with ESTALE, and looks once more by
itself. To forget a place needs the lock of the directory that was left, which the very rename may hold that told us of it. So a
thread does it, which ends with the process. It is waited for a moment, and where that was not enough, a moment more at the next
look: the kernel has let go of its locks by then, and the thread stands next in line for them.
"""

import logging
import queue
import threading
from collections.abc import Callable

from bowerbird_fuse.inodes import Place

log = logging.getLogger(__name__)
_MOMENT_SECONDS = 0.02


class Strayed:
    """Lets the kernel forget (by `forget`, which may wait) what directories have left."""

    def __init__(self, forget: Callable[[Place], None]) -> None:
        self._forget = forget
        self._left: queue.SimpleQueue[tuple[Place, threading.Event]] = queue.SimpleQueue()
        self._last: threading.Event | None = None
        threading.Thread(target=self._work, name="strayed", daemon=True).start()

    def tell(self, place: Place) -> bool:
        """Have that place forgotten, if possible before this returns; tell whether it was."""
        forgotten = threading.Event()
        self._left.put((place, forgotten))
        self._last = None if forgotten.wait(_MOMENT_SECONDS) else forgotten
        return self._last is None

    def settle(self) -> None:
        """Wait once more for what was not forgotten in time."""
        last, self._last = self._last, None
        if last is not None:
            last.wait(_MOMENT_SECONDS)

    def _work(self) -> None:
        while True:
            place, forgotten = self._left.get()
            try:
                self._forget(place)
            except OSError as error:
                log.info("the kernel does not forget %r: %s", place[1], error)
            forgotten.set()
