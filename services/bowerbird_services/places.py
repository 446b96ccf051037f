"""Places for queries to run in: so many for each one who asks, so many for all, and a queue for the others. For one event loop."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Whose a place is: a name, or None for all who are not signed in, together.
Owner = str | None


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who waits for a place, and how many they and all may have at once."""

    owner: Owner
    limit: int
    of_all: float
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Places:
    """Gives out places. Whoever has the fewest comes first, and among them whoever waits the longest."""

    def __init__(self) -> None:
        self._taken: Counter[Owner] = Counter()
        self._queue: list[_Waiting] = []

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
        free = not self._queue and self._taken[owner] < limit and self._taken.total() < of_all
        if free:
            self._taken[owner] += 1
        return free

    def leave(self, owner: Owner) -> None:
        """Give a place back."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
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
        while (waiting := self._next()) is not None:
            self._queue.remove(waiting)
            self._taken[waiting.owner] += 1
            waiting.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        total = self._taken.total()
        fitting = (each for each in self._queue if self._taken[each.owner] < each.limit and total < each.of_all)
        # The first of the smallest: `min` keeps to the order of the queue.
        return min(fitting, key=lambda waiting: self._taken[waiting.owner], default=None)
