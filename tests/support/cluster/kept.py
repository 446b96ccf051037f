"""What is made once and kept in the user's cache, under a hash of what it is made of."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

# Another checkout may use what this one does not; what nobody asked for so long goes.
_UNUSED_SECONDS = 7 * 86400


def cache() -> Path:
    """Return our folder in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bowerbird/cluster"


def kept(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of a kind with a key; where the cache has none, MAKE fills a new one, and only a whole one is kept."""
    folder = cache() / kind / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once make it once
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
        os.utime(folder)
        _drop_unused(folder.parent)
    return folder


def _drop_unused(kind: Path) -> None:
    for folder in kind.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - _UNUSED_SECONDS:
            shutil.rmtree(folder)
