"""The texts that a view says of itself."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bowerbird_config.collections import Collection, Release
from bowerbird_config.teams import Membership, Role
from bowerbird_fuse import manifest
from bowerbird_fuse.view import Standing

OPENING = datetime(2027, 3, 1, 1, tzinfo=timezone(timedelta(hours=1)))
RELEASE = Release(
    title="Second look",
    description="Deeper than the first.",
    teams=("ant",),
    public_on=OPENING,
    contact="pi@example.org",
    cite="Bird et al. 2026",
    doi="10.1/xyz",
    licence="CC BY-SA 4.0",
    source="https://example.org/dr2",
)
COLLECTION = Collection(title="The sky", contact="sky@example.org", releases={"dr2": RELEASE})


def test_readme_of_a_proprietary_release() -> None:
    assert manifest.readme(COLLECTION, RELEASE, Standing.PROPRIETARY) == (
        "The sky: Second look\n"
        "====================\n"
        "\n"
        "Deeper than the first.\n"
        "\n"
        "Standing: proprietary to ant, until 2027-03-01 00:00 UTC\n"
        "Contact:  pi@example.org\n"
        "Cite:     Bird et al. 2026\n"
        "DOI:      10.1/xyz\n"
        "Licence:  CC BY-SA 4.0\n"
        "Source:   https://example.org/dr2\n"
    )


def test_readme_leaves_out_what_is_not_known() -> None:
    bare = Release(title="First light", public=True)
    assert manifest.readme(COLLECTION, bare, Standing.PUBLIC) == (
        "The sky: First light\n====================\n\nStanding: public\nContact:  sky@example.org\n"
    )


def test_announced_release_says_why_it_is_closed_and_has_no_path() -> None:
    entry = manifest.release_entry("sky", "dr2", COLLECTION, Standing.ANNOUNCED, "It is closed.")
    assert entry == {
        "collection": "sky",
        "release": "dr2",
        "title": "Second look",
        "description": "Deeper than the first.",
        "standing": "announced",
        "path": None,
        "public_on": "2027-03-01T00:00:00+00:00",
        "teams": ["ant"],
        "contact": "pi@example.org",
        "cite": "Bird et al. 2026",
        "doi": "10.1/xyz",
        "licence": "CC BY-SA 4.0",
        "source": "https://example.org/dr2",
        "sentence": "It is closed.",
    }
    assert "It is closed." in manifest.readme(COLLECTION, RELEASE, Standing.ANNOUNCED, "It is closed.")


@pytest.mark.parametrize("standing", [Standing.PUBLIC, Standing.PROPRIETARY])
def test_readable_release_has_its_path_and_no_refusal(standing: Standing) -> None:
    entry = manifest.release_entry("sky", "dr2", COLLECTION, standing)
    assert entry["path"] == "/data/releases/sky/dr2"
    assert "sentence" not in entry


def test_collection_is_asked_where_the_release_names_nobody() -> None:
    part = Collection(title="The sky", contact="sky@example.org", releases={"dr1": Release(title="First light", public=True)})
    assert manifest.release_entry("sky", "dr1", part, Standing.PUBLIC)["contact"] == "sky@example.org"


def test_team_is_named_with_the_strongest_role_that_holds() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    held = (
        Membership("ant", Role.GUEST),
        Membership("ant", Role.MEMBER, now + timedelta(days=1)),
        Membership("ant", Role.OWNER, now),
        Membership("bee", Role.OWNER),
    )
    assert manifest.team_entries(held, ["ant"], now) == [
        {"name": "ant", "role": "member", "path": "/data/teams/ant", "until": "2026-01-02T00:00:00+00:00"}
    ]


def test_manifest_keeps_every_letter() -> None:
    text = manifest.manifest("zoë", [], [])
    assert "zoë" in text
    assert json.loads(text) == {"version": 1, "user": "zoë", "releases": [], "teams": []}
