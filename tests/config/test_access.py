"""The access decision by example: each rule, its sentence, and who can change it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bowerbird_config.access import Action, Decision, decide, explain, next_change
from bowerbird_config.identity import ANONYMOUS, SERVICES
from bowerbird_config.platform import Platform
from bowerbird_config.resources import HomeRef, PlatformRef, Resource, ServerRef, TeamSpaceRef, parse_resource
from bowerbird_config.teams import Membership, Role
from bowerbird_config.user_names import SERVICES_ACCOUNT

from tests.support.platforms import described

OPENS = datetime(2027, 3, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

PLATFORM = Platform.model_validate(
    described(
        sign_on={"cas": {"url": "https://cas.example.org"}, "admins": ["admin"]},
        teams={
            "craft": {
                "title": "Craft",
                "contact": "craft@example.org",
                "owners": ["owner"],
                "members": ["member", {"name": "leaver", "until": ENDS}],
                "guests": ["guest", {"name": "passing", "until": OPENS + SECOND}],
            },
            "eso": {"title": "ESO", "contact": "eso@example.org", "members": ["visitor", {"name": "leaver", "until": ENDS + SECOND}]},
        },
        profiles={
            "minimal": {"title": "Minimal", "memory": "1 GiB", "cpu": 1, "teams": "everyone"},
            "eso": {"title": "ESO", "memory": "1 GiB", "cpu": 1, "teams": ["eso"]},
        },
        collections={
            "sky": {
                "title": "Sky",
                "contact": "sky@example.org",
                "releases": {
                    "dr0": {"title": "Public", "public": True},
                    "dr1": {"title": "Ours", "teams": ["craft"], "public_on": OPENS, "announced": True, "contact": "pi@example.org"},
                    "dr2": {"title": "Ours for ever", "teams": ["craft"], "announced": True},
                    "dr3": {"title": "Hidden", "teams": ["craft"], "public_on": OPENS},
                },
            },
            "sea": {"title": "Sea", "releases": {"dr1": {"title": "Both", "teams": ["eso", "craft"], "announced": True}}},
        },
    )
)
ADMINS = "the admins of the platform (help@example.org)"
NOTHING = f"nothing of that name is open to you, with no date set for a change. Who can change that: {ADMINS}."


def ask(user: str | None, action: str, resource: str, at: datetime = NOW) -> Decision:
    identity = PLATFORM.identity(user) if user else ANONYMOUS
    return decide(PLATFORM, identity, Action(action), parse_resource(resource), at)


@pytest.mark.parametrize("user", [None, "stranger", "member", "admin"])
def test_anyone_lists_and_reads_a_public_release(user):
    assert ask(user, "list", "release:sky/dr0").allowed
    assert ask(user, "read", "release:sky/dr0").sentence == "Reading release sky/dr0 is allowed: the release is public."


@pytest.mark.parametrize("user", ["owner", "member", "guest"])
def test_the_people_of_its_team_read_a_proprietary_release(user):
    decision = ask(user, "read", "release:sky/dr1")
    assert decision.rule == "release.team"
    article = "an" if user == "owner" else "a"
    assert (
        decision.sentence
        == f"Reading release sky/dr1 is allowed: the release is proprietary and you are {article} {user} of its team craft."
    )


def test_a_release_opens_to_everybody_in_the_second_of_its_date():
    assert not ask(None, "read", "release:sky/dr1", OPENS - SECOND).allowed
    opened = ask(None, "read", "release:sky/dr1", OPENS)
    assert opened.sentence == "Reading release sky/dr1 is allowed: the release is public since 2027-03-01 00:00 UTC."


def test_an_announced_release_is_refused_in_four_parts():
    decision = ask("stranger", "read", "release:sky/dr1")
    assert decision == Decision(
        allowed=False,
        rule="release.proprietary",
        sentence="Reading release sky/dr1 is refused: the release is proprietary to team craft, until 2027-03-01 00:00 UTC. "
        "Who can change that: the contact of release sky/dr1 (pi@example.org).",
        until=OPENS,
        grantor="the contact of release sky/dr1 (pi@example.org)",
    )


def test_a_refusal_without_an_end_says_that_none_is_set():
    assert "the release is proprietary to team craft, with no date set for a change." in ask("stranger", "read", "release:sky/dr2").sentence


@pytest.mark.parametrize(
    ("release", "grantor"),
    [
        ("sky/dr1", "the contact of release sky/dr1 (pi@example.org)"),
        ("sky/dr2", "the contact of collection sky (sky@example.org)"),
        ("sea/dr1", "the owners of team eso (eso@example.org)"),
    ],
)
def test_the_nearest_who_can_be_reached_is_named(release, grantor):
    assert ask("stranger", "read", f"release:{release}").grantor == grantor


def test_a_release_that_is_not_announced_answers_like_none():
    hidden, nothing = ask("stranger", "list", "release:sky/dr3"), ask("stranger", "list", "release:sky/dr4")
    assert hidden.sentence == f"Listing release sky/dr3 is refused: {NOTHING}"
    assert (hidden.hidden, hidden.rule, hidden.until) == (nothing.hidden, nothing.rule, nothing.until) == (True, "unknown", None)


def test_an_admin_is_told_the_true_reason_of_what_is_hidden():
    truth = explain(PLATFORM, PLATFORM.identity("stranger"), Action.READ, parse_resource("release:sky/dr3"), NOW)
    assert truth.rule == "release.proprietary"
    assert truth.hidden
    assert "proprietary to team craft, until 2027-03-01 00:00 UTC" in truth.sentence


def test_one_whose_membership_has_ended_is_told_so():
    decision = ask("leaver", "read", "release:sky/dr1", ENDS)
    assert (
        "proprietary to team craft (your membership of craft ended on 2027-01-01 00:00 UTC), until 2027-03-01 00:00 UTC"
        in decision.sentence
    )


def test_one_who_is_in_the_team_still_is_not_told_that_another_membership_of_it_ended():
    identity = replace(PLATFORM.identity("member"), memberships=(Membership("craft", Role.MEMBER), Membership("craft", Role.OWNER, ENDS)))
    refused = decide(PLATFORM, identity, Action.MANAGE, parse_resource("server:team-craft"), OPENS)
    assert refused.rule == "server.role"
    assert "ended" not in refused.sentence


def test_a_membership_that_ends_takes_the_access_in_that_second():
    before = ask("leaver", "read", "release:sky/dr1", ENDS - SECOND)
    assert (before.allowed, before.until) == (True, ENDS)
    assert not ask("leaver", "read", "release:sky/dr1", ENDS).allowed


def test_access_by_two_teams_lasts_as_long_as_the_longer_membership():
    assert ask("leaver", "read", "release:sea/dr1").until == ENDS + SECOND


def test_access_does_not_end_where_the_release_opens_before_the_membership_ends():
    assert ask("passing", "read", "release:sky/dr1").until is None
    assert ask("passing", "read", "release:sky/dr2").until == OPENS + SECOND


@pytest.mark.parametrize(
    ("user", "reads", "writes"), [("owner", True, True), ("member", True, True), ("guest", True, False), ("stranger", False, False)]
)
def test_a_teams_space_is_open_by_role(user, reads, writes):
    assert (ask(user, "read", "space:team/craft").allowed, ask(user, "write", "space:team/craft").allowed) == (reads, writes)


def test_a_guest_who_writes_is_told_what_guests_do():
    assert ask("guest", "write", "space:team/craft").sentence == (
        "Writing to the space of team craft is refused: you are a guest of team craft, and guests read and do not write, "
        "with no date set for a change. Who can change that: the owners of team craft (craft@example.org)."
    )


def test_a_home_is_open_to_its_user_alone():
    assert ask("member", "write", "space:home/member").allowed
    for user in (None, "owner", "admin"):
        assert ask(user, "read", "space:home/member").sentence == f"Reading the home of member is refused: {NOTHING}"


@pytest.mark.parametrize(
    ("user", "profile", "rule"),
    [
        ("stranger", "minimal", "profile.everyone"),
        ("visitor", "eso", "profile.team"),
        ("member", "eso", "unknown"),
        ("member", "nothing", "unknown"),
        (None, "minimal", "unknown"),
    ],
)
def test_a_profile_is_for_everyone_signed_in_or_for_its_teams(user, profile, rule):
    decision = ask(user, "spawn", f"profile:{profile}")
    assert decision.rule == rule
    assert decision.allowed == (rule != "unknown")


@pytest.mark.parametrize(
    ("user", "server", "opens", "manages"),
    [
        ("member", "member", True, True),
        ("owner", "member", False, False),
        ("admin", "member", False, True),
        ("owner", "team-craft", True, True),
        ("member", "team-craft", True, False),
        ("guest", "team-craft", False, False),
        ("stranger", "team-craft", False, False),
        ("admin", "team-craft", False, True),
        (None, "member", False, False),
    ],
)
def test_who_opens_and_manages_a_server(user, server, opens, manages):
    assert (ask(user, "open", f"server:{server}").allowed, ask(user, "manage", f"server:{server}").allowed) == (opens, manages)


def test_a_guest_who_opens_the_teams_server_is_told_who_may():
    assert ask("guest", "open", "server:team-craft").sentence == (
        "Opening the server of team-craft is refused: the server of team craft is for its owners and members, "
        "with no date set for a change. Who can change that: the owners of team craft (craft@example.org)."
    )


def test_only_admins_administer_the_platform():
    assert ask("admin", "administer", "platform").allowed
    assert ask("owner", "administer", "platform").grantor == ADMINS


def test_writing_to_a_release_is_nothing_that_anybody_may_do():
    assert ask("owner", "write", "release:sky/dr1").sentence == (
        "Writing to release sky/dr1 is refused: nobody can write it, only list and read it, "
        "with no date set for a change. Who can change that: nobody."
    )


@pytest.mark.parametrize("release", ["sky/dr0", "sky/dr1", "sky/dr2", "sky/dr3", "sea/dr1"])
@pytest.mark.parametrize("action", ["list", "read"])
def test_the_platforms_services_read_every_release(action, release):
    decision = decide(PLATFORM, SERVICES, Action(action), parse_resource(f"release:{release}"), NOW)
    assert (decision.allowed, decision.rule, decision.until) == (True, "release.services", None)
    assert decision.sentence.endswith("is allowed: the platform's services read every release, to show it to those who may read it.")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("read", "release:sky/dr9"),
        ("write", "release:sky/dr0"),
        ("read", "space:home/member"),
        ("read", "space:team/craft"),
        ("write", "space:team/craft"),
        ("spawn", "profile:minimal"),
        ("open", "server:member"),
        ("manage", "server:member"),
        ("administer", "platform"),
    ],
)
def test_the_platforms_services_do_nothing_else(action, resource):
    assert not decide(PLATFORM, SERVICES, Action(action), parse_resource(resource), NOW).allowed


def test_the_platforms_services_have_no_home_and_no_rights_that_a_file_gives_them():
    posing = replace(SERVICES, memberships=PLATFORM.identity("owner").memberships, admin=True)
    resources: tuple[Resource, ...] = (HomeRef(SERVICES_ACCOUNT), TeamSpaceRef("craft"), ServerRef(SERVICES_ACCOUNT), PlatformRef())
    for resource in resources:
        for action in resource.actions:
            assert not decide(PLATFORM, posing, action, resource, NOW).allowed


def test_nobody_signs_in_as_the_platforms_services():
    assert PLATFORM.admits(PLATFORM.identity("stranger"), NOW)
    assert not PLATFORM.admits(SERVICES, NOW)
    assert PLATFORM.let_in(SERVICES, NOW) is ANONYMOUS


def test_the_next_change_is_the_end_of_a_membership_or_the_opening_of_a_release():
    leaver = PLATFORM.identity("leaver")
    moments = [NOW]
    while (moment := next_change(PLATFORM, leaver, moments[-1])) is not None:
        moments.append(moment)
    assert moments == [NOW, ENDS, ENDS + SECOND, OPENS]
