"""Fixtures of the file system's tests: a platform of two teams, a keeper, and two people with their views mounted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform

from tests.support.data_rig import DataRig, Person, member, record
from tests.support.platforms import described


def two_teams() -> Platform:
    """A public release, one of each team, and one that is announced."""
    opening = datetime.now(UTC) + timedelta(days=365)
    teams = {team: {"title": f"The {team}s", "contact": f"{team}@example.org"} for team in ("ant", "bee")}
    releases = {
        "dr1": {"title": "First light", "public": True, "cite": "Bird et al. 2026", "licence": "CC0"},
        "dr2": {"title": "Second look", "teams": ["ant"], "public_on": opening},
        "dr3": {"title": "Third time", "teams": ["bee"]},
        "dr4": {"title": "Fourth wall", "teams": ["bee"], "announced": True, "public_on": opening},
    }
    return Platform.model_validate(described(teams=teams, collections={"sky": {"title": "The sky", "releases": releases}}))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DataRig]:
    """A keeper that runs over a platform of two teams; ann is an ant and bob is a bee."""
    rig = DataRig(Var(tmp_path / "var"), two_teams())
    for name in ("dr1", "dr2", "dr3", "dr4"):
        rig.release("sky", name, {"catalogue.txt": f"stars of {name}\n".encode(), "cubes/deep.fits": bytes(range(256)) * 4096})
    rig.feed.start()
    rig.know(record("ann", member("ant")), record("bob", member("bee")))
    try:
        rig.start()
        yield rig
    finally:
        rig.clear()


@pytest.fixture(scope="module")
def team_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRig]:
    """A keeper for all tests of a module; ann and bob are ants, and their views are mounted."""
    rig = DataRig(Var(tmp_path_factory.mktemp("team") / "var"), two_teams())
    rig.release("sky", "dr1", {"catalogue.txt": b"stars"})
    rig.feed.start()
    rig.know(record("ann", member("ant")), record("bob", member("ant")))
    try:
        rig.start()
        rig.mount("ann")
        rig.mount("bob")
        yield rig
        assert "Traceback" not in rig.log.read_text()
    finally:
        rig.clear()


@pytest.fixture
def ann(rig: DataRig) -> Person:
    return rig.mount("ann")


@pytest.fixture
def bob(rig: DataRig) -> Person:
    return rig.mount("bob")
