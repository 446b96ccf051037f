"""The feed of identity records, as its consumers see it."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.sockets import connect, read_lines, write_line
from bowerbird_hub.identity.feed import MAX_LINE_BYTES, IdentityFeed, Message, line

from tests.support.cas import until

pytestmark = pytest.mark.asyncio
DEADLINE_SECONDS = 20


@pytest.fixture
def address(tmp_path: Path) -> Path:
    return tmp_path / "identity.sock"


@asynccontextmanager
async def feed(path: Path, snapshot: list[Message], **limits: Any) -> AsyncIterator[IdentityFeed]:
    serving = IdentityFeed(path, lambda: tuple(snapshot), **limits)
    await serving.open()
    try:
        yield serving
    finally:
        await serving.close()


class Consumer:
    """One connection to the feed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """Return what comes until the other end is gone; one that leaves our words unread resets the connection."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return dict(json.loads(await self.reader.readline()))


@asynccontextmanager
async def consumer(path: Path, subscribe: bool = True) -> AsyncIterator[Consumer]:
    reader, writer = await asyncio.open_unix_connection(sock=connect(path), limit=MAX_LINE_BYTES)
    try:
        made = Consumer(reader, writer)
        if subscribe:
            await made.ask(b'{"op":"subscribe"}\n')
        yield made
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_subscriber_gets_what_is_then_what_changes(address: Path):
    async with (
        feed(address, [{"kind": "platform"}, {"kind": "synced"}]) as serving,
        consumer(address) as one,
    ):
        assert [await one.next(), await one.next()] == [{"kind": "platform"}, {"kind": "synced"}]
        serving.publish([{"kind": "identity", "version": 1}, {"kind": "forget", "name": "ann"}])
        assert [await one.next(), await one.next()] == [{"kind": "identity", "version": 1}, {"kind": "forget", "name": "ann"}]


async def test_a_consumer_with_plain_sockets_reads_the_same_lines(address: Path):
    def subscribe() -> list[dict[str, Any]]:
        with connect(address, timeout=DEADLINE_SECONDS) as connection:
            write_line(connection, {"op": "subscribe"})
            lines = read_lines(connection)
            return [next(lines), next(lines)]

    async with feed(address, [{"kind": "platform"}, {"kind": "synced"}]):
        assert await asyncio.to_thread(subscribe) == [{"kind": "platform"}, {"kind": "synced"}]


async def test_a_quiet_feed_pings(address: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bowerbird_hub.identity.feed.PING_SECONDS", 0.05)
    async with feed(address, [{"kind": "synced"}]), consumer(address) as one:
        assert [(await one.next())["kind"] for _ in range(3)] == ["synced", "ping", "ping"]


async def test_root_alone_may_open_the_socket(tmp_path: Path):
    async with feed(tmp_path / "run" / "identity.sock", []):
        assert stat.S_IMODE((tmp_path / "run" / "identity.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    assert not (tmp_path / "run" / "identity.sock").exists()


async def test_another_uid_is_turned_away_by_what_the_kernel_says_of_it(address: Path):
    strangers = [os.geteuid() + 1]
    async with (
        feed(address, [{"kind": "synced"}], readers=strangers) as serving,
        consumer(address) as one,
    ):
        assert await one.rest() == b""
        assert serving.subscribers == 0


@pytest.mark.parametrize("request_line", [b"nonsense\n", b"[]\n", b'{"op":"drop"}\n', b"{" * 200_000 + b"\n", b"\xff\n"])
async def test_an_odd_request_harms_nobody_else(address: Path, request_line: bytes):
    async with feed(address, [{"kind": "synced"}]) as serving, consumer(address) as good:
        assert (await good.next())["kind"] == "synced"
        async with consumer(address, subscribe=False) as odd:
            with suppress(ConnectionError):
                await odd.ask(request_line)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    answer = await odd.reader.readline()
                assert answer == b"" or json.loads(answer)["kind"] == "error"
        serving.publish([{"kind": "identity"}])
        assert (await good.next())["kind"] == "identity"


async def test_a_consumer_that_does_not_read_is_dropped_and_not_waited_for(address: Path):
    big = {"kind": "identity", "filling": "x" * 200_000}
    async with feed(address, [{"kind": "synced"}], waiting_bytes=1 << 20) as serving, consumer(address) as slow, consumer(address) as good:
        assert [(await one.next())["kind"] for one in (slow, good)] == ["synced", "synced"]
        got = 0
        async with asyncio.timeout(DEADLINE_SECONDS):
            while serving.subscribers == 2:
                serving.publish([big])
                assert await good.next() == big
                got += 1
        assert got < 100
        serving.publish([{"kind": "ping"}])
        assert await good.next() == {"kind": "ping"}
        assert serving.subscribers == 1


async def test_a_consumer_that_left_is_forgotten(address: Path):
    async with feed(address, [{"kind": "synced"}]) as serving:
        async with consumer(address) as one:
            await one.next()
            assert serving.subscribers == 1
        await asyncio.to_thread(until, lambda: serving.subscribers == 0)


async def test_a_line_that_no_consumer_reads_is_not_sent():
    with pytest.raises(ValueError, match="4194304"):
        line({"kind": "platform", "platform": "x" * (4 << 20)})


async def test_closing_ends_every_connection_and_a_dead_socket_is_replaced(tmp_path: Path):
    path = tmp_path / ("deep" * 40) / "identity.sock"
    path.parent.mkdir()
    path.touch()
    async with feed(path, [{"kind": "synced"}]) as serving, consumer(path) as one:
        assert await one.next() == {"kind": "synced"}
        await serving.close()
        assert await one.rest() == b""
