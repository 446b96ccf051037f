"""The table of sign-ons: bounded, ageing, and without a ticket in it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bowerbird_hub.identity.database import connect
from bowerbird_hub.sign_on.sign_ons import SignOn, SignOns
from sqlalchemy import Engine

pytestmark = pytest.mark.asyncio
DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = connect(f"sqlite:///{tmp_path}/hub.sqlite")
    yield made
    made.dispose()


def everything(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def opened(engine: Engine, limit: int = 100) -> SignOns:
    table = SignOns(engine, limit)
    await table.open()
    return table


async def test_a_sign_on_is_found_by_its_ticket_and_by_its_browser_also_after_a_restart(engine: Engine):
    await (await opened(engine)).begin("ST-1-abcdef", SignOn("ann", "s1", 100.0), DAY)
    table = await opened(engine)
    assert table.of_ticket("ST-1-abcdef") == SignOn("ann", "s1", 100.0)
    assert table.of_ticket("ST-2-abcdef") is None
    assert table.since("ann", "s1") == 100.0
    assert table.since("ben", "s1") is None


async def test_no_ticket_is_kept(engine: Engine, tmp_path: Path):
    await (await opened(engine)).begin("ST-1-abcdef", SignOn("ann", "s1", 100.0), DAY)
    assert b"ST-1-abcdef" not in everything(tmp_path)


async def test_the_last_sign_on_in_a_browser_counts(engine: Engine):
    table = await opened(engine)
    await table.begin("ST-2", SignOn("ann", "s1", 200.0), DAY)
    await table.begin("ST-1", SignOn("ann", "s1", 100.0), DAY)
    assert table.since("ann", "s1") == 200.0


async def test_expired_sign_ons_are_dropped(engine: Engine):
    table = await opened(engine)
    await table.begin("ST-1", SignOn("ann", "s1", 0.0), DAY)
    await table.begin("ST-2", SignOn("ben", "s2", DAY.total_seconds() - 1), DAY)
    assert len(table) == 2
    await table.begin("ST-3", SignOn("ben", "s3", DAY.total_seconds()), DAY)
    assert table.of_ticket("ST-1") is None
    assert len(await opened(engine)) == 2


async def test_a_flood_never_grows_the_table_beyond_its_limit(engine: Engine):
    table = await opened(engine, limit=5)
    for number in range(12):
        await table.begin(f"ST-{number}", SignOn("ann", f"s{number}", float(number)), DAY)
    assert len(table) == 5
    assert table.of_ticket("ST-6") is None
    assert table.of_ticket("ST-7") is not None
    assert len(await opened(engine)) == 5


async def test_ending_a_user_spares_the_others(engine: Engine):
    table = await opened(engine)
    for number, (user, session) in enumerate([("ann", "s1"), ("ann", "s2"), ("ben", "s3")]):
        await table.begin(f"ST-{number}", SignOn(user, session, 1.0), DAY)
    await table.end_session("ann", "s1")
    assert [table.since("ann", "s1"), table.since("ann", "s2")] == [None, 1.0]
    await table.end_user("ann")
    assert table.since("ann", "s2") is None
    assert (await opened(engine)).since("ben", "s3") == 1.0


async def test_the_same_ticket_twice_is_one_sign_on(engine: Engine):
    table = await opened(engine)
    await table.begin("ST-1", SignOn("ann", "s1", 1.0), DAY)
    await table.begin("ST-1", SignOn("ben", "s2", 2.0), DAY)
    assert table.of_ticket("ST-1") == SignOn("ben", "s2", 2.0)
    assert table.since("ann", "s1") is None


async def test_sign_ons_at_once_are_all_kept(engine: Engine):
    table = await opened(engine)
    await asyncio.gather(*(table.begin(f"ST-{n}", SignOn("ann", f"s{n}", 1.0), DAY) for n in range(20)))
    assert len(await opened(engine)) == 20
