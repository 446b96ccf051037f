"""One hub for a database: the newest pod's acts, and an older one learns it, with each of the databases that a hub can have."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_hub import succession
from bowerbird_hub.identity.database import connect
from bowerbird_hub.succession import Replaced, Succession
from sqlalchemy import Engine

from tests.support.postgres import needs_postgres, postgres

Hub = Callable[[str], Succession]


@pytest.fixture(scope="module", params=["file", pytest.param("postgresql", marks=[needs_postgres, pytest.mark.root])])
def server(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of a PostgreSQL; None where each test has a file of its own."""
    if request.param == "file":
        yield None
    else:
        with postgres("hub") as address:
            yield address.replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture
def hub(server: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub of a pod, in a process of its own as far as the database knows."""
    monkeypatch.setattr(succession, "_YIELD_SECONDS", 0.0)
    engines: list[Engine] = []

    def hub(pod: str) -> Succession:
        engines.append(connect(server or f"sqlite:///{tmp_path}/hub.sqlite"))
        return Succession(engines[-1], pod)

    yield hub
    with engines[0].begin() as connection:
        connection.exec_driver_sql("drop table bowerbird_hubs")
    for engine in engines:
        engine.dispose()


@pytest.mark.asyncio
async def test_older_hub_learns_which_pod_has_its_place(hub: Hub) -> None:
    first, second = hub("hub-1"), hub("hub-2")
    first.take()
    assert await first.successor() == ""
    second.take()
    assert await first.successor() == "hub-2"
    assert await second.successor() == ""


@pytest.mark.asyncio
async def test_older_hub_that_is_at_work_hears_the_sentence_with_which_it_ends(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "_LOOK_SECONDS", 0.05)
    first = hub("hub-1")
    first.take()
    looking = asyncio.ensure_future(asyncio.wait_for(first.replaced(), 10))
    await asyncio.sleep(0.2)
    assert not looking.done()
    hub("hub-2").take()
    assert (await looking).startswith("the hub of pod hub-1 ends: the hub of pod hub-2, which is newer, serves its database")


def test_hub_that_is_started_anew_in_its_pod_goes_on(hub: Hub) -> None:
    hub("hub-1").take()
    hub("hub-1").take()


def test_pod_that_has_lost_its_place_does_not_take_it_again(hub: Hub) -> None:
    for pod in ("hub-1", "hub-2", "hub-3"):
        hub(pod).take()
    for pod in ("hub-1", "hub-2"):
        with pytest.raises(Replaced, match=f"^the hub of pod {pod} ends: the hub of pod hub-3, which is newer"):
            hub(pod).take()
    hub("hub-3").take()


def test_only_a_hub_that_takes_anothers_place_gives_it_time(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(succession, "_YIELD_SECONDS", 1.0)
    monkeypatch.setattr("bowerbird_hub.succession.time.sleep", waited.append)
    for pod, times in (("hub-1", 0), ("hub-1", 0), ("hub-2", 1), ("hub-2", 1)):
        hub(pod).take()
        assert waited == [1.0] * times


@pytest.mark.asyncio
async def test_hub_whose_database_is_away_for_a_while_goes_on_looking(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "_LOOK_SECONDS", 0.05)
    first = hub("hub-1")
    first.take()
    with first._engine.begin() as connection:
        connection.exec_driver_sql("alter table bowerbird_hubs rename to away")
    looking = asyncio.ensure_future(asyncio.wait_for(first.replaced(), 10))
    await asyncio.sleep(0.2)
    assert not looking.done()
    with first._engine.begin() as connection:
        connection.exec_driver_sql("alter table away rename to bowerbird_hubs")
    hub("hub-2").take()
    assert "hub-2, which is newer" in await looking
