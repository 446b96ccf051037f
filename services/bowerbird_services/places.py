"""Places for queries to run in: so many for each one who asks, so many for all, and a queue for the others. For one event loop.

With slots the limits hold for all processes that share them; each process has a queue of its own, see SharedPlaces.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bowerbird_services.shared_places import Owner, SharedPlaces
from bowerbird_services.slots import Slots

# Nobody tells of a place that another process gives back.
_AGAIN_SECONDS: Final = 0.02


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who waits for a place, and how many they and all may have at once."""

    owner: Owner
    limit: int
    of_all: float
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Places:
    """Gives out places. Whoever has the fewest comes first, and among them whoever waits the longest."""

    def __init__(self, slots: Slots | None = None, name: str = "") -> None:
        """Begin with no place taken; `slots` are shared by all places of that name."""
        self._taken: Counter[Owner] = Counter()
        self._queue: list[_Waiting] = []
        self._shared = SharedPlaces(slots, name) if slots else None
        self._again: asyncio.TimerHandle | None = None

    async def enter(self, owner: Owner, limit: int, of_all: float = math.inf) -> None:
        """Return when they have fewer than `limit` places and all fewer than `of_all`; whoever called gives it back by `leave`."""
        if self.take(owner, limit, of_all):
            return
        waiting = _Waiting(owner, limit, of_all)
        self._queue.append(waiting)
        self._give()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._queue:
                self._queue.remove(waiting)
            else:  # it was given in the same moment
                self.leave(owner)
            raise

    def take(self, owner: Owner, limit: int, of_all: float = math.inf) -> bool:
        """Take a place where there is one for them and nobody waits; tell whether they have it, which they give back by `leave`."""
        return not self._queue and self._taken[owner] < limit and self._taken.total() < of_all and self._got(owner, limit, of_all)

    def _got(self, owner: Owner, limit: int, of_all: float) -> bool:
        """Take a place that is free in this process, where it is in the others too."""
        if self._shared and not self._shared.take(owner, limit, of_all):
            return False
        self._taken[owner] += 1
        return True

    def leave(self, owner: Owner) -> None:
        """Give a place back."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        if self._shared:
            self._shared.leave(owner)
        self._give()

    @asynccontextmanager
    async def one(self, owner: Owner, limit: int, of_all: float = math.inf) -> AsyncIterator[None]:
        """Have a place for a while; see `enter`."""
        await self.enter(owner, limit, of_all)
        try:
            yield
        finally:
            self.leave(owner)

    def _give(self) -> None:
        refused: set[Owner] = set()
        while (waiting := self._next(refused)) is not None:
            self._queue.remove(waiting)
            waiting.turn.set_result(None)
        if self._again:
            self._again.cancel()
            self._again = None
        if self._shared:
            self._shared.settle({waiting.owner for waiting in self._queue})
            self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._give) if self._queue else None

    def _next(self, refused: set[Owner]) -> _Waiting | None:
        """Return who comes next, with a place; None where there is none for anybody who waits.

        Whoever is refused by the other processes is added, and not tried again: all that one waits for is alike.
        """
        total = self._taken.total()
        # Who has given up in this moment is still in the queue.
        there = [each for each in self._queue if not each.turn.done()]
        fitting = [each for each in there if self._taken[each.owner] < each.limit and total < each.of_all]
        # A stable order: of those who have as few the first in the queue.
        for each in sorted(fitting, key=lambda waiting: self._taken[waiting.owner]):
            if each.owner not in refused:
                if self._got(each.owner, each.limit, each.of_all):
                    return each
                refused.add(each.owner)
        return None
