"""The laws of the access decision, over random platforms, people and times."""

from dataclasses import replace
from datetime import datetime

import pytest
from bowerbird_config.access import Decision, decide, explain, next_change
from bowerbird_config.identity import ANONYMOUS, SERVICES, Identity
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, HomeRef, PlatformRef, ProfileRef, ReleaseRef, Resource, ServerRef, TeamSpaceRef
from bowerbird_config.teams import Membership, Role
from hypothesis import given
from hypothesis import strategies as st

from tests.support.platforms import TEAMS, TICKS, USERS, identities, memberships, platforms

NOBODYS = "nobody-has-it"
RESOURCES: tuple[Resource, ...] = (
    *(ReleaseRef(collection, release) for collection in ("sky", "sea") for release in ("dr1", "dr2")),
    *(HomeRef(user) for user in USERS),
    *(TeamSpaceRef(team) for team in TEAMS),
    *(ProfileRef(profile) for profile in ("minimal", "small", "large")),
    *(ServerRef(owner) for owner in (*USERS, *(f"team-{team}" for team in TEAMS))),
    PlatformRef(),
)
QUESTIONS = tuple((action, resource) for resource in RESOURCES for action in resource.actions)
DATA = (Action.LIST, Action.READ, Action.WRITE, Action.SPAWN, Action.OPEN)

anybody = identities() | st.just(ANONYMOUS)
times = st.sampled_from(TICKS)


def answers(platform: Platform, identity: Identity, at: datetime) -> list[Decision]:
    return [decide(platform, identity, action, resource, at) for action, resource in QUESTIONS]


def allowed(platform: Platform, identity: Identity, at: datetime) -> set[tuple[Action, Resource]]:
    return {(action, resource) for action, resource in QUESTIONS if decide(platform, identity, action, resource, at).allowed}


@given(platforms(), anybody, times, st.sampled_from(Action), st.sampled_from(RESOURCES))
def test_every_answer_says_what_by_which_rule_and_every_refusal_until_when_and_who(platform, identity, at, action, resource):
    decision = decide(platform, identity, action, resource, at)
    assert decision.rule
    verdict = "allowed" if decision.allowed else "refused"
    assert f"{resource.words} is {verdict}: " in decision.sentence
    assert decision.sentence.endswith(".")
    if not decision.allowed:
        assert decision.grantor
        assert decision.sentence.endswith(f" Who can change that: {decision.grantor}.")
        assert ("until" in decision.sentence) == (decision.until is not None)


@given(platforms(), identities(), memberships(), times)
def test_one_more_membership_takes_nothing_away(platform, identity, more, at):
    richer = replace(identity, memberships=(*identity.memberships, more))
    assert allowed(platform, richer, at) >= allowed(platform, identity, at)


@given(platforms(), identities(), times)
def test_a_stronger_role_takes_nothing_away(platform, identity, at):
    stronger = replace(identity, memberships=tuple(replace(m, role=Role.OWNER) for m in identity.memberships))
    assert allowed(platform, stronger, at) >= allowed(platform, identity, at)


@given(platforms(), times, times, anybody)
def test_what_is_public_once_is_open_to_everybody_for_ever(platform, one, other, identity):
    earlier, later = sorted((one, other))
    assert allowed(platform, ANONYMOUS, earlier) <= allowed(platform, identity, later)


@given(platforms(), times, times, st.sampled_from(USERS), st.booleans())
def test_time_takes_nothing_away_from_one_whose_memberships_have_no_end(platform, one, other, name, admin):
    earlier, later = sorted((one, other))
    identity = Identity(name, tuple(Membership(team, role) for team, role in zip(TEAMS, Role, strict=True)), admin)
    assert allowed(platform, identity, earlier) <= allowed(platform, identity, later)


@given(platforms(), times, st.sampled_from(USERS))
def test_a_stranger_gets_what_is_public_for_everyone_or_their_own_and_nothing_else(platform, at, name):
    releases = {
        ReleaseRef(c, r)
        for c, collection in platform.collections.items()
        for r, release in collection.releases.items()
        if release.public_at(at)
    }
    profiles = {ProfileRef(name) for name, profile in platform.profiles.items() if profile.teams == "everyone"}
    own = {HomeRef(name), ServerRef(name)}
    assert {resource for _action, resource in allowed(platform, Identity(name), at)} == releases | profiles | own
    assert {resource for _action, resource in allowed(platform, ANONYMOUS, at)} == releases


@given(platforms(), times)
def test_the_platforms_services_get_every_release_and_nothing_else(platform, at):
    every = {ReleaseRef(c, r) for c, collection in platform.collections.items() for r in collection.releases}
    expected = {(action, ref) for ref in every for action in (Action.LIST, Action.READ)}
    assert allowed(platform, SERVICES, at) == {question for question in expected if question in QUESTIONS}


@given(platforms(), times, st.sampled_from(USERS))
def test_a_stranger_is_told_of_nothing_that_is_closed_but_of_what_is_announced(platform, at, name):
    told = {resource for action, resource in QUESTIONS if not decide(platform, Identity(name), action, resource, at).hidden}
    announced = {
        ReleaseRef(c, r)
        for c, collection in platform.collections.items()
        for r, release in collection.releases.items()
        if release.announced
    }
    assert told == {resource for _action, resource in allowed(platform, Identity(name), at)} | announced | {PlatformRef()}


def without(platform: Platform, resource: ReleaseRef | ProfileRef) -> Platform:
    """Return the platform as if that had never been written."""
    tree = platform.model_dump(mode="json")
    if isinstance(resource, ProfileRef):
        tree["profiles"].pop(resource.profile, None)
    else:
        tree["collections"][resource.collection]["releases"].pop(resource.release, None)
    return Platform.model_validate(tree)


@given(platforms(), anybody, times)
def test_what_is_hidden_answers_as_if_it_had_never_been_written(platform, identity, at):
    for resource in RESOURCES:
        if isinstance(resource, ReleaseRef | ProfileRef) and resource != ProfileRef("minimal"):
            decisions = {action: decide(platform, identity, action, resource, at) for action in Action}
            if any(decision.hidden for decision in decisions.values()):
                never = without(platform, resource)
                assert {action: decide(never, identity, action, resource, at) for action in Action} == decisions


RENAMED: tuple[tuple[Resource, Resource], ...] = (
    (ReleaseRef("sky", "dr1"), ReleaseRef("sky", NOBODYS)),
    (ReleaseRef("sky", "dr1"), ReleaseRef(NOBODYS, "dr1")),
    (HomeRef("bob"), HomeRef(NOBODYS)),
    (TeamSpaceRef("ant"), TeamSpaceRef(NOBODYS)),
    (ProfileRef("small"), ProfileRef(NOBODYS)),
    (ServerRef("bob"), ServerRef(NOBODYS)),
    (ServerRef("team-ant"), ServerRef(f"team-{NOBODYS}")),
)


@pytest.mark.parametrize(("there", "nowhere"), RENAMED, ids=[str(nowhere) for _there, nowhere in RENAMED])
@given(platforms(), anybody, times)
def test_what_is_hidden_and_what_is_nowhere_differ_in_the_asked_name_alone(there, nowhere, platform, identity, at):
    for action in Action:
        hidden = decide(platform, identity, action, there, at)
        if hidden.hidden or action not in there.actions:
            nothing = decide(platform, identity, action, nowhere, at)
            assert replace(hidden, sentence=hidden.sentence.replace(there.words, nowhere.words)) == nothing


@given(platforms(), anybody, times)
def test_next_change_is_the_next_moment_at_which_any_answer_changes(platform, identity, at):
    now = answers(platform, identity, at)
    later = [tick for tick in TICKS if tick > at]
    changed = next((tick for tick in later if answers(platform, identity, tick) != now), None)
    assert next_change(platform, identity, at) == changed


@given(platforms(), anybody, times)
def test_until_is_the_first_moment_at_which_the_clock_turns_the_answer(platform, identity, at):
    for (action, resource), decision in zip(QUESTIONS, answers(platform, identity, at), strict=True):
        if decision.hidden:
            assert decision.until is None
            continue
        later = [tick for tick in TICKS if tick > at]
        turned = (t for t in later if decide(platform, identity, action, resource, t).allowed != decision.allowed)
        assert decision.until == next(turned, None), (action, resource)


@given(platforms(), identities(), times)
def test_an_admin_gets_no_data_by_being_one(platform, identity, at):
    for action, resource in QUESTIONS:
        if action in DATA:
            admin, other = (decide(platform, replace(identity, admin=flag), action, resource, at) for flag in (True, False))
            assert admin == other


@given(platforms(), identities(admin=st.just(True)), times)
def test_an_admin_manages_every_server_and_the_platform(platform, identity, at):
    assert all(decide(platform, identity, Action.MANAGE, server, at).allowed for server in RESOURCES if isinstance(server, ServerRef))
    assert decide(platform, identity, Action.ADMINISTER, PlatformRef(), at).allowed


@given(platforms(), anybody, times, st.sampled_from(Action), st.sampled_from(RESOURCES))
def test_the_explanation_for_admins_never_answers_otherwise_than_the_decision(platform, identity, at, action, resource):
    truth, shown = explain(platform, identity, action, resource, at), decide(platform, identity, action, resource, at)
    assert truth.allowed == shown.allowed
    assert truth.hidden == shown.hidden
    assert truth == shown or shown.rule == "unknown"


@given(platforms(), anybody, times)
def test_an_action_that_does_not_fit_is_refused_to_everybody_alike(platform, identity, at):
    for action, resource in [(action, resource) for resource in RESOURCES for action in Action if action not in resource.actions]:
        decision = decide(platform, identity, action, resource, at)
        assert (decision.allowed, decision.rule) == (False, "action.unfit")
        assert decision == decide(platform, ANONYMOUS, action, resource, at)
