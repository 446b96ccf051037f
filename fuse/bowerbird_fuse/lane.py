"""The lean lane: pyfuse3 takes one request after the other without going through trio's scheduler for each.

pyfuse3 asks its module `trio` for a lock and for word that the device can be read; both end in the scheduler, which costs
several times what a request does. Our handlers never wait, so one task is enough, its lock has nobody to keep out, and the
device is polled first. What stands in here is what pyfuse3's own asyncio mode replaces in the same way.
"""

import select
from types import SimpleNamespace
from typing import Self

import pyfuse3
import trio

# Whoever asks a file system asks again at once: so long the device is waited for before the others get their turn, and
# after so many requests they get it in any case.
_WAIT_MILLISECONDS = 2
_BURST = 256


class _NoLock:
    """The lock of the only task."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return


class _Device:
    """Waits for a descriptor to be readable."""

    def __init__(self) -> None:
        self._polls: dict[int, select.poll] = {}
        self._left = _BURST

    async def wait_readable(self, fd: int) -> None:
        """Return when it is; ClosedResourceError when the wait was called off."""
        poll = self._polls.get(fd)
        if poll is None:
            poll = self._polls[fd] = select.poll()
            poll.register(fd, select.POLLIN)
        self._left -= 1
        if self._left and poll.poll(_WAIT_MILLISECONDS):
            return
        self._left = _BURST
        if poll.poll(0):
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(fd)


def enter() -> None:
    """Let pyfuse3 go by this lane from now on; it is to be run with one task."""
    lowlevel = SimpleNamespace(
        current_task=trio.lowlevel.current_task,
        current_trio_token=trio.lowlevel.current_trio_token,
        notify_closing=trio.lowlevel.notify_closing,
        wait_readable=_Device().wait_readable,
    )
    lane = SimpleNamespace(ClosedResourceError=trio.ClosedResourceError, Lock=_NoLock, lowlevel=lowlevel, open_nursery=trio.open_nursery)
    vars(pyfuse3)["trio"] = lane
