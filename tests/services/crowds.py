"""Another process with places that it shares, told line by line what to do: `python -m tests.services.crowds DESCRIPTOR`."""

import asyncio
import sys
from itertools import count

from bowerbird_services.places import Places
from bowerbird_services.slots import Slots

NAME = "cutouts"
ENDLESS = 1 << 60
# So much longer than a place is free between two of one process that another one never takes it by luck.
USE_SECONDS = 0.1


async def crowd(places: Places, uses: int, *owners: str) -> set[str]:
    """Let three of each owner use the only place over and over, so many times in all; returns who has."""
    used, numbers = set(), count(1)

    async def use(owner: str) -> None:
        number = 0
        while number < uses:
            async with places.one(owner, 1, 1):
                used.add(owner)
                number = next(numbers)
                await asyncio.sleep(USE_SECONDS)

    await asyncio.gather(*(use(owner) for owner in owners for _ in range(3)))
    return used


def _told(places: Places, what: str, *words: str) -> object:
    if what == "leave":
        places.leave(words[0])
        return "left"
    if what == "take":
        limit, of_all = map(int, words[1:] or (2, 3))
        return places.take(words[0], limit, of_all)
    return len(asyncio.run(crowd(places, int(words[0]), *words[1:])))


if __name__ == "__main__":
    with Slots(int(sys.argv[1])) as slots:
        there = Places(slots, NAME)
        for line in sys.stdin:
            print(_told(there, *line.split()), flush=True)
