"""The record of a publisher DID: for whom there is one, for whom a refusal, and for whom nothing."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from bowerbird_config.access import decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, ReleaseRef
from bowerbird_config.teams import Membership, Role
from bowerbird_services.archive import Archive, ClosedRecord, NoRecord
from bowerbird_services.identity import Records
from bowerbird_services.store import shelf, sidecar
from bowerbird_services.store.dids import DID
from bowerbird_services.store.products import NAME, Product
from hypothesis import given
from hypothesis import strategies as st

from tests.services.gallery import directories
from tests.support.platforms import RELEASES, START, TICKS, described, identities, platforms

TEAM = {"craft": {"title": "Craft", "contact": "the owner of Craft"}}
MEMBER = Identity("ann", (Membership("craft", Role.MEMBER),))
FILE = "images/m 13.fits"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    places = [(collection, release) for collection in ("sky", "sea") for release in RELEASES]
    for place in places:
        folder = root / "tables" / place[0] / place[1]
        folder.mkdir(parents=True)
        sidecar.replace_json(folder / NAME, {"products": [Product(FILE, "image", "application/fits", 5).to_json()]})
        (root / "releases" / place[0] / place[1] / "images").mkdir(parents=True)
        (root / "releases" / place[0] / place[1] / FILE).write_text("/".join(place)[:5])
    shelf.write_index(root / "tables", places)
    return root


def archive(root: Path, platform: Platform) -> Archive:
    return Archive(Records(platform), shelf.Shelf(root / "tables"), directories(root / "releases"))


@pytest.fixture
def made(root: Path) -> Callable[..., Archive]:
    def make(**release: object) -> Archive:
        releases = {"dr1": {"title": "First"} | release, "dr2": {"title": "Second", "public": True}}
        return archive(root, Platform.model_validate(described(teams=TEAM, collections={"sky": {"title": "Sky", "releases": releases}})))

    return make


@given(platform=platforms(), identity=identities(), at=st.sampled_from(TICKS))
def test_a_record_is_there_exactly_as_the_decision_says(root: Path, platform: Platform, identity: Identity, at: datetime) -> None:
    known = archive(root, platform)
    for place in [(collection, release) for collection in ("sky", "sea") for release in RELEASES]:
        decision = decide(platform, identity, Action.READ, ReleaseRef(*place), at)
        for file in (FILE, "absent.fits"):
            did = str(DID(*place, file))
            if decision.allowed and file == FILE:
                found = known.record(identity, did, at)
                assert (found.product.file, found.place, found.decision) == (FILE, place, decision)
                continue
            closed = not decision.allowed and not decision.hidden
            with pytest.raises(ClosedRecord if closed else NoRecord) as caught:
                known.record(identity, did, at)
            assert str(caught.value) == (decision.sentence if closed else "")


def test_a_record_opens_as_the_file_of_its_own_release(made: Callable[..., Archive]) -> None:
    known = made(teams=["craft"])
    file = known.opened(known.record(MEMBER, f"ivo://x-bowerbird/sky/dr1?{FILE.replace(' ', '%20')}", START))
    try:
        assert os.pread(file.descriptor, 99, 0) == b"sky/d"
    finally:
        file.close()


def test_a_release_opens_in_the_second_of_its_date(made: Callable[..., Archive]) -> None:
    known, did = made(teams=["craft"], public_on=TICKS[4]), str(DID("sky", "dr1", FILE))
    with pytest.raises(NoRecord):
        known.record(ANONYMOUS, did, TICKS[3])
    assert known.record(ANONYMOUS, did, TICKS[4]).product.file == FILE


@pytest.mark.parametrize("file", ["..", "../dr1/m13.fits", "/etc/passwd", "images/../images/m 13.fits", "images//m 13.fits", "m13.fits\0"])
def test_no_path_of_a_did_is_a_path(made: Callable[..., Archive], file: str) -> None:
    with pytest.raises(NoRecord):
        made(public=True).record(MEMBER, str(DID("sky", "dr1", file)), START)
