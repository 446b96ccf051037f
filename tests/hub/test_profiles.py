"""Profiles: what is on offer to whom, and which options make a choice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bowerbird_config.access import Action, ProfileRef, decide
from bowerbird_config.platform import Platform
from bowerbird_hub.profiles import ChoiceRefused, OptionsMalformed, choose, on_offer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.platforms import described

NOW = datetime(2027, 1, 1, tzinfo=UTC)
END = NOW + timedelta(days=1)


def _profile(**parts: Any) -> dict[str, Any]:
    return {"title": "A profile", "memory": "1 GiB", "cpu": 1, "teams": "everyone"} | parts


PLATFORM = Platform.model_validate(
    described(
        teams={
            "eso": {"title": "ESO", "contact": "eso@example.org", "members": ["ann", {"name": "guest", "until": END.isoformat()}]},
            "aat": {"title": "AAT", "contact": "aat@example.org", "members": ["bob"]},
        },
        profiles={"minimal": _profile(), "uves": _profile(teams=["eso"]), "spectra": _profile(teams=["aat", "eso"])},
    )
)
LONELY = Platform.model_validate(described())
ANN, BOB, GUEST = (PLATFORM.identity(name) for name in ("ann", "bob", "guest"))


def names(identity: Any, at: datetime = NOW) -> list[str]:
    return [choice.name for choice in on_offer(PLATFORM, identity, at)]


def test_each_is_offered_what_is_for_everyone_and_for_their_teams() -> None:
    assert names(ANN) == ["minimal", "uves", "spectra"]
    assert names(BOB) == ["minimal", "spectra"]


def test_offer_ends_with_the_membership_to_the_second() -> None:
    assert "uves" in names(GUEST, END - timedelta(seconds=1))
    assert names(GUEST, END) == ["minimal"]


@pytest.mark.parametrize("raw", [{"profile": "uves"}, {"profile": ["uves"]}])
def test_option_of_form_and_of_api_make_the_same_choice(raw: dict[str, Any]) -> None:
    choice = choose(raw, PLATFORM, ANN, NOW)
    assert (choice.name, choice.profile) == ("uves", PLATFORM.profiles["uves"])
    assert choice.options == {"profile": "uves"}


def test_profile_of_another_team_is_refused_in_the_words_of_the_decision() -> None:
    with pytest.raises(ChoiceRefused) as refused:
        choose({"profile": "uves"}, PLATFORM, BOB, NOW)
    assert str(refused.value) == decide(PLATFORM, BOB, Action.SPAWN, ProfileRef("uves"), NOW).sentence
    assert not isinstance(refused.value, OptionsMalformed)


def test_hidden_profile_answers_as_one_that_does_not_exist() -> None:
    with pytest.raises(ChoiceRefused) as hidden:
        choose({"profile": "uves"}, PLATFORM, BOB, NOW)
    with pytest.raises(ChoiceRefused) as absent:
        choose({"profile": "ulysses"}, PLATFORM, BOB, NOW)
    assert str(hidden.value).replace("uves", "ulysses") == str(absent.value)


def test_one_profile_needs_no_choice() -> None:
    assert choose({}, LONELY, LONELY.identity("ann"), NOW).name == "minimal"


def test_of_several_one_has_to_be_chosen_and_they_are_named() -> None:
    with pytest.raises(OptionsMalformed, match="On offer: minimal, uves, spectra"):
        choose({}, PLATFORM, ANN, NOW)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "uves",
        {"profile": "uves", "memory": "64 GiB"},
        {"image": "evil"},
        {"profile": ["uves", "minimal"]},
        {"profile": 7},
        {"profile": {"name": "uves"}},
        {"profile": "uves\n"},
        {"profile": "../uves"},
        {"profile": "<script>alert(1)</script>"},
        {"profile": "u" * 100_000},
        {"\x1b[2J": "uves"},
    ],
)
def test_what_is_no_option_is_refused_shortly_and_in_plain_characters(raw: Any) -> None:
    with pytest.raises(OptionsMalformed) as refused:
        choose(raw, PLATFORM, ANN, NOW)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["minimal", "uves", "spectra", "profile"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("profile"), inner, max_size=3),
)


@given(_json, st.sampled_from([ANN, BOB, GUEST]), st.sampled_from([NOW, END]))
def test_no_option_whatever_makes_a_choice_that_is_not_on_offer(raw: Any, identity: Any, at: datetime) -> None:
    try:
        choice = choose(raw, PLATFORM, identity, at)
    except ChoiceRefused:
        return
    assert choice in on_offer(PLATFORM, identity, at)
