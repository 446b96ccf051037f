"""Fixtures of the client: `tap` is a service over a socket, `asked` asks it in a loop of its own."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bowerbird.vo.http import HTTP
from bowerbird.vo.records import Records
from bowerbird.vo.results import Answer
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens

from tests.support.tap_server import Behaviour, tap_server

QUERY = "SELECT id, name, mag FROM demo.stars"


@pytest.fixture
def tap() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        yield behaviour


@pytest.fixture
def other() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        yield behaviour


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "jobs")


@pytest.fixture
def tokens(tap: Behaviour) -> Tokens:
    return Tokens({tap.url: "secret"})


@pytest.fixture
def asked(tap: Behaviour, records: Records, tokens: Tokens) -> Callable[..., Answer]:
    def asked(*, seconds: float = 20, most_bytes: int = 1 << 30, **more: Any) -> Answer:
        async def ask() -> Answer:
            async with HTTP(tokens, pause_seconds=0.01) as http:
                return await TAP(http, tap.url, records, most_bytes=most_bytes).ask(Question(QUERY, **more), seconds=seconds)

        return asyncio.run(ask())

    return asked
