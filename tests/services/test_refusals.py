"""What a query is told that names a table of a release which is announced and not open yet."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from bowerbird_config.identity import ANONYMOUS
from bowerbird_config.platform import Platform
from bowerbird_services.engine import QueryFault
from bowerbird_services.identity import Identities, Records
from bowerbird_services.main import translate
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.tables import Catalogue

from tests.services.people import Tokens
from tests.services.real import service
from tests.support.platforms import described
from tests.support.shelves import put, stars

RELEASE = {"title": "Second", "teams": ["craft"], "public_on": "2199-01-01T00:00:00Z", "contact": "pi@example.org"}


def platform(announced: bool) -> Platform:
    releases = {"dr1": {"title": "First", "public": True}, "dr2": {**RELEASE, "announced": announced}}
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org"}}
    return Platform.model_validate(described(collections={"demo": {"title": "Demo", "releases": releases}}, teams=teams))


def lay(root: Path) -> None:
    for release in ("dr1", "dr2"):
        put(root, ("demo", release), "stars", stars(10))


def refusal(root: Path, announced: bool) -> str:
    lay(root)
    catalogue = TableStore(Shelf(root)).catalogue(platform(announced), ANONYMOUS, datetime.now(UTC))
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


def answers(root: Path, announced: bool) -> tuple[httpx.Response, httpx.Response, httpx.Response]:
    """Return what a cone search, its capabilities and the description of a closed table answer."""
    lay(root / "tables")
    with service(root, Identities(Records(platform(announced)), Tokens(), lambda: datetime.now(UTC))) as (address, _):
        cone = httpx.get(f"{address}/scs/demo_dr2/stars", params={"RA": "10", "DEC": "10", "SR": "1"})
        return cone, httpx.get(f"{address}/scs/demo_dr2/stars/capabilities"), httpx.get(f"{address}/tap/tables/demo_dr2.stars")


def test_cone_search_of_an_announced_release_says_the_same(tmp_path: Path) -> None:
    catalogue = TableStore(Shelf(tmp_path / "none")).catalogue(platform(True), ANONYMOUS, datetime.now(UTC))
    sentence = catalogue.refusal("demo_dr2.stars")
    assert sentence
    cone, *others = answers(tmp_path, announced=True)
    assert cone.status_code == 200  # a VOTable that says it, as SCS wants
    assert [answer.status_code for answer in others] == [403, 403]
    assert all(sentence in answer.text for answer in (cone, *others))


def test_cone_search_of_a_hidden_release_says_nothing(tmp_path: Path) -> None:
    for answer in answers(tmp_path, announced=False):
        assert answer.status_code == 404
        assert "2199" not in answer.text
