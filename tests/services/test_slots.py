"""Slots and places that several processes share."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bowerbird_services.places import Places
from bowerbird_services.slots import Slots

_OTHER = """
import sys
from bowerbird_services.places import Places
from bowerbird_services.slots import Slots
places = Places(Slots(int(sys.argv[1])), "cutouts")
for line in sys.stdin:
    what, owner = line.split()
    print(places.take(owner, 2, 3) if what == "take" else places._shared.leave(owner), flush=True)
"""


class Other:
    """Another process with the same slots."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, what: str, owner: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what} {owner}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def other(slots: Slots) -> Iterator[Other]:
    command = [sys.executable, "-c", _OTHER, str(slots.descriptor)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(slots.descriptor,)) as process:
        yield Other(process)
        process.kill()


@pytest.fixture
def slots() -> Slots:
    return Slots()


def test_limits_of_each_and_of_all_hold_across_processes(slots: Slots) -> None:
    places = Places(slots, "cutouts")
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
        places = Places(slots, "cutouts")
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
    places = Places(slots, "cutouts")
    with other(slots) as there:
        assert [there.ask("take", "me") for _ in range(2)] == ["True", "True"]
        assert not places.take("me", 2, 3)
        there.process.kill()
        there.process.wait()
        assert places.take("me", 2, 3)


def test_place_that_is_given_back_is_taken_again(slots: Slots) -> None:
    async def run() -> None:
        places = Places(slots, "cutouts")
        for _ in range(3):
            async with places.one("me", 1, 1):
                assert not places.take("me", 1, 1)
                assert not places.take("you", 1, 1)

    asyncio.run(run())
