"""Tables and surveys, made beside a platform and never before it, and again whenever a release or the platform file changes.

One program makes tables, another surveys; each runs once at a time, and what it makes takes its place whole.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bowerbird_config.ingests.making import Making
from bowerbird_config.table_order import TableOrder

# The states of what is made.
MAKING, READY, NOT_WHOLE = "making", "ready", "not whole"
# So begins a line of an ingest about what it could not make.
LACKS = ("table ", "survey ", "products ")
# What an ingest that came to its end exits with; LACKING is no status with which Python ends by itself.
_MADE, LACKING = 0, 3
# Longest time between two tries of one that was killed or broke, and between those of what could not be made, in looks.
_MOST_LOOKS = 64
# Neither to look nor to try again takes more than about a tenth of the time.
_SHARE = 10
_SHELL_SIGNAL = 128

# Gets a state, and what is to be said.
Tell = Callable[[str, Sequence[str]], None]


class Workshop(Protocol):
    """Where the programs run."""

    def order(self) -> TableOrder | None:
        """Return what the platform that runs asks for; None where that cannot be said now."""

    def log_of(self, making: Making) -> Path | None:
        """Return the file in which is all that a program said; None where there is none."""

    async def run(self, making: Making, order: TableOrder, heard: Callable[[str], None]) -> int:
        """Run a program to its end, and return its exit status; `heard` gets each line. OSError where it cannot be started."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """How an ingest ended: what it could not make, in words; one that is not `over` broke."""

    wrong: tuple[str, ...] = ()
    over: bool = True


class _Trying:
    """When something is tried again that nothing has changed of."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._looks = 1
        self._at: float | None = None

    @property
    def due(self) -> bool:
        return self._at is not None and time.monotonic() >= self._at

    def ended(self, how: _Ended, took: float) -> None:
        """Take note of a try: one that broke is tried again soon, then less often; what it could not make, for as long as it cannot."""
        self._looks = 1 if how.over else min(2 * self._looks, _MOST_LOOKS)
        looks = _MOST_LOOKS if how.over else self._looks
        self._at = time.monotonic() + max(looks * self._seconds, _SHARE * took if how.over else 0) if how.wrong else None


class _Told:
    """What an ingest says, without what the last one has said where nothing changed of what it reads."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lines: set[str] = set()

    def begin(self, *, anew: bool) -> None:
        """Begin with the next ingest; where it makes things `anew`, all that it says is news."""
        if anew:
            self._lines.clear()

    def say(self, line: str) -> None:
        """Show a line that is news."""
        if line not in self._lines:
            self._lines.add(line)
            self._tell(MAKING, (line,))


async def keep(making: Making, workshop: Workshop, tell: Tell) -> None:
    """Make it, and again whenever something changed, was lost or could not be made, until cancelled."""
    done: object = None
    there: object = None
    trying, told = _Trying(making.seconds), _Told(tell)
    while True:
        began = time.monotonic()
        order = await asyncio.to_thread(workshop.order)
        now = await asyncio.to_thread(making.traces, order) if order else done
        made = await asyncio.to_thread(making.made)
        looked = time.monotonic() - began
        if order is not None and (now != done or made != there or trying.due):
            told.begin(anew=now != done)
            # As it was before: what is lost while others are made, or right after, is seen the next time.
            done, there, began = now, made, time.monotonic()
            ended = await _make(making, workshop, order, told.say)
            trying.ended(ended, time.monotonic() - began)
            tell(NOT_WHOLE if ended.wrong else READY, ended.wrong)
        await asyncio.sleep(max(making.seconds, _SHARE * looked))


async def keep_both(tables: Making, surveys: Making, workshop: Workshop, tell: Callable[[Making, str, Sequence[str]], None]) -> None:
    """Keep tables and surveys until cancelled; surveys are first made when the tables have been."""
    made = asyncio.Event()

    def told(state: str, said: Sequence[str]) -> None:
        tell(tables, state, said)
        if state != MAKING:
            made.set()

    async def then() -> None:
        await made.wait()
        await keep(surveys, workshop, lambda state, said: tell(surveys, state, said))

    async with asyncio.TaskGroup() as both:
        both.create_task(keep(tables, workshop, told))
        both.create_task(then())


async def _make(making: Making, workshop: Workshop, order: TableOrder, say: Callable[[str], None]) -> _Ended:
    wrong: list[str] = []
    last = ""

    def heard(line: str) -> None:
        nonlocal last
        last = line.removeprefix(f"{making.name}: ")
        if last.startswith(LACKS):
            wrong.append(last)
        say(last)

    try:
        status = await workshop.run(making, order, heard)
    except OSError as error:
        return _Ended((f"the ingest could not be started ({error.strerror}), and is tried again",), over=False)
    if status == _MADE or (status == LACKING and wrong):
        return _Ended(tuple(wrong))
    log = workshop.log_of(making)
    told = (f"the ingest {_how(status)} and is tried again", f"its last word: {last}" if last else "", f"log: {log}" if log else "")
    return _Ended(("; ".join(filter(None, told)),), over=False)


def _how(status: int) -> str:
    """Return how a program ended; a program before it in the command may have turned its signal into a status, as a shell does."""
    if -status == signal.SIGKILL or status == _SHELL_SIGNAL + signal.SIGKILL:
        return "was killed, as one is that takes more memory than it may,"
    return f"ended with exit status {status}"
