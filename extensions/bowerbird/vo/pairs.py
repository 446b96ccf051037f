"""Which sources of two lists belong together. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bowerbird.vo.sources import Sources

Find = Literal["best", "all", "symmetric"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Numbers of rows in the first and in the second list, and how far apart they are (arcsec)."""

    first: Any
    second: Any
    separation: Any

    def taken(self, which: Any) -> "Pairs":
        """Return some of them."""
        return Pairs(self.first[which], self.second[which], self.separation[which])


@dataclass(frozen=True, slots=True)
class Meeting:
    """The year at which two lists are compared, and a sentence where they cannot be brought to one."""

    epoch: float | None
    trouble: str = ""


def meeting(first: Sources, second: Sources) -> Meeting:
    """Return where two lists meet: at the epoch of the one that does not move, or of the second."""
    moving = first.motion is not None or second.motion is not None
    if first.epoch is not None and second.epoch is not None:
        if first.epoch == second.epoch:
            return Meeting(first.epoch)
        if not moving:
            return Meeting(None, f"they hold in {first.epoch:.2f} and {second.epoch:.2f}, and neither table has proper motions")
        return Meeting(second.epoch if first.motion is not None else first.epoch)
    if not moving:
        return Meeting(None)
    lacks = "either table" if first.epoch is None and second.epoch is None else "the first" if first.epoch is None else "the second"
    return Meeting(None, f"there are proper motions, but the epoch of {lacks} is not known; give epochs=(first, second) in Julian years")


def at_meeting(one: Sources, meets: Meeting) -> SkyCoord:
    """Return where the sources are when they meet."""
    return one.at if meets.epoch is None else one.moved(meets.epoch)


def near(first: SkyCoord, second: SkyCoord, radius_arcsec: float) -> Pairs:
    """Return all pairs within a radius, sorted by the first; sources without a position have no pair."""
    here, there = (np.flatnonzero(np.isfinite(one.ra.deg) & np.isfinite(one.dec.deg)) for one in (first, second))
    if not len(here) or not len(there):
        return Pairs(np.array([], dtype="i8"), np.array([], dtype="i8"), np.array([]))
    theirs, ours, separation, _ = first[here].search_around_sky(second[there], radius_arcsec * u.arcsec)
    return ordered(Pairs(here[ours], there[theirs], separation.arcsec))


def ordered(pairs: Pairs) -> Pairs:
    """Return pairs by the first's row, then by separation."""
    return pairs.taken(np.lexsort((pairs.second, pairs.separation, pairs.first)))


def chosen(pairs: Pairs, find: Find) -> Pairs:
    """Return the pairs that are asked for, of all ordered ones: each first's nearest, all, or those nearest to each other."""
    if find == "all":
        return pairs
    best = _nearest(pairs.first)
    if find == "best":
        return pairs.taken(best)
    order = np.lexsort((pairs.first, pairs.separation, pairs.second))
    backwards = np.zeros(len(pairs.first), dtype=bool)
    backwards[order[_nearest(pairs.second[order])]] = True
    return pairs.taken(best & backwards)


def _nearest(numbers: Any) -> Any:
    """Return which are the first of their number, in a list sorted by it."""
    return np.concatenate([[True], numbers[1:] != numbers[:-1]]) if len(numbers) else np.zeros(0, dtype=bool)
