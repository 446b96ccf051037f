"""The client against a real DaCHS, another's service over the same rows: at once, as a job, with an upload, cones, refusals."""

from collections.abc import Iterator

import bowerbird
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable

from tests.support.dachs import DaCHS, dachs

# The first test of a run pays for the database, and where they are missing for the packages.
pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.timeout(900)]
ROWS = 3000
FIRST = 1 << 60


@pytest.fixture(scope="module")
def stars() -> pa.Table:
    dice = np.random.default_rng(9)
    columns = {"ra": dice.uniform(150, 152, ROWS), "dec": dice.uniform(-1, 1, ROWS), "mag": dice.normal(18, 2, ROWS).astype(np.float32)}
    return pa.table({"id": np.arange(ROWS) + FIRST, **columns})


@pytest.fixture(scope="module")
def peer(stars: pa.Table) -> Iterator[DaCHS]:
    with dachs(stars) as peer:
        yield peer


@pytest.fixture
def service(peer: DaCHS) -> str:
    return peer.tap


def near(stars: pa.Table, ra: float, dec: float, radius: float) -> list[int]:
    """Return who lies within a radius (degrees), by astropy."""
    places = SkyCoord(stars["ra"].to_numpy(), stars["dec"].to_numpy(), unit="deg")
    inside = places.separation(SkyCoord(ra, dec, unit="deg")).deg < radius
    return [identifier for identifier, yes in zip(stars["id"].to_pylist(), inside, strict=True) if yes]


@pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])
def test_rows_come_with_exact_identifiers_and_units(service: str, stars: pa.Table, background: bool) -> None:
    text = "SELECT TOP 7 id, ra, mag FROM sky.stars ORDER BY id"
    found = bowerbird.query(text, service=service, background=background)
    assert found["id"].tolist() == [FIRST + number for number in range(7)]
    assert found["ra"].to_value("deg").tolist() == pytest.approx(stars["ra"].to_pylist()[:7])


@pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])
def test_a_table_goes_with_a_query(service: str, stars: pa.Table, background: bool) -> None:
    mine = QTable({"n": np.arange(20), "ra": stars["ra"].to_numpy()[:20], "dec": stars["dec"].to_numpy()[:20]})
    text = """SELECT m.n, s.id FROM TAP_UPLOAD.mine AS m
        JOIN sky.stars AS s ON 1 = CONTAINS(POINT('ICRS', m.ra, m.dec), CIRCLE('ICRS', s.ra, s.dec, 1e-6)) ORDER BY m.n"""
    found = bowerbird.query(text, tables={"mine": mine}, service=service, background=background)
    assert [(int(row["n"]), int(row["id"])) for row in found] == [(number, FIRST + number) for number in range(20)]


@pytest.mark.parametrize("protocol", ["tap", "scs"])
def test_a_cone_has_the_rows_around_a_position(peer: DaCHS, stars: pa.Table, protocol: str) -> None:
    table, service = ("sky.stars", peer.tap) if protocol == "tap" else (None, peer.cone)
    found = bowerbird.cone(SkyCoord(151, 0, unit="deg"), "0.2 deg", table, service=service)
    # Its cone search writes identifiers as text.
    assert sorted(int(identifier) for identifier in found["id"]) == near(stars, 151, 0, 0.2)
    assert len(found) > 10


def test_more_than_was_asked_for_is_told(service: str) -> None:
    with pytest.warns(bowerbird.Overflow):
        found = bowerbird.query("SELECT id FROM sky.stars", limit=10, service=service)
    assert len(found) == 10


@pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])
def test_its_refusal_comes_in_its_words(service: str, background: bool) -> None:
    with pytest.raises(bowerbird.QueryRefused, match="nowhere"):
        bowerbird.query("SELECT id FROM sky.nowhere", service=service, background=background)
