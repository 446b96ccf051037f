"""How soon a job is asked for again: soon enough to be of no weight beside what it took, and never so often as to be a burden. Pure."""

from dataclasses import dataclass

_FIRST_SECONDS = 0.02
# What waiting adds to a job is less than this part of what it took.
_PART = 0.1
_SLOWEST_SECONDS = 5.0
# Services differ in how soon they answer WAIT once a job is over: some at once, others, DaCHS among them, look every second.
_LOOK_SECONDS = 1
# In its first second a job is left to them. Whoever answers at once has small ones done by then, and whoever looks every second
# is busy starting them, and the slower at it the more often it is asked.
_YOUNG_SECONDS = 0.5
# Whoever waits that long loses nothing by a second.
_LONG_FROM_SECONDS = 1.0
_LONG_SECONDS = 5
# An answer that comes this part of a second after it was asked for, or later, came when its time was over.
_IN_TIME = 0.9


@dataclass(frozen=True, slots=True)
class Due:
    """The next question: WAIT in seconds, 0 for none; and the pause that one answered without news is followed by."""

    pause_seconds: float
    wait_seconds: int = 0


@dataclass(slots=True)
class Patience:
    """What is known of one service: whether small jobs there are over before it says so."""

    looks_late: bool = False

    def due(self, waited_seconds: float) -> Due:
        """Return how to go on with a job that was waited for so long."""
        pause = min(max(_FIRST_SECONDS, _PART * waited_seconds), _SLOWEST_SECONDS)
        if pause >= _LONG_FROM_SECONDS:
            return Due(pause, _LONG_SECONDS)
        return Due(pause, 0 if self.looks_late or waited_seconds > _YOUNG_SECONDS else _LOOK_SECONDS)

    def heard(self, due: Due, took_seconds: float, *, over: bool) -> None:
        """Learn from an answer: of a job that was over only when the time was, nobody knows since when."""
        if over and due.wait_seconds == _LOOK_SECONDS and took_seconds >= _IN_TIME * _LOOK_SECONDS:
            self.looks_late = True
