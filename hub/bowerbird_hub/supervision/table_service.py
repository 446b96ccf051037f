"""The start of the tables' service, which the hub runs: a platform is ready when it answers too."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from bowerbird_hub.managed import VO_PATH
from bowerbird_hub.supervision.ports import Ports
from bowerbird_hub.supervision.probes import HttpProbe, Probe

_POLL_SECONDS = 0.1
# Long beside any start; then the platform is ready without it, and the row says so.
_WAIT_SECONDS = 60.0


def probe(ports: Ports) -> Probe:
    """Return the question whether queries are answered."""
    return HttpProbe(f"http://127.0.0.1:{ports.services}/{VO_PATH}/tap/availability")


async def answering(asked: Probe, log: Path, row: Callable[[str, str], None], seconds: float = _WAIT_SECONDS) -> None:
    """Return when the service answers, or has not for so long; `row` gets a state and what is to say."""
    row("starting", "waiting for its first answer; signing in works already")
    began = time.monotonic()
    while (wrong := await asyncio.to_thread(asked)) is not None:
        if time.monotonic() - began > seconds:
            row("not answering", f"{wrong} after {seconds:g} s; the hub goes on starting it; log: {log}")
            return
        await asyncio.sleep(_POLL_SECONDS)
    row("ready", f"in {time.monotonic() - began:.1f} s")
