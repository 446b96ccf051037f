"""The hub's identity feed over the network: the service's own client of it, at the hub's own door."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bowerbird_config.identity import ANONYMOUS, IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_hub.nodes.door import NodeDoor, Trust
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_services import hub_feed
from bowerbird_services.hub_feed import HubFeed
from bowerbird_services.identity import Away, Records
from bowerbird_services.release_files import NoFile, mounted_directories, open_file

from tests.support.no_pods import Nobody
from tests.support.platforms import described

pytestmark = [pytest.mark.asyncio]

TOKEN = "of-the-services"
NOW = datetime(2027, 3, 1, tzinfo=UTC)


def _platform() -> dict[str, Any]:
    platform = Platform.model_validate(described(sign_on={"cas": {"url": "https://cas.example.org/cas"}, "admins": ["ann"]}))
    return {"kind": "platform", "version": 1, "platform": platform.model_dump(mode="json")}


def _identity(name: str) -> dict[str, Any]:
    return {"kind": "identity", "version": 1, "record": IdentityRecord(1, name, 600_001, 600_002, (), {}).to_json()}


class House:
    """A hub's door, and records that follow it."""

    def __init__(self) -> None:
        self.told = [_platform(), _identity("ann"), {"kind": "synced", "version": 1}]
        self.feed = NodeFeed(lambda: self.told)
        self.records = Records()
        self.port = 0

    def knows(self, name: str) -> bool:
        try:
            return self.records.identity(name, NOW) is not ANONYMOUS
        except Away:
            return False

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110  # records tell of a change, and not that nothing came
                await asyncio.sleep(0.02)

    def open(self) -> NodeDoor:
        door = NodeDoor(Trust("data.example", ("data", "data"), ("hub", "services"), Nobody(), services_token=TOKEN), Nobody(), self.feed)
        self.port = door.open(self.port, "127.0.0.1")
        return door


@contextmanager
def following(house: House, token: str = TOKEN) -> Iterator[asyncio.Task[None]]:
    task = asyncio.create_task(HubFeed(f"http://127.0.0.1:{house.port}", token, house.records).follow())
    try:
        yield task
    finally:
        task.cancel()


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    door = house.open()
    try:
        yield house
    finally:
        await door.close()


async def test_service_hears_all_that_is_known_and_each_change(house: House) -> None:
    with following(house):
        await house.until(lambda: house.knows("ann"))
        assert not house.knows("bob")
        house.feed.publish([_identity("bob"), {"kind": "forget", "name": "ann"}])
        await house.until(lambda: house.knows("bob") and not house.knows("ann"))


async def test_nobody_is_known_while_the_hub_is_away_and_all_are_when_it_is_back() -> None:
    house = House()
    door = house.open()
    with following(house):
        await house.until(lambda: house.knows("ann"))
        await door.close()
        await house.until(lambda: not house.knows("ann"))
        with pytest.raises(Away):
            _ = house.records.platform
        door = house.open()
        await house.until(lambda: house.knows("ann"))
        await door.close()


@pytest.mark.parametrize("token", ["of-somebody-else", f"{TOKEN}x", TOKEN[:-1]])
async def test_only_the_services_own_token_opens_the_feed(house: House, token: str) -> None:
    with pytest.raises(PermissionError, match="the hub answered 401"):
        await anext(HubFeed(f"http://127.0.0.1:{house.port}", token, house.records).lines())
    assert house.feed.subscribers == 0


async def test_hub_that_has_no_token_for_services_gives_them_nothing() -> None:
    door = NodeDoor(Trust("data.example", ("data", "data"), ("hub", "services"), Nobody()), Nobody(), NodeFeed(lambda: [_platform()]))
    port = door.open(0, "127.0.0.1")
    try:
        with pytest.raises(PermissionError):
            await anext(HubFeed(f"http://127.0.0.1:{port}", "any", Records()).lines())
    finally:
        await door.close()


async def test_hub_that_falls_silent_is_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_feed, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        feed = HubFeed(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN, Records())
        with pytest.raises(ConnectionError, match="broke off"):
            await anext(feed.lines())


async def test_line_without_an_end_is_not_read_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bowerbird_config.sockets.MAX_LINE", 100)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 60

    with pytest.raises(ValueError, match="too long"):
        [line async for line in hub_feed._whole(pieces())]


async def test_file_of_a_release_is_opened_below_the_volume(tmp_path: Path) -> None:
    (tmp_path / "releases" / "sky" / "dr1").mkdir(parents=True)
    (tmp_path / "releases" / "sky" / "dr1" / "a.fits").write_bytes(b"SIMPLE")
    (tmp_path / "secret").mkdir()
    directories = mounted_directories(tmp_path / "releases")
    with open_file(directories, "sky", "dr1", "a.fits") as file:
        assert os.read(file.descriptor, 10) == b"SIMPLE"
    strange = [("sky", "dr2"), ("..", "secret"), (".", "sky"), ("sky", ".."), ("sky/dr1", ""), ("", "sky"), ("sky\0", "dr1")]
    for collection, release in strange:
        with pytest.raises(NoFile):
            directories(collection, release)


async def test_volume_that_does_not_answer_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object, **_more: object) -> int:
        raise OSError(5, "Input/output error")

    directories = mounted_directories(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fails)
        with pytest.raises(Away):
            directories("sky", "dr1")
