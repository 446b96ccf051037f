"""What a notebook is told of a table that is announced and closed, or that is not there at all."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import bowerbird
import pytest
from astropy.coordinates import SkyCoord
from bowerbird_services.identity import Identities, Records

from tests.services.people import Tokens
from tests.services.real import service
from tests.services.test_refusals import lay, platform
from tests.support.sessions import forget

ANNOUNCED, HIDDEN = "announced", "hidden"


@pytest.fixture(scope="module", params=[ANNOUNCED, HIDDEN])
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    root = tmp_path_factory.mktemp("closed")
    lay(root / "tables")
    known = Identities(Records(platform(request.param == ANNOUNCED)), Tokens(), lambda: datetime.now(UTC))
    with service(root, known) as (address, _):
        yield request.param, f"{address}/tap"
    forget()


ASKS: dict[str, Callable[[str], Any]] = {
    "cone": lambda url: bowerbird.cone((1, 2), "1 deg", "demo_dr2.stars", url),
    "match": lambda url: bowerbird.match(SkyCoord([1], [2], unit="deg"), "demo_dr2.stars", "1 arcsec", url),
}


@pytest.mark.parametrize("name", ASKS)
def test_an_announced_one_says_until_when_and_whom_to_ask_and_a_hidden_one_is_not_there(standing: tuple[str, str], name: str) -> None:
    kind, url = standing
    with pytest.raises((bowerbird.QueryRefused, ValueError)) as told:
        ASKS[name](url)
    words = str(told.value)
    if kind == ANNOUNCED:
        assert "2199-01-01" in words
        assert "pi@example.org" in words
        assert words.endswith("until then no query reads it")
    else:
        assert words == "the service has no table demo_dr2.stars, or none that you may see; its tables are in TAP_SCHEMA.tables"
