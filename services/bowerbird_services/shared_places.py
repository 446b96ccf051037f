"""What the places of one process take of the slots that it shares with others."""

import math
import time
from collections.abc import Collection
from typing import Final

from bowerbird_services.slots import Slots

# Whose a place is: a name, or None for all who are not signed in, together.
Owner = str | None
# Whoever waits so long while others take what is freed has the next one kept for them.
_PATIENCE_SECONDS: Final = 0.1


class SharedPlaces:
    """One slot of its owner's for each place, and where all together have a limit one of everybody's.

    A process takes at once what it has freed itself, and sees only later what another has: so that none starves, a process whose
    queue has been refused for a while claims the next slot of that name, and goes without a claim again once it has had one.
    """

    def __init__(self, slots: Slots, name: str) -> None:
        """Begin with none taken; places of one name share theirs in all processes."""
        self._slots = slots
        self._name = name
        self._held: dict[Owner, list[tuple[int, ...]]] = {}
        # Slots are named here: which were refused in this round, since when without a break, and which are claimed.
        self._refused: set[str] = set()
        self._since: dict[str, float] = {}
        self._claims: dict[str, int] = {}

    def take(self, owner: Owner, limit: int, of_all: float) -> bool:
        """Take what a place needs, or nothing."""
        wanted = {self._of(owner): limit} if of_all == math.inf else {self._of(owner): limit, self._name: int(of_all)}
        taken: list[int] = []
        for name, most in wanted.items():
            slot = self._slots.take(name, most)
            if slot is None:
                self._refused.add(name)
                self._free(taken)
                return False
            taken.append(slot)
        for name in wanted:
            self._since.pop(name, None)
            self._unclaim(name)
        self._held.setdefault(owner, []).append(tuple(taken))
        return True

    def leave(self, owner: Owner) -> None:
        """Free what the last of an owner's places needed; they are all alike."""
        held = self._held[owner]
        self._free(held.pop())
        if not held:
            del self._held[owner]

    def settle(self, waiting: Collection[Owner]) -> None:
        """End a round, in which whoever still waits was refused: claim what they have lacked for too long, and nothing else."""
        if not (waiting or self._since or self._claims):  # as it is nearly always
            self._refused.clear()
            return
        now = time.monotonic()
        wanted = {self._name, *map(self._of, waiting)} if waiting else set()
        self._since = {name: self._since.get(name, now) for name in wanted & (self._refused | self._since.keys())}
        # Where it is another slot that somebody lacks, a claim would keep this one from all for nothing.
        due = {name for name in self._refused & self._since.keys() if now - self._since[name] >= _PATIENCE_SECONDS}
        for name in self._claims.keys() - due:
            self._unclaim(name)
        for name in due - self._claims.keys():
            claim = self._slots.claim(name)
            if claim is not None:
                self._claims[name] = claim
        self._refused.clear()

    def _of(self, owner: Owner) -> str:
        return f"{self._name}/{owner or ''}"

    def _unclaim(self, name: str) -> None:
        if name in self._claims:
            self._slots.free(self._claims.pop(name))

    def _free(self, slots: Collection[int]) -> None:
        for slot in slots:
            self._slots.free(slot)
