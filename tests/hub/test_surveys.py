"""The HiPS beside a platform: in a sandbox that sees the releases and writes nothing else, again when an image changed."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bowerbird_config.ingests.keeping import keep
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.identity.live import write_last_good
from bowerbird_hub.runtimes.sandbox import SERVICES_ID
from bowerbird_hub.state.state_files import read_json, write_json
from bowerbird_hub.supervision.ingest_sandbox import IngestSandbox

from tests.support.checkout import CHECKOUT
from tests.support.platforms import described
from tests.support.sky_images import tangent, waves, write


@pytest.fixture
def sandbox(tmp_path: Path) -> IngestSandbox:
    var = Var(tmp_path / "var")
    write(var.releases / "sky" / "dr1" / "field.fits", waves(60, 60), tangent(60, 60))
    # As the ingest of tables leaves it.
    (var.tables / "sky" / "dr1").mkdir(parents=True)
    write_json(var.tables / "sky" / "dr1" / "products.json", {"products": [{"file": "field.fits"}]})
    var.logs.mkdir()
    var.releases.chmod(0o700)
    for place in (tmp_path, *tmp_path.parents):
        # A sandbox of another uid passes through; pytest makes these 0700.
        if os.stat(place).st_uid == os.geteuid() and place.name.startswith(("pytest", "test")):
            place.chmod(0o711)
    release = {"title": "First", "public": True}
    collections = {"sky": {"title": "Sky", "releases": {"dr1": release}}}
    write_last_good(var.platform, Platform.model_validate(described(collections=collections)))
    return IngestSandbox(Install(CHECKOUT), var, os.geteuid() == 0, {"PATH": "/usr/bin:/bin"})


def told(sandbox: IngestSandbox) -> dict[str, object]:
    (found,) = read_json(sandbox.var.surveys / "sky" / "dr1" / "survey.json")["surveys"]
    return dict(found)


async def watched(sandbox: IngestSandbox, times: int, then: Callable[[], None] = lambda: None) -> list[tuple[str, str]]:
    """Keep the surveys until they were made so often; `then` is called after the first time."""
    said: list[tuple[str, str]] = []
    enough = asyncio.Event()

    def tell(state: str, sentences: Sequence[str]) -> None:
        if state == "making":
            return
        said.append((state, "; ".join(sentences)))
        if len(said) == 1:
            then()
        if len(said) == times:
            enough.set()

    keeping = asyncio.create_task(keep(replace(sandbox.surveys, seconds=0.05), sandbox, tell))
    try:
        await asyncio.wait_for(enough.wait(), 100)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    return said


@pytest.mark.asyncio
async def test_images_that_change_are_drawn_again(sandbox: IngestSandbox) -> None:
    before: list[object] = []

    def change() -> None:
        before.append(told(sandbox)["fingerprint"])
        write(sandbox.var.releases / "sky" / "dr1" / "field.fits", waves(60, 60) + 1, tangent(60, 60))

    assert await watched(sandbox, 2, change) == [("ready", ""), ("ready", "")]
    assert told(sandbox)["fingerprint"] not in {None, *before}
    assert "done, 1 survey is there" in sandbox.log_of(sandbox.surveys).read_text()


@pytest.mark.asyncio
async def test_tiles_that_are_lost_are_drawn_again(sandbox: IngestSandbox) -> None:
    def lose() -> None:
        shutil.rmtree(sandbox.var.surveys / "sky" / "dr1" / str(told(sandbox)["folder"]))

    await watched(sandbox, 2, lose)
    assert (sandbox.var.surveys / "sky" / "dr1" / str(told(sandbox)["folder"]) / "Moc.fits").is_file()


@pytest.mark.root
@pytest.mark.asyncio
async def test_what_draws_is_nobody_and_its_tiles_are_the_services_alone(sandbox: IngestSandbox) -> None:
    await watched(sandbox, 1)
    for path in (sandbox.var.surveys, *sandbox.var.surveys.rglob("*")):
        found = path.stat()
        assert (found.st_uid, found.st_mode & 0o077) == (SERVICES_ID, 0), path


@pytest.mark.root
def test_the_sandbox_sees_releases_and_writes_surveys_alone(sandbox: IngestSandbox) -> None:
    order = sandbox.order()
    assert order is not None
    argv = sandbox.command(sandbox.surveys, order)
    assert [argv[number + 1] for number, word in enumerate(argv) if word == "--bind"] == [str(sandbox.var.surveys)]
    assert str(sandbox.var.tables) not in argv
