"""The view of an identity agrees with the access rule, for every platform, identity and time."""

import json
from datetime import datetime, timedelta

from bowerbird_config.access import decide, next_change
from bowerbird_config.identity import SERVICES, Identity, IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, HomeRef, ReleaseRef, TeamSpaceRef
from bowerbird_fuse.grants import view_for
from bowerbird_fuse.view import Standing, View
from hypothesis import given
from hypothesis import strategies as st

from tests.support.platforms import TEAMS, TICKS, identities, platforms

GIDS = {team: 900 + index for index, team in enumerate(TEAMS)}


def record_of(who: Identity) -> IdentityRecord:
    assert who.name
    return IdentityRecord(1, who.name, 700, 700, who.memberships, GIDS, who.admin)


def shown(platform: Platform, who: Identity, at: datetime) -> View:
    return view_for(platform, record_of(who), at)


@given(platforms(), identities(), st.sampled_from(TICKS))
def test_releases_stand_as_decided(platform: Platform, who: Identity, at: datetime) -> None:
    standing = {(r.collection, r.name): r.standing for r in shown(platform, who, at).releases}
    for collection, part in platform.collections.items():
        for name in part.releases:
            decision = decide(platform, who, Action.READ, ReleaseRef(collection, name), at)
            got = standing.get((collection, name))
            assert (got in {Standing.PUBLIC, Standing.PROPRIETARY}) == decision.allowed
            assert (got is None) == decision.hidden


@given(platforms(), st.sampled_from(TICKS))
def test_platforms_services_are_shown_every_release_and_no_space(platform: Platform, at: datetime) -> None:
    view = shown(platform, SERVICES, at)
    assert {(r.collection, r.name, r.readable, r.until) for r in view.releases} == {
        (collection, name, True, None) for collection, part in platform.collections.items() for name in part.releases
    }
    assert view.spaces == ()
    assert not any(view.writable.values())


@given(platforms(), identities(), st.sampled_from(TICKS))
def test_spaces_are_shown_and_written_as_decided(platform: Platform, who: Identity, at: datetime) -> None:
    found = shown(platform, who, at).writable
    refs: dict[str, HomeRef | TeamSpaceRef] = {
        "home": HomeRef(who.name or ""),
        **{f"team/{team}": TeamSpaceRef(team) for team in platform.teams},
    }
    for key, ref in refs.items():
        reads, writes = (decide(platform, who, action, ref, at).allowed for action in (Action.READ, Action.WRITE))
        assert (key in found) == reads
        assert found.get(key, False) == (reads and writes)


@given(platforms(), identities(), st.sampled_from(TICKS), st.integers(0, 10_000))
def test_worker_left_alone_shows_nothing_that_is_decided_otherwise(platform: Platform, who: Identity, at: datetime, seconds: int) -> None:
    later = at + timedelta(seconds=seconds)
    alone, asked = shown(platform, who, at).at(later.timestamp()), shown(platform, who, later)
    assert {key for key, writable in alone.writable.items() if writable} <= {key for key, writable in asked.writable.items() if writable}
    assert alone.writable.keys() <= asked.writable.keys()


@given(platforms(), identities(), st.sampled_from(TICKS), st.integers(0, 10_000))
def test_view_stays_the_same_until_the_next_change(platform: Platform, who: Identity, at: datetime, seconds: int) -> None:
    later = at + timedelta(seconds=seconds)
    change = next_change(platform, who, at)
    if change is None or later < change:
        assert shown(platform, who, later).writable == shown(platform, who, at).writable


@given(platforms(), identities(), st.sampled_from(TICKS))
def test_manifest_says_what_is_shown_and_no_hidden_name(platform: Platform, who: Identity, at: datetime) -> None:
    view = shown(platform, who, at)
    manifest = json.loads(view.manifest)
    assert [(r["collection"], r["release"], r["standing"]) for r in manifest["releases"]] == [
        (r.collection, r.name, r.standing.value) for r in view.releases
    ]
    assert [team["name"] for team in manifest["teams"]] == [space.team for space in view.spaces if space.team]
    assert all((r["path"] is None) == (r["standing"] == "announced") == ("sentence" in r) for r in manifest["releases"])


@given(platforms(), identities(), st.sampled_from(TICKS))
def test_space_without_a_gid_is_not_shown(platform: Platform, who: Identity, at: datetime) -> None:
    bare = IdentityRecord(1, who.name or "", 700, 700, who.memberships, {}, who.admin)
    assert set(view_for(platform, bare, at).writable) - {r.key for r in view_for(platform, bare, at).releases} == {"home"}
