"""The client against the platform's own table service, over a socket: ADQL, uploads, jobs, tokens."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import astropy.units as u
import bowerbird
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from bowerbird.lab.adql_completion import Words
from bowerbird.lab.row_estimate import warning
from bowerbird.vo.cache import Cache
from bowerbird.vo.http import HTTP
from bowerbird.vo.records import Records
from bowerbird.vo.sources import sources
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird_services.store import sidecar

from tests.services.people import identities
from tests.services.real import service
from tests.support.sessions import forget
from tests.support.shelves import put, stars

# What anyio and Starlette import late is imported here: pytest rewrites it, and Python 3.11's parser fails deep in another thread.
OPEN_FILE = anyio.open_file
PUBLIC, OWN = ("demo", "dr1"), ("demo", "dr2")


UCDS: dict[str, dict[str, Any]] = {
    "ra": {"unit": "deg", "ucd": "pos.eq.ra;meta.main"},
    "dec": {"unit": "deg", "ucd": "pos.eq.dec;meta.main"},
    "pmra": {"unit": "mas/yr", "ucd": "pos.pm;pos.eq.ra"},
    "pmdec": {"unit": "mas/yr", "ucd": "pos.pm;pos.eq.dec"},
}
# The second of them, at the end of the list, has run away from every radius of a match since 1991.25.
MOTIONS = [(0.0, 0.0), (8000.0, -6000.0)]


def lay(root: Path, place: tuple[str, str]) -> None:
    """Lay stars with UCDs and motions, as an ingest would."""
    rows = stars()
    moving = [MOTIONS[number == rows.num_rows - 1] for number in range(rows.num_rows)]
    for number, name in enumerate(("pmra", "pmdec")):
        rows = rows.append_column(name, pa.array([motion[number] for motion in moving]))
    table = put(root, place, "stars", rows)
    columns = tuple(replace(column, **UCDS.get(column.name, {})) for column in table.columns)
    file = table.files[0]
    known = sidecar.Sidecar(replace(table, columns=columns), "by hand", {file.name: file.stat().st_size})
    sidecar.write(file.with_name(f"stars{sidecar.SUFFIX}"), known)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("platform")
    for place in (PUBLIC, OWN):
        lay(root / "tables", place)
    with service(root, identities()) as (address, _):
        yield f"{address}/tap"


@pytest.fixture(autouse=True)
def platform(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOWERBIRD_TAP_URL", address)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-member")


@pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])
def test_rows_of_the_platform_with_exact_identifiers(background: bool) -> None:
    table = bowerbird.query("SELECT TOP 5 source_id, ra, mag FROM demo_dr1.stars ORDER BY source_id", background=background)
    assert table["source_id"].tolist() == [(1 << 62) + 1 + number for number in range(5)]


def test_the_token_opens_what_a_team_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bowerbird.query("SELECT COUNT(*) AS n FROM demo_dr2.stars")["n"][0] == 2000
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    forget()
    with pytest.raises(bowerbird.QueryRefused, match="demo_dr2"):
        bowerbird.query("SELECT COUNT(*) AS n FROM demo_dr2.stars")


@pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])
def test_only_what_everybody_may_read_is_kept_on_disk(background: bool, tmp_path: Path) -> None:
    for table, number in (("demo_dr2.stars", 0), ("demo_dr1.stars", 1)):
        for _ in range(2):
            count = f"SELECT COUNT(*) AS n FROM {table}"  # noqa: S608  # one of two
            assert bowerbird.query(count, background=background)["n"][0] == 2000
        assert len(list(tmp_path.glob("cache/**/*.vot"))) == number
    both = "SELECT COUNT(*) AS n FROM demo_dr1.stars AS a JOIN demo_dr2.stars AS b ON a.source_id = b.source_id"
    bowerbird.query(both, background=background)
    bowerbird.query("SELECT COUNT(*) AS n FROM demo_dr1.stars WHERE source_id IN (SELECT source_id FROM demo_dr2.stars)")
    assert len(list(tmp_path.glob("cache/**/*.vot"))) == 1


def test_names_are_proposed_and_rows_are_counted_before_they_come() -> None:
    words = Words()
    tables = {word.name for word in words.of(None).tables}
    assert {"demo_dr1.stars", "demo_dr2.stars", "ivoa.obscore"} <= tables
    assert "ivo_healpix_index" in {word.name for word in words.of(None).functions}
    assert {"ra": "deg", "pmra": "mas/yr"}.items() <= {word.name: word.note for word in words.columns(None, "demo_dr1.stars")}.items()
    counted: list[int] = []

    def count(adql: str) -> int:
        counted.append(int(bowerbird.query(adql)["rows_found"][0]))
        return counted[-1]

    assert warning("SELECT source_id FROM demo_dr1.stars ORDER BY ra;", count) == ""
    assert counted == [2000]


def test_a_wrong_query_is_refused_with_its_place() -> None:
    with pytest.raises(bowerbird.QueryRefused, match=r"line 1, column 8.*source_id"):
        bowerbird.query("SELECT source_ide FROM demo_dr1.stars")


def test_rows_that_the_limit_cut_off_are_warned_of() -> None:
    with pytest.warns(bowerbird.Overflow):
        assert len(bowerbird.query("SELECT ra FROM demo_dr1.stars", limit=7)) == 7


def test_arrow_gives_what_the_table_gives() -> None:
    text = "SELECT source_id, mag, name FROM demo_dr1.stars ORDER BY source_id"
    arrow, table = bowerbird.query(text, form="arrow"), bowerbird.query(text, form="table")
    assert isinstance(arrow, pa.Table)
    assert arrow["source_id"].to_pylist() == table["source_id"].tolist()
    assert arrow["mag"].null_count == np.sum(table["mag"].mask) > 0


@pytest.fixture(scope="module")
def sky() -> QTable:
    rows = stars()
    return QTable({"source_id": rows["source_id"].to_numpy(), "ra": rows["ra"].to_numpy(), "dec": rows["dec"].to_numpy()})


def test_a_cone_has_the_rows_that_astropy_finds(sky: QTable) -> None:
    centre = SkyCoord(359.9, -80.0, unit="deg")
    inside = SkyCoord(sky["ra"], sky["dec"], unit="deg").separation(centre) < 10 * u.deg
    found = bowerbird.cone(centre, "10 deg", "demo_dr1.stars")
    assert sorted(found["source_id"].tolist()) == sorted(sky["source_id"][inside].tolist())
    assert len(found) > 5
    assert len(bowerbird.cone((359.9, -80.0), 10 * u.deg, "demo_dr1.stars")) == len(found)


def test_a_table_that_is_not_there_or_is_no_name_is_told() -> None:
    with pytest.raises(ValueError, match=r"no table demo_dr1.starz, or none that you may see"):
        bowerbird.cone((1, 2), "1 deg", "demo_dr1.starz")
    with pytest.raises(ValueError, match="no name of a table"):
        bowerbird.cone((1, 2), "1 deg", "demo_dr1.stars; --")


@pytest.mark.parametrize("find", ["best", "all", "symmetric"])
def test_a_match_at_the_service_is_the_match_that_is_made_here(sky: QTable, find: str) -> None:
    dice = np.random.default_rng(7)
    at = SkyCoord(np.repeat(sky["ra"][:300], 3), np.repeat(sky["dec"][:300], 3), unit="deg")
    beside = at.directional_offset_by(dice.uniform(0, 360, 900) * u.deg, dice.uniform(0, 3, 900) * u.deg)
    mine = QTable({"n": np.arange(900), "ra": beside.ra.deg, "dec": beside.dec.deg})
    here = bowerbird.match(mine, sky, "2 deg", find=find)  # type: ignore[arg-type]
    there = bowerbird.match(mine, "demo_dr1.stars", "2 deg", find=find, epochs=(2016.0, 2016.0))  # type: ignore[arg-type]
    assert there["n"].tolist() == here["n"].tolist()
    assert there["source_id"].tolist() == here["source_id"].tolist()
    np.testing.assert_allclose(there["separation"].value, here["separation"].value, rtol=1e-6, atol=1e-5)


def test_a_star_of_the_service_that_moved_is_found_where_it_was(sky: QTable) -> None:
    last = QTable({"ra": sky["ra"][-1:], "dec": sky["dec"][-1:], "pmra": [MOTIONS[1][0]], "pmdec": [MOTIONS[1][1]]})
    then = sources(last, 2016.0).moved(1991.25)
    plate = QTable({"ra": then.ra.deg, "dec": then.dec.deg})
    found = bowerbird.match(plate, "demo_dr1.stars", "1 arcsec", epochs=(1991.25, 2016.0))
    assert found["source_id"].tolist() == [sky["source_id"][-1]]
    assert found["separation"].to_value("arcsec")[0] < 0.01
    with pytest.warns(UserWarning, match="the epoch of"):
        assert len(bowerbird.match(plate, "demo_dr1.stars", "1 arcsec")) == 0
    moving = bowerbird.match(last, "demo_dr1.stars", "1 arcsec", epochs=(2016.0, 2016.0))
    assert len(moving) == 1


def test_one_fast_star_does_not_make_all_be_looked_for_far_away(sky: QTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from bowerbird import catalogues

    brought: list[int] = []
    usual = catalogues.query

    def query(adql: str, *more: Any, **named: Any) -> Any:
        found = usual(adql, *more, **named)
        if "JOIN" in adql:
            brought.append(len(found))
        return found

    monkeypatch.setattr(catalogues, "query", query)
    fast = QTable({"ra": sky["ra"][-1:], "dec": sky["dec"][-1:], "pmra": [MOTIONS[1][0]], "pmdec": [MOTIONS[1][1]]})
    then = sources(fast, 2016.0).moved(-10_000.0)
    mine = QTable({"ra": [*sky["ra"][:500], *then.ra.deg], "dec": [*sky["dec"][:500], *then.dec.deg]})
    found = bowerbird.match(mine, "demo_dr1.stars", "1 arcsec", epochs=(-10_000.0, 2016.0))
    assert found["source_id"].tolist() == [*sky["source_id"][:500], sky["source_id"][-1]]
    assert found["separation"].to_value("arcsec").max() < 0.1
    # The fastest has come 33 degrees: a circle of that size around each position would bring a tenth of the sky for each.
    assert sum(brought) < 1000


def test_a_release_that_is_ingested_anew_is_not_answered_from_the_disk(tmp_path: Path) -> None:
    kept = tmp_path / "answers"

    async def asked(address: str) -> int:
        async with HTTP(Tokens()) as http:
            tap = TAP(http, f"{address}/tap", Records(None), kept=Cache(kept))
            with (answer := await tap.ask(Question("SELECT ra FROM demo_dr1.stars"), seconds=60)).file:
                return len(answer.votable.table)

    put(tmp_path / "tables", PUBLIC, "stars", stars(5))
    with service(tmp_path, identities()) as (address, _):
        assert asyncio.run(asked(address)) == 5
        (first,) = kept.iterdir()
        written = first.stat().st_ino
        assert asyncio.run(asked(address)) == 5
        assert first.stat().st_ino == written, "it was answered from the disk"
        put(tmp_path / "tables", PUBLIC, "stars", stars(7), making="-again")
        assert asyncio.run(asked(address)) == 7
