"""Whose turn it is at a state directory: one keeper's at a time, and on a cluster one pod's with all that it starts.

The next pod of a node starts while the last still serves. Its processes have one description of the lock between them, which
they inherit, so that their turn lasts as long as any of them; warm, with everything imported, they wait for it.
"""

import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.paths import Var

log = logging.getLogger(__name__)


def open_lock(var: Var) -> int:
    """Return a description of the lock of a state directory, which nobody holds by it yet."""
    var.run.mkdir(parents=True, exist_ok=True)
    return os.open(var.run / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def alone(var: Var) -> int:
    """Return the lock, held; SystemExit where another keeper works on that state directory."""
    lock = open_lock(var)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another keeper works on {var.root}: end it first, or leave it to its work") from None
    return lock


@dataclass(frozen=True, slots=True)
class Turn:
    """The number of the inherited lock, and the file that is to say that who waits for it is warm."""

    lock: int
    warm: Path | None = None

    def take(self) -> int:
        """Say that this process is warm, and return the lock when it is held: once all of the last pod have ended."""
        if self.warm is not None:
            self.warm.parent.mkdir(parents=True, exist_ok=True)
            self.warm.touch()
        log.info("ready, once nobody else of this node is at work")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        log.info("at work")
        return self.lock
