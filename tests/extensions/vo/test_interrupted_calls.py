"""What a notebook calls, interrupted wherever it waits: nothing of it goes on, and what was not fetched is still to be had."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import bowerbird
import pytest
from astropy.table import QTable
from bowerbird.vo import fetch
from bowerbird.vo.loop import LOOP, Loop
from bowerbird.vo.records import Record, Records
from bowerbird.vo.results import spool

from tests.extensions.skies import Mosaic
from tests.extensions.vo.conftest import QUERY
from tests.support.archive_server import archive_server
from tests.support.interrupts import Interrupt
from tests.support.sessions import forget
from tests.support.tap_server import Behaviour, positions
from tests.support.tap_server import Job as TAPJob

MINE = QTable({"ra": [1.0, 3.0], "dec": [2.0, 4.0]})
CALLS: dict[str, Callable[[str], Any]] = {
    "cone": lambda url: bowerbird.cone((1, 2), "1 deg", "stars", url, cache=False),
    "cone search": lambda url: bowerbird.cone((1, 2), "1 deg", service=f"{url}/sync"),
    "match": lambda url: bowerbird.match(MINE, "stars", "1 arcsec", url),
}


@pytest.fixture(autouse=True)
def anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    forget()
    yield
    forget()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All files that answers were spooled into."""
    made: list[Any] = []

    def spooled() -> Any:
        made.append(spool())
        return made[-1]

    monkeypatch.setattr(fetch, "spool", spooled)
    return made


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any], int], bool]:
    """Calls something, and tells whether it was interrupted when it waited for the so-manieth time."""
    usual = Loop.run

    def stopped(call: Callable[[], Any], at: int) -> bool:
        interrupt = Interrupt(at)
        with monkeypatch.context() as patched:
            patched.setattr(Loop, "run", lambda loop, work, look=None: usual(loop, interrupt.of(work), look))
            try:
                call()
            except CancelledError:
                return True
        return False

    return stopped


async def others() -> int:
    return len(asyncio.all_tasks()) - 1


@pytest.mark.parametrize("name", CALLS)
def test_of_a_call_nothing_goes_on(name: str, tap: Behaviour, files: list[Any], stopped: Callable[..., bool]) -> None:
    tap.answer = positions
    at = 1
    while stopped(lambda: CALLS[name](tap.url), at):
        assert all(file.closed for file in files), f"interrupted at wait {at}"
        assert LOOP.run(others()) == 0, f"interrupted at wait {at}"
        at += 1
    assert at > 5
    assert files


@pytest.mark.parametrize("name", ["images", "links", "cutouts"])
def test_of_a_call_of_an_archive_nothing_goes_on(
    name: str, files: list[Any], stopped: Callable[..., bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with archive_server(Mosaic(shape=(40, 50)).write(tmp_path / "mosaic.fits")) as archive:
        links = f"{archive.url}/datalink/links?ID=1"
        calls: dict[str, Callable[[], Any]] = {
            "images": lambda: bowerbird.images((150, 2), "1 arcmin", f"{archive.url}/sia2/query"),
            "links": lambda: bowerbird.links(links),
            "cutouts": lambda: bowerbird.cutouts([(150.0, 2.0)] * 2, "2 arcsec", links),
        }
        at = 1
        while stopped(calls[name], at):
            assert all(file.closed for file in files), f"interrupted at wait {at}"
            assert LOOP.run(others()) == 0, f"interrupted at wait {at}"
            assert not list((tmp_path / "temporary").glob("bowerbird-cuts-*")), f"interrupted at wait {at}"
            at += 1
    # Pieces are fetched beside each other: the call waits for all of them at a time.
    assert at > (2 if name == "cutouts" else 5)


def test_the_rows_of_a_job_that_was_left_are_still_to_be_had(tap: Behaviour, files: list[Any], stopped: Callable[..., bool]) -> None:
    at, fetched = 1, True
    while fetched:
        tap.jobs["1"] = TAPJob(QUERY, "EXECUTING")
        Records.of(os.environ).put(Record(f"{tap.url}/async/1", tap.url, QUERY))
        (left,) = bowerbird.jobs()
        fetched = stopped(left.rows, at)
        assert len(bowerbird.jobs()) == len(tap.jobs), f"interrupted at wait {at}"
        assert all(file.closed for file in files), f"interrupted at wait {at}"
        assert LOOP.run(others()) == 0, f"interrupted at wait {at}"
        at += 1
    assert not tap.jobs
    assert at > 5
