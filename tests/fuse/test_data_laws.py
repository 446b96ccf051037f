"""A law: whatever platform and memberships are drawn, the mount shows exactly what the access rule says."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from bowerbird_config.access import decide
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, ReleaseRef, TeamSpaceRef
from bowerbird_config.teams import Membership
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.data_rig import TEAM_GIDS, DataRig, Person, eventually, record
from tests.support.platforms import RELEASES, TEAMS, memberships, platforms

pytestmark = [pytest.mark.root, pytest.mark.fuse]

SEEN = """
    def said(act):
        try:
            return act()
        except OSError as error:
            return errno.errorcode[error.errno]
    answer = {'releases': {}, 'spaces': {}}
    for r in releases:
        answer['releases'][r] = [said(lambda: Path(f'releases/{r}/file').read_text()), said(lambda: sorted(os.listdir(f'releases/{r}')))]
    for t in teams:
        answer['spaces'][t] = [said(lambda: os.listdir(f'teams/{t}') and 'listed'), said(lambda: Path(f'teams/{t}/new').touch())]
"""
NAMES = [f"{collection}/{release}" for collection in ("sky", "sea") for release in RELEASES]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRig]:
    from tests.fuse.conftest import two_teams

    rig = DataRig(Var(tmp_path_factory.mktemp("laws") / "var"), two_teams())
    for name in NAMES:
        collection, release = name.split("/")
        rig.release(collection, release, {"file": name.encode()})
    for team, gid in TEAM_GIDS.items():
        space = rig.var.spaces / team
        space.mkdir(parents=True)
        (space / "there").touch()
        os.chown(space, 0, gid)
        space.chmod(0o2770)
    rig.feed.start()
    rig.know(record("ann"))
    try:
        rig.start()
        rig.mount("ann")
        yield rig
    finally:
        rig.clear()


def expected(platform: Platform, who: IdentityRecord) -> dict[str, object]:
    now = datetime.now(UTC)

    def release(name: str) -> list[object]:
        decision = decide(platform, who.identity, Action.READ, ReleaseRef(*name.split("/")), now)
        if decision.allowed:
            return [name, ["README", "file"]]
        return ["ENOENT", "ENOENT"] if decision.hidden else ["EACCES", ["README"]]

    def space(team: str) -> list[object]:
        reads, writes = (decide(platform, who.identity, action, TeamSpaceRef(team), now).allowed for action in (Action.READ, Action.WRITE))
        if not reads:
            return ["ENOENT", "ENOENT"]
        return ["listed", None if writes else "EACCES"]

    return {"releases": {name: release(name) for name in NAMES}, "spaces": {team: space(team) for team in TEAMS}}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(platform=platforms(), held=st.lists(memberships(), max_size=3))
def test_mount_shows_what_the_rule_says(rig: DataRig, platform: Platform, held: list[Membership]) -> None:
    who = record("ann", *held, version=2)
    rig.feed.platform(platform)
    rig.know(who)
    ann = Person(who, rig.var.views / "ann")
    law = expected(platform, who)

    def agrees() -> bool:
        for team in TEAMS:
            (rig.var.spaces / team / "new").unlink(missing_ok=True)
        return bool(ann.do(SEEN, releases=NAMES, teams=list(TEAMS)) == law)

    eventually(agrees)
