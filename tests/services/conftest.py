"""Fixtures of the services: `engine`, `tokens`, `site` and `address`, really served over a stand-in of the tables; `session` for pyvo."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
from bowerbird_services.app import create
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.jobs import JobStore

from tests.services.people import Tokens, identities
from tests.services.serving import served
from tests.services.standin import StandIn


@pytest.fixture
def engine() -> Iterator[StandIn]:
    engine = StandIn()
    yield engine
    engine.connection.close()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def site(engine: StandIn, tokens: Tokens, tmp_path: Path) -> Site:
    return Site(engine, identities(tokens), Threads(4), tmp_path)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobStore]:
    jobs = JobStore(tmp_path / "jobs")
    yield jobs
    jobs.close()


@pytest.fixture
def address(site: Site, jobs: JobStore) -> Iterator[str]:
    with served(create(site, jobs)) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session for pyvo, which lets go of some answers before their end, and their connections with them."""
    answers: list[requests.Response] = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda answer, **_: answers.append(answer))
        yield session
        for answer in answers:
            answer.close()
