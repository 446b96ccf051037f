"""What was made for an identity out of what it sees, kept for as long as nothing changes that."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from bowerbird_config.access import next_change
from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform

T = TypeVar("T")
_MOST = 256


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    """What was made of a platform and of what lies on the shelf; from `since` to before `until` the clock changes nothing of it."""

    made: T
    platform: Platform
    lying: object
    since: datetime
    until: datetime | None

    def holds(self, platform: Platform, lying: object, at: datetime) -> bool:
        # Both are replaced and never changed, so that the same one says the same.
        same = self.platform is platform and self.lying is lying
        return same and self.since <= at and (self.until is None or at < self.until)


class KeptSights(Generic[T]):
    """One of them for each of those who asked last; safe to use from many threads. Whose are equal share one."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # Guards the one below; not held while something is made, so that it may be made once too often.
        self._lock = threading.Lock()
        self._kept: OrderedDict[Identity, _Kept[T]] = OrderedDict()

    def of(self, identity: Identity, platform: Platform, lying: object, at: datetime, make: Callable[[], T]) -> T:
        """Return what is kept for an identity where it still holds, else what `make` makes now."""
        with self._lock:
            known = self._kept.get(identity)
            if known is not None and known.holds(platform, lying, at):
                self._kept.move_to_end(identity)
                return known.made
        made, until = make(), next_change(platform, identity, at)
        with self._lock:
            others = (kept.made for kept in self._kept.values() if kept.platform is platform and kept.lying is lying)
            made = next((other for other in others if other == made), made)
            self._kept[identity] = _Kept(made, platform, lying, at, until)
            self._kept.move_to_end(identity)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made
