"""Sizes, times, names and mappings of the platform file."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bowerbird_config.model import (
    FrozenDict,
    format_duration,
    format_moment,
    format_size,
    parse_duration,
    parse_moment,
    parse_size,
)
from bowerbird_config.platform import Platform
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.platforms import described


@given(st.integers(0, 10**18 - 1))
def test_a_size_is_read_back_as_it_was_written(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**15))
def test_a_duration_is_read_back_as_it_was_written(milliseconds):
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "size"),
    [("4 GiB", 4 << 30), ("1.5 KiB", 1536), ("0 B", 0), (" 2MiB ", 2 << 20), (7, 7)],
)
def test_a_size_has_a_binary_unit(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("raw", ["4", "4 GB", "4 gib", "-4 GiB", "4 GiB 2", "GiB", "4e3 GiB", "", True, None, 4.5, -1])
def test_what_is_no_size_is_refused(raw):
    with pytest.raises(ValueError, match="is not a quantity with a unit; write it like '4 GiB'"):
        parse_size(raw)


@pytest.mark.parametrize(
    ("text", "duration"), [("30 min", timedelta(minutes=30)), ("1.5 h", timedelta(minutes=90)), ("30 d", timedelta(days=30))]
)
def test_a_duration_has_a_unit(text, duration):
    assert parse_duration(text) == duration


def test_a_duration_beyond_all_calendars_is_a_sentence():
    with pytest.raises(ValueError, match="longer than any platform lives"):
        parse_duration("999999999999999999 d")


@pytest.mark.parametrize("text", ["2027-03-01T02:00:00+02:00", "2027-03-01 00:00:00Z", "20270301T000000+00:00"])
def test_a_moment_is_kept_in_utc(text):
    assert parse_moment(text) == datetime(2027, 3, 1, tzinfo=UTC)
    assert parse_moment(text).tzinfo is UTC


@pytest.mark.parametrize("raw", ["2027-03-01", "2027-03-01T00:00:00", datetime(2027, 3, 1)])  # the last is the fault
def test_a_moment_without_its_offset_is_refused(raw):
    with pytest.raises(ValueError, match="has no UTC offset; write it like 2027-03-01T00:00:00Z"):
        parse_moment(raw)


@pytest.mark.parametrize("raw", ["soon", "", 1_800_000_000, "1800000000", None, "2027-13-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(raw):
    with pytest.raises(ValueError, match="2027-03-01T00:00:00Z"):
        parse_moment(raw)


def test_a_moment_outside_the_calendar_in_utc_is_a_sentence():
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        parse_moment("0001-01-01T00:00:00+14:00")


def test_a_moment_is_shown_in_utc_with_seconds_only_where_it_has_them():
    assert format_moment(datetime(2027, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "2027-03-01 00:00 UTC"
    assert format_moment(datetime(2027, 3, 1, 0, 0, 5, tzinfo=UTC)) == "2027-03-01 00:00:05 UTC"


CHANGES = (
    lambda d: d.__setitem__("b", 2),
    lambda d: d.__delitem__("a"),
    lambda d: d.update(b=2),
    lambda d: d.pop("a"),
    lambda d: d.popitem(),
    lambda d: d.clear(),
    lambda d: d.setdefault("b", 2),
    lambda d: d.__ior__({"b": 2}),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_frozen_mapping_cannot_be_changed(change):
    frozen = FrozenDict({"a": 1})
    with pytest.raises(TypeError, match="cannot be changed"):
        change(frozen)
    assert frozen == {"a": 1}


def test_equal_frozen_mappings_have_one_hash_and_copies_are_equal():
    one, other = FrozenDict({"a": 1, "b": 2}), FrozenDict({"b": 2, "a": 1})
    assert hash(one) == hash(other)
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own bytes


@pytest.mark.parametrize("title", ["Gaia, 482\u2009176 stars", "Télescope", "銀河", "  padded  "])
def test_a_title_is_any_one_line(title):
    assert Platform.model_validate(described(name=title)).name == title.strip()


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "a\x1b[31m", "a\u2028b"])
def test_a_title_of_no_or_more_lines_is_refused(title):
    with pytest.raises(ValidationError, match="is not one line of text; write one line"):
        Platform.model_validate(described(name=title))


def test_a_platform_is_frozen_through_and_through():
    platform = Platform.model_validate(described())
    assert isinstance(hash(platform), int)
    with pytest.raises(ValidationError, match="frozen"):
        platform.name = "Other"  # type: ignore[misc]  # that is the fault
    with pytest.raises(TypeError, match="cannot be changed"):
        platform.profiles["other"] = platform.profiles["minimal"]  # type: ignore[index]  # that is the fault


def test_a_platform_that_was_not_read_from_a_file_is_checked_all_the_same():
    with pytest.raises(ValidationError, match=r"sign_on\.allow_teams names team 'craft', which is not defined; defined: none"):
        Platform.model_validate(described(sign_on={"cas": {"url": "https://cas.example.org"}, "allow_teams": ["craft"]}))


def test_a_team_has_its_own_quota_or_that_of_all():
    teams = {name: {"title": name, "contact": "x@example.org"} for name in ("craft", "eso")}
    spaces = Platform.model_validate(
        described(teams=teams, spaces={"team": {"hard": "1 GiB"}, "team_quotas": {"eso": {"hard": "2 GiB"}}})
    ).spaces
    assert [spaces.quota_of(team).hard for team in ("craft", "eso")] == [1 << 30, 2 << 30]
