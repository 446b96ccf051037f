"""How often to look for what tells nobody when it has come: after a short wait soon again, after a long one less often."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from jupyterhub.utils import wait_for_http_server

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 1.0
_PART = 0.1


def until_next(clock: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """Yield the seconds until each next look: a tenth of what was waited, so that who waits is told a tenth later at most."""
    began = clock()
    while True:
        yield min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, _PART * (clock() - began)))


async def answering(url: str) -> None:
    """Return soon after a server answers at that address; JupyterHub's own looks are seconds apart by then."""
    for seconds in until_next():
        with suppress(TimeoutError):
            await wait_for_http_server(url, timeout=0)
            return
        await asyncio.sleep(seconds)
