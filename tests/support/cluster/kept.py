"""What is made once and kept in the user's cache, under a hash of what it is made of."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

# Of each kind so many stay, those asked for last: another checkout may use what this one does not.
_MOST = 4
# What was asked for so lately may be in the hands of a run, and stays beyond them; what nobody asked for so long goes.
_IN_USE_SECONDS, _UNUSED_SECONDS = 3600, 7 * 86400


def cache() -> Path:
    """Return our folder in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bowerbird/cluster"


def kept(kind: str, key: str, make: Callable[[Path], None], most: int = _MOST) -> Path:
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
        _drop_unused(folder.parent, most)
    return folder


def _drop_unused(kind: Path, most: int) -> None:
    asked = sorted(((folder.stat().st_mtime, folder) for folder in kind.iterdir() if folder.is_dir()), reverse=True)
    for place, (at, folder) in enumerate(asked):
        if time.time() - at > (_IN_USE_SECONDS if place >= most else _UNUSED_SECONDS):
            shutil.rmtree(folder)
