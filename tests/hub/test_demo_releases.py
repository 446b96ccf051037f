"""The demo releases of a first start, made by a recipe that is a fake."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.supervision.demo_releases import demo_releases

from tests.support.rig import FAKES, PLATFORM, Rig, rig_in, wait_for

SURVEY = {"survey": {"title": "Survey", "releases": {name: {"title": name, "public": True} for name in ("dr1", "dr2")}}}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as made:
        default = made.root / "config" / "default"
        (default / "recipe").mkdir(parents=True)
        (default / "recipe" / "build.py").write_text((FAKES / "build.py").read_text())
        (default / "platform.yaml").write_text(yaml.safe_dump({**yaml.safe_load(PLATFORM), "collections": SURVEY}))
        yield made


def made_releases(rig: Rig) -> list[str]:
    return sorted(path.name for path in (rig.var / "releases").glob("survey/*"))


def default_up(rig: Rig) -> str:
    done = rig.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_first_start_copies_the_platform_file_and_makes_the_releases(rig: Rig) -> None:
    said = default_up(rig)
    assert "making 1 of 2: survey/dr1 ready" in said
    assert made_releases(rig) == ["dr1", "dr2"]
    assert {"name": "demo releases", "state": "ready", "message": ""} in rig.status()["made"]
    assert "demo releases  ready" in rig.run("status").stdout
    assert rig.status()["platform_file"] == str(rig.var / "platform.yaml")


def test_second_start_makes_nothing_and_keeps_the_copy(rig: Rig) -> None:
    default_up(rig)
    rig.run("down")
    own = rig.var / "platform.yaml"
    own.write_text(own.read_text().replace("Rig", "Edited"))
    assert "Edited is ready" in default_up(rig)
    assert rig.starts("recipe") == 1


def test_release_that_was_deleted_is_made_again(rig: Rig) -> None:
    default_up(rig)
    rig.run("down")
    (rig.var / "releases" / "survey" / "dr1").rmdir()
    default_up(rig)
    assert made_releases(rig) == ["dr1", "dr2"]


def test_failure_is_said_and_the_platform_runs(rig: Rig) -> None:
    rig.tell("recipe.fail")
    said = default_up(rig)
    assert "the second cannot be made" in said
    assert str(rig.var / "logs" / "demo-releases.log") in said
    assert rig.status()["running"]
    rig.run("down")
    (rig.control / "recipe.fail").unlink()
    assert "1 of 2: survey/dr1 is there" in default_up(rig)
    assert made_releases(rig) == ["dr1", "dr2"]


def test_interrupted_making_ends_with_the_start_and_goes_on_in_the_next(rig: Rig) -> None:
    rig.tell("recipe.slow")
    process = rig.spawn("up")
    wait_for(lambda: made_releases(rig) == ["dr1"])
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    rig.assert_nothing_left()
    (rig.control / "recipe.slow").unlink()
    default_up(rig)
    assert made_releases(rig) == ["dr1", "dr2"]


def test_restored_platform_runs_with_its_own_copy_of_the_platform_file(rig: Rig, tmp_path: Path) -> None:
    default_up(rig)
    assert rig.run("backup", str(tmp_path / "saved")).returncode == 0
    rig.run("down")
    rig.var = tmp_path / "restored"
    assert rig.run("restore", str(tmp_path / "saved")).returncode == 0
    default_up(rig)
    assert rig.status()["platform_file"] == str(rig.var / "platform.yaml")
    assert made_releases(rig) == ["dr1", "dr2"]


def test_platform_of_its_own_makes_none(rig: Rig) -> None:
    rig.up()
    assert rig.starts("recipe") == 0


def test_release_with_a_directory_of_its_own_is_not_made() -> None:
    default = Platform.model_validate({**yaml.safe_load(PLATFORM), "collections": SURVEY})
    platform = Platform.model_validate(
        {**default.model_dump(mode="json", exclude_defaults=True), "storage": {"releases": {"survey/dr1": "/srv/dr1"}}}
    )
    assert demo_releases(Install(Path("/srv")), Var(Path("/var")), platform, default).releases == ("survey/dr2",)
