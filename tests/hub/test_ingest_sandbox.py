"""The ingest beside a platform: in a sandbox that sees the releases and nothing else, again when something changed."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from bowerbird_config.ingests.keeping import keep
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.identity.live import write_last_good
from bowerbird_hub.runtimes.sandbox import SERVICES_ID
from bowerbird_hub.state.state_files import read_json
from bowerbird_hub.supervision.ingest_sandbox import IngestSandbox

from tests.support.checkout import CHECKOUT
from tests.support.platforms import described

STARS = {"stars": {"file": "stars.csv", "title": "Stars", "position": {"ra": "ra", "dec": "dec"}}}


def platform(tables: dict[str, Any] = STARS) -> Platform:
    release = {"title": "First", "public": True, "tables": tables}
    return Platform.model_validate(described(collections={"sky": {"title": "Sky", "releases": {"dr1": release}}}))


@pytest.fixture
def sandbox(tmp_path: Path) -> IngestSandbox:
    var = Var(tmp_path / "var")
    (var.releases / "sky" / "dr1").mkdir(parents=True)
    (var.releases / "sky" / "dr1" / "stars.csv").write_text("id,ra,dec\n1,10.5,-3\n2,,\n")
    var.logs.mkdir()
    var.releases.chmod(0o700)
    for place in (tmp_path, *tmp_path.parents):
        # A sandbox of another uid passes through; pytest makes these 0700.
        if os.stat(place).st_uid == os.geteuid() and place.name.startswith(("pytest", "test")):
            place.chmod(0o711)
    write_last_good(var.platform, platform())
    return IngestSandbox(Install(CHECKOUT), var, os.geteuid() == 0, {"PATH": "/usr/bin:/bin"})


def log_of(sandbox: IngestSandbox) -> str:
    return sandbox.log_of(sandbox.tables).read_text()


def made(sandbox: IngestSandbox) -> list[str]:
    folder = sandbox.var.tables / "sky" / "dr1"
    return sorted(path.name.removesuffix(".table.json") for path in folder.glob("*.table.json")) if folder.exists() else []


async def watched(sandbox: IngestSandbox, until: Callable[[list[tuple[str, str]]], bool]) -> list[tuple[str, str]]:
    """Keep the tables until enough was said."""
    said: list[tuple[str, str]] = []
    enough = asyncio.Event()

    def tell(state: str, sentences: Sequence[str]) -> None:
        said.append((state, "; ".join(sentences)))
        if until(said):
            enough.set()

    keeping = asyncio.create_task(keep(replace(sandbox.tables, seconds=0.05), sandbox, tell))
    try:
        await asyncio.wait_for(enough.wait(), 60)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    return said


def settled(times: int) -> Callable[[list[tuple[str, str]]], bool]:
    return lambda said: sum(state != "making" for state, _ in said) == times


@pytest.mark.asyncio
async def test_tables_of_the_running_platform_are_made(sandbox: IngestSandbox) -> None:
    said = await watched(sandbox, settled(1))
    assert said[-1] == ("ready", "")
    assert made(sandbox) == ["stars"]
    assert "done, 1 table is there" in log_of(sandbox)


@pytest.mark.asyncio
async def test_an_ingest_that_only_looks_whether_all_is_there_says_nothing_again(sandbox: IngestSandbox) -> None:
    said = await watched(sandbox, settled(2))
    assert [row for row in said if row[0] != "making"] == [("ready", ""), ("ready", "")]
    assert log_of(sandbox).count("done, 1 table is there") == 2
    assert said.count(("making", "done, 1 table is there")) == 1
    assert len(said) == len(set(said)) + 1


@pytest.mark.root
@pytest.mark.asyncio
async def test_the_ingest_is_nobody_and_its_tables_are_the_services_alone(sandbox: IngestSandbox) -> None:
    await watched(sandbox, settled(1))
    for path in (sandbox.var.tables, *sandbox.var.tables.rglob("*")):
        found = path.stat()
        assert (found.st_uid, found.st_mode & 0o077) == (SERVICES_ID, 0), path


@pytest.mark.asyncio
async def test_a_change_of_the_platform_or_of_a_file_is_taken_up(sandbox: IngestSandbox) -> None:
    more = sandbox.var.releases / "sky" / "dr1" / "more.csv"

    def change(said: list[tuple[str, str]]) -> bool:
        if settled(1)(said):
            write_last_good(sandbox.var.platform, platform(STARS | {"more": {"file": "more.csv", "title": "More"}}))
        # Once: what changes while it is read is not taken.
        if settled(2)(said) and not more.exists():
            more.write_text("n\n1\n")
        return settled(3)(said)

    said = await watched(sandbox, change)
    missing = "table more of sky/dr1: more.csv needs the file more.csv, which cannot be read (No such file or directory)"
    assert [row for row in said if row[0] != "making"] == [("ready", ""), ("not whole", missing), ("ready", "")]
    assert made(sandbox) == ["more", "stars"]
    index = read_json(sandbox.var.tables / "index.json")
    assert index["releases"] == [["sky", "dr1"]]


@pytest.mark.root
@pytest.mark.asyncio
async def test_files_that_the_service_may_not_read_are_named_in_one_line(sandbox: IngestSandbox) -> None:
    release = sandbox.var.releases / "sky" / "dr1"
    for name in ("a.fits", "b.fits", "c.txt", "open.fits"):
        (release / name).write_text("closed")
        (release / name).chmod(0o644 if name == "open.fits" else 0o600)
    (release / "raw").mkdir(mode=0o700)
    await watched(sandbox, settled(1))
    lines = [line for line in log_of(sandbox).splitlines() if "left out" in line]
    assert len(lines) == 1
    assert lines[0].endswith("left out of sky/dr1, because the service may not read them: a.fits, b.fits, c.txt and 1 more")


@pytest.mark.asyncio
async def test_rows_that_are_lost_are_made_again(sandbox: IngestSandbox) -> None:
    def harm(said: list[tuple[str, str]]) -> bool:
        if settled(1)(said) and said[-1][0] == "ready":
            for file in sandbox.var.tables.rglob("*.parquet"):
                os.truncate(file, 10)
        return settled(2)(said)

    said = await watched(sandbox, harm)
    assert [row for row in said if row[0] != "making"] == [("ready", ""), ("ready", "")]
    assert "rows of stars of sky/dr1 were damaged or gone; made again" in log_of(sandbox)
    assert any(file.stat().st_size > 10 for file in sandbox.var.tables.rglob("*.parquet"))


@pytest.mark.asyncio
async def test_what_could_not_be_made_is_tried_again_though_nothing_changed(sandbox: IngestSandbox) -> None:
    write_last_good(sandbox.var.platform, platform(STARS | {"more": {"file": "more.csv", "title": "More"}}))
    said = await watched(sandbox, settled(2))
    missing = "table more of sky/dr1: more.csv needs the file more.csv, which cannot be read (No such file or directory)"
    assert [row for row in said if row[0] != "making"] == [("not whole", missing), ("not whole", missing)]
    assert made(sandbox) == ["stars"]


@pytest.mark.asyncio
async def test_an_ingest_that_is_killed_is_tried_again(sandbox: IngestSandbox) -> None:
    killed: list[int] = []

    def kill_once(said: list[tuple[str, str]]) -> bool:
        if not killed:
            ingests = [found for found in psutil.Process().children(recursive=True) if sandbox.tables.program in found.cmdline()]
            for ingest in ingests:
                ingest.kill()
                killed.append(ingest.pid)
        return said[-1][0] == "ready"

    said = await watched(sandbox, kill_once)
    assert killed
    assert [state for state, _ in said if state != "making"] == ["not whole", "ready"]
    assert "is tried again" in next(rest for state, rest in said if state == "not whole")
    assert made(sandbox)


@pytest.mark.asyncio
async def test_rows_that_are_lost_while_others_are_made_are_made_again(sandbox: IngestSandbox) -> None:
    def harm(said: list[tuple[str, str]]) -> bool:
        if said[-1][0] == "making" and "done" in said[-1][1] and not settled(1)(said):
            for file in sandbox.var.tables.rglob("*.parquet"):
                os.truncate(file, 10)
        return settled(2)(said)

    await watched(sandbox, harm)
    assert "rows of stars of sky/dr1 were damaged or gone; made again" in log_of(sandbox)


@pytest.mark.root
def test_the_sandbox_sees_the_releases_of_the_platform_and_writes_tables_alone(sandbox: IngestSandbox) -> None:
    order = sandbox.order()
    assert order is not None
    argv = sandbox.command(sandbox.tables, order)
    written = [argv[number + 1] for number, word in enumerate(argv) if word == "--bind"]
    assert written == [str(sandbox.var.tables)]
    seen = [
        argv[number + 1 : number + 3]
        for number, word in enumerate(argv)
        if word == "--ro-bind" and argv[number + 2].startswith("/releases")
    ]
    assert seen == [(str(sandbox.var.releases / "sky" / "dr1"), "/releases/sky/dr1")]
    assert "setpriv" in " ".join(argv)
    assert not [word for word in argv if "stars" in word]


@pytest.mark.asyncio
async def test_where_the_services_are_not_installed_nothing_is_made(sandbox: IngestSandbox, tmp_path: Path) -> None:
    said: list[str] = []
    elsewhere = replace(sandbox, install=Install(tmp_path), as_root=False)
    await asyncio.wait_for(elsewhere.keep(lambda _making, state, _said: said.append(state)), 5)
    assert said == []
    assert made(sandbox) == []
