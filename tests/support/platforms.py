"""Platforms to test with: one that is written out, and random ones for laws."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role
from hypothesis import strategies as st

TEAMS = ("ant", "bee", "cat")
USERS = ("ann", "bob")
RELEASES = ("dr1", "dr2")
# A clock of few ticks, so that ends, openings and questions often fall together.
START = datetime(2027, 3, 1, tzinfo=UTC)
TICKS = [START + timedelta(minutes=30 * tick) for tick in range(12)]


def described(**parts: Any) -> dict[str, Any]:
    """Return the least platform there is, with those parts, as the loader sees it."""
    least = {
        "bowerbird": 1,
        "name": "Test",
        "contact": "help@example.org",
        "sign_on": {"cas": {"url": "https://cas.example.org/cas"}},
        "profiles": {"minimal": {"title": "Minimal", "memory": "1 GiB", "cpu": 1, "teams": "everyone"}},
    }
    return least | parts


def moments() -> st.SearchStrategy[datetime]:
    """Draw a moment at which something may happen."""
    return st.sampled_from(TICKS[2:-2:2])


def _proprietary() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"title": st.just("A release"), "teams": st.lists(st.sampled_from(TEAMS), min_size=1, max_size=2, unique=True)},
        optional={"public_on": moments(), "announced": st.booleans(), "contact": st.sampled_from(["", "pi@example.org"])},
    )


def _releases() -> st.SearchStrategy[dict[str, Any]]:
    release = st.just({"title": "A release", "public": True}) | _proprietary()
    return st.dictionaries(st.sampled_from(RELEASES), release, min_size=1)


@st.composite
def platforms(draw: st.DrawFn) -> Platform:
    """Draw a platform with every kind of release and profile."""
    audience = st.just("everyone") | st.lists(st.sampled_from(TEAMS), min_size=1, unique=True)
    teams = {team: {"title": team, "contact": f"{team}@example.org"} for team in TEAMS}
    profiles = {
        name: {"title": name, "memory": "1 GiB", "cpu": 1, "teams": draw(audience)}
        for name in draw(st.lists(st.sampled_from(["small", "large"]), unique=True))
    }
    profiles["minimal"] = {"title": "Minimal", "memory": "1 GiB", "cpu": 1, "teams": "everyone"}
    contacts = st.sampled_from(["", "survey@example.org"])
    collections = {name: {"title": name, "contact": draw(contacts), "releases": draw(_releases())} for name in ("sky", "sea")}
    return Platform.model_validate(described(teams=teams, profiles=profiles, collections=collections))


def memberships() -> st.SearchStrategy[Membership]:
    """Draw a membership, also of a team that is defined nowhere."""
    return st.builds(Membership, st.sampled_from([*TEAMS, "ghost"]), st.sampled_from(Role), st.none() | moments())


def identities(admin: st.SearchStrategy[bool] = st.booleans()) -> st.SearchStrategy[Identity]:  # noqa: B008  # a strategy is a value
    """Draw somebody who is signed in."""
    return st.builds(Identity, st.sampled_from(USERS), st.lists(memberships(), max_size=4).map(tuple), admin)
