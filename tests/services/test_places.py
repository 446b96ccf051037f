"""Who runs a query, and who waits."""

import asyncio

from bowerbird_services.places import Places


async def _waiting(places: Places, owner: str | None, limit: int, of_all: float = 100) -> "asyncio.Task[None]":
    task = asyncio.create_task(places.enter(owner, limit, of_all))
    await asyncio.sleep(0)
    return task


def test_each_has_their_own_limit_and_all_have_one_together() -> None:
    async def run() -> None:
        places = Places()
        mine = [await _waiting(places, "me", 2, 3) for _ in range(3)]
        theirs = [await _waiting(places, "you", 2, 3) for _ in range(2)]
        await asyncio.sleep(0)
        assert [task.done() for task in (*mine, *theirs)] == [True, True, False, True, False]
        places.leave("me")
        await asyncio.sleep(0)
        assert [mine[2].done(), theirs[1].done()] == [True, False], "both had one, and mine has waited longer"
        places.leave("you")
        await asyncio.sleep(0)
        assert theirs[1].done()

    asyncio.run(run())


def test_whoever_has_the_fewest_comes_first() -> None:
    async def run() -> None:
        places = Places()
        for _ in range(2):
            await places.enter("many", 9, 3)
        await places.enter("one", 9, 3)
        greedy, patient = await _waiting(places, "many", 9, 3), await _waiting(places, "new", 9, 3)
        places.leave("one")
        await asyncio.sleep(0)
        assert patient.done()
        assert not greedy.done()
        greedy.cancel()

    asyncio.run(run())


def test_whoever_gives_up_takes_no_place() -> None:
    async def run() -> None:
        places = Places()
        await places.enter(None, 1)
        early, late = await _waiting(places, None, 1), await _waiting(places, None, 1)
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
        places.leave(None)
        late.cancel()  # in the same moment in which it gets the place
        await asyncio.gather(late, return_exceptions=True)
        await asyncio.wait_for(places.enter(None, 1), 5)

    asyncio.run(run())


def test_whoever_gives_up_in_the_moment_in_which_another_leaves_is_passed_over() -> None:
    async def run() -> None:
        places = Places()
        await places.enter(None, 1)
        early, late = await _waiting(places, None, 1), await _waiting(places, None, 1)
        early.cancel()
        places.leave(None)
        await asyncio.wait_for(late, 5)
        assert early.cancelling()
        places.leave(None)

    asyncio.run(run())
