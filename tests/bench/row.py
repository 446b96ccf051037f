"""One figure: what was measured, of whom, and whether it meets its goal."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, TypeAlias, TypeVar

_Told = TypeVar("_Told")
Better: TypeAlias = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Row:
    """A median of `rounds` rounds, beside a peer's or alone.

    `better` says how the judged number goes: the ratio where there is a peer, else `ours`. A ratio that is better
    higher is how many times as good we are, one that is better lower how many times as costly.
    """

    id: str
    what: str
    ours: float
    peer: float | None
    peer_name: str
    unit: str
    ratio: float | None
    goal: float
    better: Better
    met: bool
    rounds: int

    @classmethod
    def against(
        cls, id: str, what: str, ours: Sequence[float], peer: Sequence[float], *, peer_name: str, unit: str, goal: float, better: Better
    ) -> Self:
        """Compare with a peer that was measured in the same rounds; a unit per second is a rate, any other a cost."""
        mine, theirs = statistics.median(ours), statistics.median(peer)
        ratio = theirs / mine if better == "higher" and not unit.endswith("/s") else mine / theirs
        return cls(id, what, mine, theirs, peer_name, unit, ratio, goal, better, meets(ratio, goal, better), len(ours))

    @classmethod
    def alone(cls, id: str, what: str, ours: Sequence[float], *, unit: str, goal: float, better: Better) -> Self:
        """Judge a number by itself."""
        mine = statistics.median(ours)
        return cls(id, what, mine, None, "", unit, None, goal, better, meets(mine, goal, better), len(ours))

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def meets(value: float, goal: float, better: Better) -> bool:
    """Return whether a number meets its goal."""
    return value >= goal if better == "higher" else value <= goal


def paired(rounds: int, ours: Callable[[], _Told], peer: Callable[[], _Told]) -> tuple[list[_Told], list[_Told]]:
    """Measure both in each round, in turns first, so that a change of the machine's load meets both alike."""
    mine: list[_Told] = []
    theirs: list[_Told] = []
    for number in range(rounds):
        for measure, found in ((ours, mine), (peer, theirs))[:: -1 if number % 2 else 1]:
            found.append(measure())
    return mine, theirs
