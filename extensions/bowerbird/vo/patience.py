"""How soon a job is asked for again: soon enough to be of no weight beside what it took, and never so often as to be a burden. Pure."""

from dataclasses import dataclass

_FIRST_SECONDS = 0.02
# What waiting adds to a job is less than this part of what it took.
_PART = 0.1
# Services differ in how soon they answer WAIT once a job is over: DaCHS looks every second. Whoever waits that long loses nothing by it.
_LONG_FROM_SECONDS = 1.0
_SLOWEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """The pause before the next question; with `long`, the service itself is asked to keep its answer until something changes."""

    seconds: float
    long: bool


def patience(waited_seconds: float) -> Patience:
    """Return how to go on with a job that was waited for so long."""
    pause = max(_FIRST_SECONDS, _PART * waited_seconds)
    return Patience(min(pause, _SLOWEST_SECONDS), long=pause >= _LONG_FROM_SECONDS)
