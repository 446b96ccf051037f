"""What a query is told that names a table of a release which is announced and not open yet."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from bowerbird_config.identity import ANONYMOUS
from bowerbird_config.platform import Platform
from bowerbird_services.engine import QueryFault
from bowerbird_services.main import translate
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.tables import Catalogue

from tests.support.platforms import described
from tests.support.shelves import put, stars

RELEASE = {"title": "Second", "teams": ["craft"], "public_on": "2199-01-01T00:00:00Z", "contact": "pi@example.org"}


def refusal(root: Path, announced: bool) -> str:
    releases = {"dr1": {"title": "First", "public": True}, "dr2": {**RELEASE, "announced": announced}}
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org"}}
    platform = Platform.model_validate(described(collections={"demo": {"title": "Demo", "releases": releases}}, teams=teams))
    for release in releases:
        put(root, ("demo", release), "stars", stars(10))
    catalogue = TableStore(Shelf(root)).catalogue(platform, ANONYMOUS, datetime.now(UTC))
    with pytest.raises(QueryFault) as told:
        translate("SELECT * FROM demo_dr2.stars", catalogue, 10, Catalogue(()))
    return str(told.value)


def test_announced_release_says_until_when_and_whom_to_ask(tmp_path: Path) -> None:
    words = refusal(tmp_path, announced=True)
    assert "2199-01-01" in words
    assert "pi@example.org" in words
    assert "Did you mean" not in words


def test_hidden_release_says_nothing(tmp_path: Path) -> None:
    words = refusal(tmp_path, announced=False)
    assert "2199" not in words
    assert "pi@example.org" not in words
