"""Work that nobody waits for: kept while it runs, and told in the log where it fails."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger("bowerbird.hub")
# The event loop itself holds its tasks only weakly.
_running: set[asyncio.Task[None]] = set()


def begin(work: Coroutine[Any, Any, None], name: str) -> None:
    """Do that work beside all else; `name` says in the log what failed."""
    task = asyncio.create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("%s: ended by an unforeseen error", task.get_name(), exc_info=error)
