"""Work for those who ask, in turn: a place before a thread, a time to be done by, and the place back when the thread is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from bowerbird_config.identity import Identity

from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.dali import Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of work: `crowded` goes on after a number, `name` begins the sentence on what takes too long, `instead` ends it."""

    crowded: str
    name: str
    instead: str


class _Gone(Exception):
    """Nobody waits for the work any more; told to nobody."""


class Turns:
    """Lets each one who asks have so many works at once. A thread cannot be stopped: its place is taken until it has come back."""

    def __init__(self, site: Site, threads: Threads, words: Words) -> None:
        self._site = site
        self._threads = threads
        self._words = words
        self._places = site.places_for(words.name)

    async def run(self, identity: Identity, work: Callable[..., T], *arguments: Any) -> T:
        """Return what the work returns; Fault where no place was free in time, or it takes longer than an answer may."""
        await self._site.entered(self._places, identity, self._words.crowded)
        gone = False

        def begun() -> T:
            if gone:
                raise _Gone
            return work(*arguments)

        running = self._threads.start(begun)
        running.add_done_callback(lambda done: self._ended(identity, done))
        seconds = self._site.allowance(identity).sync.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(running)
        except TimeoutError as error:
            words = f"{self._words.name} took longer than {seconds:g} s, the most that an answer may take; {self._words.instead}"
            raise Fault(words, HTTPStatus.SERVICE_UNAVAILABLE) from error
        finally:
            gone = True

    def _ended(self, identity: Identity, done: "asyncio.Future[Any]") -> None:
        if not done.cancelled():
            done.exception()  # nobody may be there to be told
        self._places.leave(identity.name)
