"""What a cluster starts beside the services: it follows the hub's feed and keeps the tables and surveys of its releases."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from bowerbird_config.ingests.making import Making
from bowerbird_config.platform import Platform
from bowerbird_config.table_order import TableOrder
from bowerbird_hub.nodes.door import NodeDoor, Trust
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_services.identity import Records
from bowerbird_services.ingest import memory
from bowerbird_services.ingest.follow import PodWorkshop
from bowerbird_services.ingest.state import read
from bowerbird_services.store import surveys
from bowerbird_services.store.shelf import Shelf

from tests.support.no_pods import Nobody
from tests.support.platforms import described
from tests.support.sky_images import tangent, waves, write

pytestmark = [pytest.mark.asyncio]
TOKEN = "of-the-services"
_SECONDS = 60
STARS = {"stars": {"file": "stars.csv", "title": "Stars"}}


class House:
    """A hub's door, releases, and what follows both."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.releases = place / "releases"
        self.state = place / "ingest.json"
        self.feed = NodeFeed(lambda: [self.platform(), {"kind": "synced", "version": 1}])
        self.described: dict[str, Any] = {}
        self.log = place / "log"
        self.cgroup = place / "cgroup"

    def platform(self) -> dict[str, Any]:
        collections = {"sky": {"title": "Sky", "releases": self.described}} if self.described else {}
        platform = Platform.model_validate(described(collections=collections))
        return {"kind": "platform", "version": 1, "platform": platform.model_dump(mode="json")}

    def describe(self, **releases: dict[str, Any]) -> None:
        self.described = {name: {"title": name, "public": True, "tables": tables} for name, tables in releases.items()}
        self.feed.publish([self.platform()])

    def put(self, release: str, rows: int) -> None:
        folder = self.releases / "sky" / release
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stars.csv").write_text("id,ra,dec\n" + "".join(f"{row},{150 + row / 1000},2.2\n" for row in range(rows)))

    def rows(self, release: str) -> int | None:
        tables = Shelf(self.place / "tables").holdings().tables.get(("sky", release), ())
        return tables[0].rows if tables else None

    def drawn(self, release: str) -> bool:
        return bool(surveys.read(surveys.folder_of(self.place / "surveys", "sky", release)).surveys)

    def said(self) -> list[str]:
        return self.log.read_text().splitlines()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not holds():  # noqa: ASYNC110  files tell of no change
                await asyncio.sleep(0.05)

    def start(self, port: int) -> subprocess.Popen[bytes]:
        places = {
            "releases": self.releases,
            "tables": self.place / "tables",
            "surveys": self.place / "surveys",
            "state": self.state,
            "cgroup": self.cgroup,
        }
        words = [word for name, path in places.items() for word in (f"--{name}", str(path))]
        command = [
            sys.executable,
            "-m",
            "bowerbird_services.ingest.follow",
            "--hub",
            f"http://127.0.0.1:{port}",
            "--seconds",
            "0.2",
            *words,
        ]
        environment = {"PATH": os.environ["PATH"], "JUPYTERHUB_API_TOKEN": TOKEN}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@asynccontextmanager
async def following(house: House) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Have one that follows the door of a hub, and end it as a cluster does."""
    door = NodeDoor(Trust("data.example", ("data", "data"), ("hub", "services"), Nobody(), services_token=TOKEN), Nobody(), house.feed)
    port = door.open(0, "127.0.0.1")
    follower = house.start(port)
    try:
        yield follower
    finally:
        follower.terminate()
        try:
            await asyncio.to_thread(follower.wait, 20)
        finally:
            follower.kill()
            await door.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.releases.mkdir()
    return house


async def test_what_is_described_is_made_and_what_is_described_later_too(house: House) -> None:
    house.put("dr1", 10)
    write(house.releases / "sky" / "dr1" / "field.fits", waves(40, 40), tangent(40, 40))
    house.describe(dr1=STARS)
    async with following(house) as follower:
        await house.until(lambda: house.rows("dr1") == 10 and house.drawn("dr1"))
        house.put("dr2", 20)
        house.describe(dr1=STARS, dr2=STARS)
        await house.until(lambda: house.rows("dr2") == 20)
        house.put("dr1", 30)
        await house.until(lambda: house.rows("dr1") == 30)
        assert read(house.state).at_work
        assert not list(read(house.state).sentences())
    assert follower.returncode == 0


async def test_a_broken_file_is_one_sentence_and_the_others_stay(house: House) -> None:
    for name, rows in (("dr1", 10), ("dr2", 20)):
        house.put(name, rows)
    house.describe(dr1=STARS, dr2=STARS)
    async with following(house):
        await house.until(lambda: house.rows("dr2") == 20)
        (house.releases / "sky" / "dr2" / "stars.csv").write_bytes(b"\x00\xff")
        await house.until(lambda: list(read(house.state).sentences()))
        ((what, sentence),) = read(house.state).sentences()
        assert what == "tables"
        assert sentence.startswith("table stars of sky/dr2: stars.csv ")
        assert [line for line in house.said() if sentence in line] == [f"WARNING bowerbird.ingest: tables: {sentence}"]
        assert (house.rows("dr1"), house.rows("dr2")) == (10, 20)
        house.put("dr2", 5)
        await house.until(lambda: house.rows("dr2") == 5 and not list(read(house.state).sentences()))


def ingests(follower: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(follower.pid).children(recursive=True)


def killed(house: House) -> list[str]:
    return [
        line for line in house.said() if "the ingest was killed, as one is that takes more memory than it may, and is tried again" in line
    ]


async def test_one_that_takes_more_memory_than_there_is_keeps_no_other_table_waiting(house: House) -> None:
    house.put("dr1", 1_500_000)
    house.put("dr2", 10)
    house.describe(dr1=STARS, dr2=STARS)
    house.cgroup.mkdir()
    (house.cgroup / "memory.max").write_text("1000")
    (house.cgroup / "memory.stat").write_text("anon 100\nshmem 0\n")
    async with following(house) as follower:
        await house.until(lambda: list((house.place / "tables").glob("sky/dr1/.work-*")))
        (house.cgroup / "memory.stat").write_text("anon 990\nshmem 0\n")
        await house.until(lambda: killed(house))
        (house.cgroup / "memory.stat").write_text("anon 100\nshmem 0\n")
        await house.until(lambda: house.rows("dr2") == 10)
        await house.until(lambda: house.rows("dr1") == 1_500_000)
        assert follower.poll() is None
    made = [line for line in house.said() if line.startswith("INFO") and line.endswith("…")]
    assert [line.split()[-2] for line in made[:3]] == ["sky/dr1", "sky/dr2", "sky/dr1"]


async def test_of_two_beside_each_other_the_one_that_swells_is_ended_alone(house: House) -> None:
    house.cgroup.mkdir()
    (house.cgroup / "memory.max").write_text("1000")
    workshop = PodWorkshop(Records(), house.releases, house.cgroup)

    def sleeper(name: str, mebibytes: int) -> asyncio.Task[int]:
        # A program of Python's own that runs what it is given.
        code = Path(f"x=b'x'*({mebibytes}<<20);import time;time.sleep(600)")
        making = Making(name, "timeit", code, 1, lambda _: "", lambda: "")
        return asyncio.create_task(workshop.run(making, TableOrder(releases=()), lambda _: None))

    def sizes() -> list[int]:
        # Beside a browser's driver and whatever else other tests of this process have started.
        ours = [process for process in psutil.Process().children() if "timeit" in process.cmdline()]
        return sorted(memory.taken(process.pid) >> 10 for process in ours)

    small, large = sleeper("tables", 30), sleeper("surveys", 120)
    try:
        await house.until(lambda: [size // 30 for size in sizes()] == [1, 4])
        (house.cgroup / "memory.stat").write_text("anon 990\nshmem 0\n")
        assert await asyncio.wait_for(large, _SECONDS) == -signal.SIGKILL
        (house.cgroup / "memory.stat").write_text("anon 100\nshmem 0\n")
        assert not small.done()
        (house.cgroup / "memory.stat").write_text("anon 990\nshmem 0\n")
        assert await asyncio.wait_for(small, _SECONDS) == -signal.SIGKILL
    finally:
        for task in (small, large):
            task.cancel()
        await asyncio.gather(small, large, return_exceptions=True)


@pytest.mark.parametrize("whom", ["the ingest", "all of it"])
async def test_what_is_killed_while_it_makes_a_table_is_made_by_the_next(whom: str, house: House) -> None:
    house.put("dr1", 200_000)
    house.describe(dr1=STARS)
    work = house.place / "tables" / "sky" / "dr1"
    async with following(house) as follower:
        await house.until(lambda: list(work.glob(".work-*")))
        if whom == "the ingest":
            for ingest in ingests(follower):
                ingest.send_signal(signal.SIGKILL)
            await house.until(lambda: list(read(house.state).sentences()))
            assert any(
                "the ingest was killed, as one is that takes more memory than it may, and is tried again" in line for line in house.said()
            )
            await house.until(lambda: house.rows("dr1") == 200_000 and not list(read(house.state).sentences()))
        else:
            for process in (psutil.Process(follower.pid), *ingests(follower)):
                process.send_signal(signal.SIGKILL)
    async with following(house):
        await house.until(lambda: house.rows("dr1") == 200_000)
        assert not list(work.glob(".work-*"))


async def test_when_it_ends_what_it_runs_ends_with_it(house: House) -> None:
    house.put("dr1", 200_000)
    house.describe(dr1=STARS)
    async with following(house) as follower:
        await house.until(lambda: list((house.place / "tables").glob("sky/dr1/.work-*")))
        begun = ingests(follower)
    assert begun
    # Who is left without a parent is buried by another a moment later.
    await house.until(lambda: not [process for process in begun if process.is_running()])


async def test_an_ingest_has_no_token_of_the_hub(house: House) -> None:
    house.put("dr1", 200_000)
    house.describe(dr1=STARS)
    async with following(house) as follower:
        await house.until(lambda: list((house.place / "tables").glob("sky/dr1/.work-*")))
        begun = ingests(follower)
        assert begun
        assert all("JUPYTERHUB_API_TOKEN" not in process.environ() for process in begun)
        await house.until(lambda: house.rows("dr1") == 200_000)


async def test_while_the_volume_does_not_answer_nothing_is_taken_away(house: House) -> None:
    house.put("dr1", 10)
    house.describe(dr1=STARS)
    async with following(house):
        await house.until(lambda: house.rows("dr1") == 10)
        house.releases.rename(house.place / "away")
        beats = house.state.stat().st_mtime_ns
        await house.until(lambda: house.state.stat().st_mtime_ns > beats)
        (house.place / "away").rename(house.releases)
        house.put("dr1", 11)
        await house.until(lambda: house.rows("dr1") == 11)
    assert not [line for line in house.said() if "cannot be read" in line]


async def test_one_that_was_killed_or_never_was_is_not_at_work(tmp_path: Path) -> None:
    assert not read(tmp_path / "none").at_work
    (tmp_path / "half").write_text('{"wrong"')
    assert not read(tmp_path / "half").at_work
    (tmp_path / "old").write_text('{"wrong": {"tables": ["table a of b/c: d"]}}')
    assert read(tmp_path / "old").at_work
    os.utime(tmp_path / "old", (0, 0))
    assert not read(tmp_path / "old").at_work
    assert list(read(tmp_path / "old").sentences()) == [("tables", "table a of b/c: d")]
