"""Who gains and who loses which access, told of the widest group of people."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bowerbird_config.differences import Change, Kind, differences
from bowerbird_config.platform import Platform
from hypothesis import given

from tests.support.platforms import described, platforms

NOW = datetime(2026, 12, 1, tzinfo=UTC)
OPENS = datetime(2027, 3, 1, tzinfo=UTC)
CRAFT = {"title": "Craft", "contact": "craft@example.org"}
CAS = {"url": "https://cas.example.org"}


def platform(release: dict[str, Any], **parts: Any) -> Platform:
    collections = {"sky": {"title": "Sky", "releases": {"dr1": {"title": "First", **release}}}}
    return Platform.model_validate(described(**{"teams": {"craft": CRAFT}, "collections": collections, **parts}))


def told(old: Platform, new: Platform, at: datetime = NOW, then: datetime = NOW) -> set[str]:
    """Return each change in words."""
    return {f"{c.who} {c.kind} {c.action} {c.resource}" for c in differences(old, new, at, then)}


OURS = {"teams": ["craft"]}
DATED = {"teams": ["craft"], "public_on": OPENS}


@given(platforms())
def test_a_platform_does_not_differ_from_itself(same):
    assert differences(same, same, NOW, NOW) == []


@given(platforms(), platforms())
def test_who_gains_on_the_way_there_loses_on_the_way_back(one, other):
    turned = {Kind.GAINS: Kind.LOSES, Kind.LOSES: Kind.GAINS}
    there = {(c.kind, c.who, c.action, c.resource) for c in differences(one, other, OPENS, OPENS) if c.kind in turned}
    back = {(turned[c.kind], c.who, c.action, c.resource) for c in differences(other, one, OPENS, OPENS) if c.kind in turned}
    assert there == back


def test_a_release_that_is_opened_is_gained_by_anybody_and_told_once():
    assert told(platform(OURS), platform({"public": True})) == {"anybody gains list release:sky/dr1", "anybody gains read release:sky/dr1"}


def test_a_release_that_is_closed_is_lost_by_anybody_and_kept_by_its_team():
    assert told(platform({"public": True}), platform(OURS)) == {
        "anybody loses list release:sky/dr1",
        "anybody loses read release:sky/dr1",
        "people of craft keeps list release:sky/dr1",
        "people of craft keeps read release:sky/dr1",
    }


def test_a_new_member_gains_what_the_team_has_and_nobody_else_does():
    new = platform(OURS, teams={"craft": {**CRAFT, "members": ["bob"]}})
    assert told(platform(OURS), new) == {
        f"bob gains {access}"
        for access in (
            "list release:sky/dr1",
            "read release:sky/dr1",
            "read space:team/craft",
            "write space:team/craft",
            "open server:team-craft",
        )
    }


def test_a_member_is_not_told_again_what_the_whole_team_gains():
    teams = {"craft": {**CRAFT, "members": ["bob"]}, "eso": CRAFT}
    old, new = (platform({"teams": whose}, teams=teams) for whose in (["eso"], ["eso", "craft"]))
    assert told(old, new) == {"people of craft gains list release:sky/dr1", "people of craft gains read release:sky/dr1"}


def test_a_directory_group_of_a_team_is_a_gain_of_its_people():
    new = platform(OURS, teams={"craft": {**CRAFT, "groups": ["cn=Craft"]}})
    assert "directory group 'cn=craft' gains write space:team/craft" in told(platform(OURS), new)


def test_one_who_is_blocked_loses_even_the_sign_in():
    people = {"sign_on": {"cas": CAS, "admins": ["bob"]}}
    blocked = {"sign_on": {"cas": CAS, "admins": ["bob"], "block_users": ["bob"]}}
    lost = told(platform(OURS, **people), platform(OURS, **blocked))
    assert "bob loses sign in platform" in lost
    assert "bob loses administer platform" in lost
    assert all(change.startswith("bob loses ") for change in lost)


def test_a_sign_on_for_a_team_alone_is_a_loss_of_everyone_else():
    lost = told(platform(OURS), platform(OURS, sign_on={"cas": CAS, "allow_teams": ["craft"]}))
    assert lost == {
        "everyone signed in loses sign in platform",
        "everyone signed in loses spawn profile:minimal",
        "people of craft keeps sign in platform",
        "people of craft keeps spawn profile:minimal",
    }


@pytest.mark.parametrize(("then", "opened"), [(OPENS - timedelta(seconds=1), False), (OPENS, True)])
def test_between_two_times_a_release_opens_in_its_second(then, opened):
    assert bool(told(platform(DATED), platform(DATED), NOW, then)) is opened


def test_between_two_times_a_membership_ends():
    ending = platform(OURS, teams={"craft": {**CRAFT, "guests": [{"name": "eve", "until": OPENS}]}})
    assert told(ending, ending, NOW, OPENS) == {
        f"eve loses {access}" for access in ("list release:sky/dr1", "read release:sky/dr1", "read space:team/craft")
    }


def test_changes_are_told_by_who_then_gain_then_resource():
    new = platform({"public": True}, sign_on={"cas": CAS, "admins": ["bob"]})
    assert differences(platform(OURS), new, NOW, NOW) == [
        Change(Kind.GAINS, "anybody", "list", "release:sky/dr1"),
        Change(Kind.GAINS, "anybody", "read", "release:sky/dr1"),
        Change(Kind.GAINS, "bob", "administer", "platform"),
        Change(Kind.GAINS, "bob", "manage", "server:team-craft"),
    ]
