"""Who is in which team, and until when; who may sign in."""

from datetime import UTC, datetime, timedelta

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.sign_on import is_loopback
from bowerbird_config.teams import Membership, Role, Team, memberships

from tests.support.platforms import described

END = datetime(2027, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CRAFT = {
    "title": "Craft",
    "contact": "craft@example.org",
    "groups": ["CN=Craft,DC=example,DC=org"],
    "owners": ["ann"],
    "guests": [{"name": "Eve", "until": "2027-03-01T00:00:00Z"}],
}


@pytest.fixture
def craft():
    return {"craft": Team.model_validate(CRAFT)}


def test_a_named_person_has_the_role_that_names_them(craft):
    assert memberships(craft, "ann", []) == (Membership("craft", Role.OWNER),)


def test_a_group_of_the_directory_makes_a_member_whatever_its_case(craft):
    assert memberships(craft, "bob", ["cn=craft,dc=example,dc=org"]) == (Membership("craft", Role.MEMBER),)


def test_a_group_that_only_begins_alike_makes_nobody_a_member(craft):
    assert memberships(craft, "bob", ["cn=craft,dc=example,dc=org2", "cn=craft"]) == ()


def test_somebody_named_and_in_the_group_has_the_stronger_role(craft):
    platform = Platform.model_validate(described(teams={"craft": CRAFT}))
    ann = platform.identity("ann", ["cn=craft,dc=example,dc=org"])
    assert ann.role_in("craft", END) is Role.OWNER


def test_a_membership_ends_to_the_second():
    eve = Platform.model_validate(described(teams={"craft": CRAFT})).identity("eve")
    assert eve.role_in("craft", END - SECOND) is Role.GUEST
    assert eve.role_in("craft", END) is None


def test_a_role_may_do_more_than_the_ones_below_it():
    assert Role.OWNER.rank > Role.MEMBER.rank > Role.GUEST.rank


def test_an_identity_record_travels_as_json():
    record = IdentityRecord(
        7, "ann", 600_001, 600_001, (Membership("craft", Role.GUEST, END), Membership("eso", Role.OWNER)), {"craft": 600_002}, True
    )
    assert IdentityRecord.from_json(record.to_json()) == record


def test_an_admin_is_one_who_is_named_so():
    platform = Platform.model_validate(described(sign_on={"cas": {"url": "https://cas.example.org"}, "admins": ["Ann"]}))
    assert platform.identity("ann").admin
    assert not platform.identity("bob").admin


CAS = {"url": "https://cas.example.org"}
TEAMS = {"craft": CRAFT}


@pytest.mark.parametrize(
    ("rules", "user", "teams", "admitted"),
    [
        ({}, "bob", [], True),
        ({"allow_users": ["ann"]}, "bob", [], False),
        ({"allow_users": ["ann"]}, "ann", [], True),
        ({"allow_teams": ["craft"]}, "bob", ["eso"], False),
        ({"allow_teams": ["craft"]}, "bob", ["eso", "craft"], True),
        ({"allow_teams": ["craft"], "admins": ["bob"]}, "bob", [], True),
        ({"block_users": ["bob"]}, "bob", [], False),
        ({"block_users": ["bob"], "allow_users": ["bob"], "admins": ["bob"]}, "bob", ["craft"], False),
    ],
)
def test_who_may_sign_in(rules, user, teams, admitted):
    platform = Platform.model_validate(described(teams=TEAMS, sign_on={"cas": CAS, **rules}))
    assert platform.sign_on.admits(user, teams) is admitted


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_reaches_a_loopback_address(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hub.example.org", "localhost.example.org", ""])  # noqa: S104  # nothing binds it
def test_others_may_reach_every_other_address(host):
    assert not is_loopback(host)
