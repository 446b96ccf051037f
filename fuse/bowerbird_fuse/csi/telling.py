"""Telling the hub whose open files were lost: as soon as it listens, and without keeping anybody waiting."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from bowerbird_fuse.csi.errors import Away, CallError
from bowerbird_fuse.csi.volumes import Volume

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0
# A hub that was away for longer learns it from nobody: by then the user has met the errors.
_PATIENCE_SECONDS = 600.0


class Teller(threading.Thread):
    """Says each to `tell`, again and again while that is Away."""

    def __init__(self, tell: Callable[[Volume], None]) -> None:
        super().__init__(name="telling", daemon=True)
        self._tell = tell
        self._waiting: queue.SimpleQueue[Volume] = queue.SimpleQueue()

    def remounted(self, volume: Volume) -> None:
        """Have it told that this volume was mounted anew."""
        self._waiting.put(volume)

    def run(self) -> None:
        """Tell for ever."""
        while True:
            self._tell_in_time(self._waiting.get())

    def _tell_in_time(self, volume: Volume) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                self._tell(volume)
                return
            except Away:
                time.sleep(_PAUSE_SECONDS)
            except CallError as error:
                log.warning("the hub does not hear that the view of %s was mounted anew: %s", volume.user, error)
                return
        log.warning("the hub was away for too long to hear that the view of %s was mounted anew", volume.user)
