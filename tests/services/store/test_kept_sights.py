"""What is kept of a sight is what would be seen anew, at every time and after every change."""

from datetime import datetime, timedelta
from pathlib import Path

from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.kept_sights import KeptSights
from bowerbird_services.store.shelf import Shelf
from hypothesis import given
from hypothesis import strategies as st

from tests.services.store.test_catalogues import MEMBER, PLACES, fill, platform, shelf
from tests.support.platforms import START, TICKS, identities, platforms
from tests.support.shelves import put, stars

__all__ = ["shelf"]
MOMENT = timedelta(microseconds=1)


@given(platform=platforms(), asking=st.lists(st.tuples(identities(), st.sampled_from(TICKS)), min_size=1, max_size=12))
def test_a_store_that_has_been_asked_answers_as_a_fresh_one(
    shelf: Shelf, platform: Platform, asking: list[tuple[Identity, datetime]]
) -> None:
    store = TableStore(shelf)
    for identity, at in asking:
        seen, fresh = store.catalogue(platform, identity, at), TableStore(shelf).catalogue(platform, identity, at)
        assert [table.full_name for table in seen] == [table.full_name for table in fresh]
        assert seen.schemas == fresh.schemas


def test_a_release_opens_in_the_moment_that_its_date_says(shelf: Shelf) -> None:
    owned, store = platform(teams=["craft"], public_on=TICKS[4]), TableStore(shelf)
    for at, there in ((TICKS[4] - MOMENT, False), (TICKS[4], True), (TICKS[4] - MOMENT, False)):
        assert (store.catalogue(owned, ANONYMOUS, at).get("sky_dr1.stars") is not None) is there


def test_a_membership_ends_in_its_moment(shelf: Shelf) -> None:
    owned, store = platform(teams=["craft"]), TableStore(shelf)
    leaving = Identity("ann", (Membership("craft", Role.MEMBER, TICKS[3]),))
    for at, there in ((START, True), (TICKS[3] - MOMENT, True), (TICKS[3], False)):
        assert (store.catalogue(owned, leaving, at).get("sky_dr1.stars") is not None) is there


def test_another_platform_and_another_ingest_are_seen_at_once(tmp_path: Path) -> None:
    store, public = TableStore(fill(tmp_path, PLACES[:1])), platform(public=True)
    assert store.catalogue(public, ANONYMOUS, START).get("sky_dr1.galaxies") is None
    put(tmp_path, PLACES[0], "galaxies", stars(5))
    assert store.catalogue(public, ANONYMOUS, START).get("sky_dr1.galaxies") is not None
    assert store.catalogue(platform(teams=["craft"]), ANONYMOUS, START).get("sky_dr1.galaxies") is None


def test_those_who_see_the_same_share_it_and_others_do_not(shelf: Shelf) -> None:
    owned, store = platform(teams=["craft"]), TableStore(shelf)
    ann = store.catalogue(owned, MEMBER, START)
    assert store.catalogue(owned, MEMBER, START) is ann
    assert store.catalogue(owned, Identity("bob", MEMBER.memberships), START) is ann
    assert store.catalogue(owned, ANONYMOUS, START) is not ann


def test_only_those_who_asked_last_are_kept() -> None:
    kept, known, made = KeptSights[str](most=2), platform(public=True), []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert kept.of(Identity(name), known, None, START, lambda: make(name)) == name  # noqa: B023  called now
    assert made == ["a", "b", "c", "b"]
