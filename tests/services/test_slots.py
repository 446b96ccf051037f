"""Slots and places that several processes share."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bowerbird_services.places import Places
from bowerbird_services.slots import Slots

from tests.services import crowds
from tests.services.waiting import until

_ROOT = Path(__file__).parents[2]
USES = 6
SECONDS = 20


class Other:
    """Another process with the same slots."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def tell(self, *words: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{' '.join(map(str, words))}\n")
        self.process.stdin.flush()

    def ask(self, *words: object) -> str:
        self.tell(*words)
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@contextmanager
def other(slots: Slots) -> Iterator[Other]:
    command = [sys.executable, "-m", crowds.__name__, str(slots.descriptor)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(slots.descriptor,)
    ) as process:
        yield Other(process)
        process.kill()


@pytest.fixture
def slots() -> Iterator[Slots]:
    with Slots() as found:
        yield found


def test_limits_of_each_and_of_all_hold_across_processes(slots: Slots) -> None:
    places = Places(slots, crowds.NAME)
    with other(slots) as there:
        assert there.ask("take", "me") == "True"
        assert places.take("me", 2, 3)
        assert not places.take("me", 2, 3)
        assert there.ask("take", "me") == "False"
        assert there.ask("take", "you") == "True"
        assert not places.take("third", 2, 3), "three are all"
        assert Places(slots, "pictures").take("me", 2, 3), "places of another name are others"


def test_whoever_waits_gets_the_place_that_another_process_gives_back(slots: Slots) -> None:
    async def run(there: Other) -> None:
        places = Places(slots, crowds.NAME)
        assert [there.ask("take", "me") for _ in range(2)] == ["True", "True"]
        waiting = asyncio.create_task(places.enter("me", 2, 3))
        await asyncio.sleep(0)
        assert not waiting.done()
        there.ask("leave", "me")
        await asyncio.wait_for(waiting, 20)
        assert not places.take("me", 2, 3)

    with other(slots) as there:
        asyncio.run(run(there))


def test_places_of_a_killed_process_are_free(slots: Slots) -> None:
    places = Places(slots, crowds.NAME)
    with other(slots) as there:
        assert [there.ask("take", "me") for _ in range(2)] == ["True", "True"]
        assert not places.take("me", 2, 3)
        there.process.kill()
        there.process.wait()
        assert places.take("me", 2, 3)


def test_place_that_is_given_back_is_taken_again(slots: Slots) -> None:
    async def run() -> None:
        places = Places(slots, crowds.NAME)
        for _ in range(3):
            async with places.one("me", 1, 1):
                assert not places.take("me", 1, 1)
                assert not places.take("you", 1, 1)

    asyncio.run(run())


@pytest.mark.parametrize("mine", [("me", "third"), ("you", "third")])
def test_place_that_two_processes_queue_for_is_had_by_both(slots: Slots, mine: tuple[str, ...]) -> None:
    """Whether it is one owner's or everybody's: neither ceases to use it, and each has it so many times, every owner of theirs."""

    async def run(there: Other) -> None:
        places, theirs = Places(slots, crowds.NAME), ("me", "friend")
        endless = asyncio.create_task(crowds.crowd(places, crowds.ENDLESS, *mine))
        used = await asyncio.wait_for(asyncio.to_thread(there.ask, "crowd", USES, *theirs), SECONDS)
        assert used == str(len(theirs))
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)
        there.tell("crowd", crowds.ENDLESS, *theirs)
        assert await asyncio.wait_for(crowds.crowd(places, USES, *mine), SECONDS) == set(mine)

    with other(slots) as there:
        try:
            asyncio.run(run(there))
        finally:
            there.process.kill()


def test_slot_is_claimed_only_while_somebody_waits(slots: Slots) -> None:
    async def run(there: Other) -> None:
        def has_more() -> bool:
            """Tell whether the other gets one more place than may be waited for."""
            got = there.ask("take", "me", 3, 4) == "True"
            return got and there.ask("leave", "me") == "left"

        places = Places(slots, crowds.NAME)
        assert [there.ask("take", "me") for _ in range(2)] == ["True", "True"]
        waiting = asyncio.create_task(places.enter("me", 2, 3))
        await asyncio.to_thread(until, lambda: not has_more())
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(until, has_more)

    with other(slots) as there:
        asyncio.run(run(there))
