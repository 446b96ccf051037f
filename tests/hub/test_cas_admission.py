"""Who may come in, and what the others read; which groups and roles the hub gives."""

from datetime import UTC, datetime, timedelta

import pytest
from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role
from bowerbird_hub.sign_on import admission, team_roles
from jupyterhub import roles as hub_roles
from jupyterhub import scopes as hub_scopes

from tests.support.sign_on_hub import PLATFORM

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CRAFT = Membership("craft", Role.MEMBER)


def platform(**rules: list[str]) -> Platform:
    return Platform.model_validate({**PLATFORM, "sign_on": {"cas": {"url": "https://cas.example.org/cas"}, **rules}})


@pytest.mark.parametrize(
    ("rules", "memberships", "comes_in"),
    [
        ({}, [], True),
        ({"allow_users": ["ann"]}, [], True),
        ({"allow_users": ["Ann"]}, [], True),
        ({"allow_users": ["ben"]}, [], False),
        ({"allow_teams": ["craft"]}, [CRAFT], True),
        ({"allow_teams": ["craft"]}, [], False),
        ({"allow_teams": ["eso"]}, [CRAFT], False),
        ({"allow_teams": ["eso"], "allow_users": ["ann"]}, [CRAFT], True),
        ({"allow_teams": ["craft"]}, [Membership("craft", Role.OWNER, NOW)], False),
        ({"allow_teams": ["craft"]}, [Membership("craft", Role.GUEST, NOW + timedelta(seconds=1))], True),
        ({"block_users": ["ann"]}, [CRAFT], False),
        ({"block_users": ["Ann"], "allow_users": ["ann"], "allow_teams": ["craft"]}, [CRAFT], False),
        ({"allow_teams": ["eso"], "admins": ["ann"]}, [], True),
        ({"block_users": ["ann"], "admins": ["ann"]}, [], False),
    ],
)
def test_rules_of_the_platform_file(rules: dict[str, list[str]], memberships: list[Membership], comes_in: bool):
    assert (admission.fault(platform(**rules), "ann", memberships, NOW) is None) == comes_in


def test_a_refusal_says_what_why_until_when_and_who_can_change_it():
    here = platform(block_users=["ann"])
    refused = admission.refuse(here, admission.fault(here, "ann", [], NOW) or "")
    assert refused.status == 403
    assert str(refused) == (
        "Signing in is refused: the platform file blocks the user 'ann', with no date set for a change. "
        "Who can change that: the admins of the platform (admins@example.org)."
    )


def test_groups_are_teams_of_the_platform_whose_membership_holds():
    past, future = Membership("eso", Role.OWNER, NOW), Membership("aat", Role.GUEST, NOW + timedelta(days=1))
    assert team_roles.groups([CRAFT, CRAFT, past, future], NOW) == ["aat", "craft"]


def test_owners_get_more_than_members_and_guests_get_nothing():
    given = (CRAFT, Membership("eso", Role.OWNER), Membership("aat", Role.GUEST), Membership("old", Role.OWNER, NOW))
    assert [role["name"] for role in team_roles.roles(Identity("ann", given), NOW)] == [
        "team-craft-member",
        "team-eso-member",
        "team-eso-owner",
    ]


def test_admins_get_no_server_no_token_and_no_person_of_their_own_making():
    (role,) = team_roles.roles(Identity("ann", admin=True), NOW)
    hub_roles._validate_role_name(role["name"])
    hub_scopes._check_scopes_exist(role["scopes"], who_for="a test")
    gives = {scope for given in role["scopes"] for scope in hub_scopes._expand_scope(given)}
    assert {"admin-ui", "start:servers", "delete:servers", "delete:users", "read:metrics"} <= gives
    assert not gives & {
        "access:servers",
        "tokens",
        "admin:users",
        "users",
        "admin:servers",
        "admin:server_state",
        "proxy",
        "shares",
        "groups",
    }


@pytest.mark.parametrize("team", ["a", "a-", "a_", "craft-frb", "x" * 31])
def test_the_hub_takes_every_role_of_every_team_name(team: str):
    for role in team_roles.roles(Identity("ann", (Membership(team, Role.OWNER),)), NOW):
        hub_roles._validate_role_name(role["name"])
        hub_scopes._check_scopes_exist(role["scopes"], who_for="a test")
        assert all(scope.endswith(f"!group={team}") for scope in role["scopes"])
