"""The lean lane: pyfuse3 takes one request after the other without going through trio's scheduler for each.

pyfuse3 asks its module `trio` for a lock and for word that the device can be read; both end in the scheduler, which costs
several times what a request does. Our handlers never wait, so one task is enough, its lock has nobody to keep out, and while
the companion takes a turn (native/turns.c) it waits for the device itself; without it the device is polled first. What stands
in here is what pyfuse3's own asyncio mode replaces in the same way.
"""

import select
from types import SimpleNamespace
from typing import Self

import pyfuse3
import trio

from bowerbird_fuse import native

# Whoever asks a file system asks again at once: without the companion's turns so long the device is waited for before the
# others get theirs, and after so many requests they get it in any case.
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
        self.turns = False
        self._polls: dict[int, select.poll] = {}
        self._left = _BURST

    async def wait_readable(self, fd: int) -> None:
        """Return when it is, or when the companion waits for it; ClosedResourceError when the wait was called off."""
        if native.in_turn():
            return
        poll = self._polls.get(fd)
        if poll is None:
            poll = self._polls[fd] = select.poll()
            poll.register(fd, select.POLLIN)
        self._left -= 1
        if not self.turns and self._left and poll.poll(_WAIT_MILLISECONDS):
            return
        self._left = _BURST
        if poll.poll(0):
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(fd)


_device = _Device()


def take_turns() -> None:
    """Let the companion wait for the device, if it is there; after each of its turns the others get theirs."""
    _device.turns = native.take_turns()


def enter() -> None:
    """Let pyfuse3 go by this lane from now on; it is to be run with one task."""
    lowlevel = SimpleNamespace(
        current_task=trio.lowlevel.current_task,
        current_trio_token=trio.lowlevel.current_trio_token,
        notify_closing=trio.lowlevel.notify_closing,
        wait_readable=_device.wait_readable,
    )
    lane = SimpleNamespace(ClosedResourceError=trio.ClosedResourceError, Lock=_NoLock, lowlevel=lowlevel, open_nursery=trio.open_nursery)
    vars(pyfuse3)["trio"] = lane
