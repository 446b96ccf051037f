"""A view, its way to the worker, and what is left of it at a time."""

from dataclasses import replace

from bowerbird_fuse.view import HOME, SpaceShown, Standing, View, lost
from hypothesis import given
from hypothesis import strategies as st

from tests.support.views import HOME_SPACE, release, view, views


@given(views())
def test_view_arrives_as_it_was_sent(sent: View) -> None:
    assert View.from_json(sent.to_json()) == sent


@given(views(), st.floats(0, 120), st.floats(0, 120))
def test_rights_only_go_as_time_goes_on(shown: View, one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    before, after = shown.at(earlier), shown.at(later)
    assert after.writable.keys() <= before.writable.keys()
    assert all(before.writable[key] or not writable for key, writable in after.writable.items())
    assert before.at(later) == after


@given(views(), st.floats(0, 120))
def test_nothing_changes_before_the_next_end(shown: View, now: float) -> None:
    end = shown.next_end
    assert (shown.at(now) == shown) or (end is not None and now >= end)


def test_right_ends_at_its_moment_and_not_before() -> None:
    shown = view(release("dr1", until=10.0), release("dr2"))
    assert len(shown.at(9.999).releases) == 2
    assert [r.name for r in shown.at(10.0).releases] == ["dr2"]


def test_right_to_write_may_end_first() -> None:
    shown = view(spaces=(SpaceShown("ant", 7, True, until=20.0, write_until=10.0),))
    assert shown.at(5).writable == {"team/ant": True}
    assert shown.at(10).writable == {"team/ant": False}
    assert shown.at(20).writable == {}


def test_announced_release_gives_no_directory() -> None:
    assert view(release("dr1", Standing.ANNOUNCED)).writable == {HOME: True}


def test_what_is_lost_is_what_was_shown_or_written() -> None:
    old = view(release("dr1"), release("dr2"), spaces=(HOME_SPACE, SpaceShown("ant", 7, True)))
    new = view(release("dr2"), release("dr3"), spaces=(HOME_SPACE, SpaceShown("ant", 7, False)))
    assert lost(old, new) == {"release/sky/dr1", "team/ant"}
    assert lost(new, old) == {"release/sky/dr3"}
    assert lost(old, replace(old, made=9.0)) == frozenset()
