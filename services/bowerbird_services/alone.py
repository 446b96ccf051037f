"""One program at a time works in a directory, in whichever pod it runs."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def alone(root: Path, others: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until no other works below `root`, and keep others waiting; `others` is called where there is one."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            others()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
