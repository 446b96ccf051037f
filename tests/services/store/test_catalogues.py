"""Who sees which tables: exactly as the access decision says, on every release and at every time."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bowerbird_config.access import decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, ReleaseRef
from bowerbird_config.tables import schema_name
from bowerbird_config.teams import Membership, Role
from bowerbird_services.store import obscore, sidecar, tap_schema
from bowerbird_services.store.catalogues import SeenCatalogue, TableStore
from bowerbird_services.store.products import NAME, Product
from bowerbird_services.store.shelf import Shelf
from hypothesis import given
from hypothesis import strategies as st

from tests.support.platforms import RELEASES, START, TICKS, described, identities, platforms
from tests.support.shelves import put, stars

TEAM = {"craft": {"title": "Craft", "contact": "the owner of Craft"}}
MEMBER = Identity("ann", (Membership("craft", Role.MEMBER),))
PLACES = [(collection, release) for collection in ("sky", "sea") for release in RELEASES]


def fill(root: Path, places: list[tuple[str, str]] = PLACES) -> Shelf:
    for place in places:
        put(root, place, "stars", stars(20))
        product = Product("m13.fits", "image", "image/fits", 184_320, s_ra=250.4, s_dec=36.5)
        sidecar.replace_json(root.joinpath(*place) / NAME, {"products": [product.to_json()]})
    return Shelf(root)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return fill(tmp_path_factory.mktemp("tables"))


def platform(**release: object) -> Platform:
    releases = {"dr1": {"title": "First"} | release}
    return Platform.model_validate(described(teams=TEAM, collections={"sky": {"title": "Sky", "releases": releases}}))


def rows(catalogue: SeenCatalogue, table: str) -> list[dict[str, Any]]:
    found = next(known for known in catalogue if known.name == table and known.release is None)
    return list(catalogue.given([found])[found.view].to_pylist())


@given(platform=platforms(), identity=identities(), at=st.sampled_from(TICKS))
def test_a_catalogue_has_what_the_decision_opens_and_nothing_else(
    shelf: Shelf, platform: Platform, identity: Identity, at: datetime
) -> None:
    catalogue = TableStore(shelf).catalogue(platform, identity, at)
    described = {row["table_name"] for row in rows(catalogue, "columns")}
    observed = {row["obs_collection"] for row in rows(catalogue, "obscore")}
    for place in PLACES:
        opened = decide(platform, identity, Action.READ, ReleaseRef(*place), at)
        name = f"{schema_name(*place)}.stars"
        assert (catalogue.get(name) is not None) == opened.allowed
        assert (name in described) == opened.allowed
        assert ("/".join(place) in observed) == opened.allowed
        assert (schema_name(*place) in catalogue.schemas) == (not opened.hidden)
        assert catalogue.refusal(name) == (None if opened.allowed or opened.hidden else opened.sentence)


def test_a_hidden_table_is_as_absent_as_one_that_does_not_exist(shelf: Shelf) -> None:
    catalogue = TableStore(shelf).catalogue(platform(teams=["craft"]), ANONYMOUS, START)
    assert catalogue.get("sky_dr1.stars") is None
    assert catalogue.refusal("sky_dr1.stars") is catalogue.refusal("sky_dr9.stars") is None
    assert "dr1" not in str([rows(catalogue, table.name) for table in (*tap_schema.TABLES, obscore.TABLE)])


def test_an_announced_release_says_until_when_and_whom_to_ask(shelf: Shelf) -> None:
    owned = platform(teams=["craft"], public_on=TICKS[4], announced=True)
    catalogue = TableStore(shelf).catalogue(owned, ANONYMOUS, START)
    refusal = catalogue.refusal("SKY_DR1.stars")
    assert refusal is not None
    assert "until 2027-03-01 02:00 UTC" in refusal
    assert "the owner of Craft" in refusal
    assert catalogue.get("sky_dr1.stars") is None
    (schema,) = [row for row in rows(catalogue, "schemas") if row["schema_name"] == "sky_dr1"]
    assert schema["description"] == f"First. {refusal}"


def test_a_release_opens_to_all_in_the_second_of_its_date(shelf: Shelf) -> None:
    owned, store = platform(teams=["craft"], public_on=TICKS[4]), TableStore(shelf)
    assert store.catalogue(owned, MEMBER, TICKS[3]).get("sky_dr1.stars")
    assert store.catalogue(owned, ANONYMOUS, TICKS[3]).get("sky_dr1.stars") is None
    assert store.catalogue(owned, ANONYMOUS, TICKS[4]).get("sky_dr1.stars")
    rights = [rows(store.catalogue(owned, MEMBER, at), "obscore")[0]["data_rights"] for at in TICKS[3:5]]
    assert rights == ["proprietary", "public"]


def test_obscore_has_every_mandatory_column(shelf: Shelf) -> None:
    required = """
        dataproduct_type calib_level obs_collection obs_id obs_publisher_did access_url access_format access_estsize
        target_name s_ra s_dec s_fov s_region s_xel1 s_xel2 s_resolution t_min t_max t_exptime t_resolution t_xel em_min em_max
        em_res_power em_xel o_ucd pol_states pol_xel facility_name instrument_name
    """
    mandatory = required.split()
    catalogue = TableStore(shelf, obscore.Doors.below("https://x.example.org")).catalogue(platform(public=True), ANONYMOUS, START)
    (row,) = rows(catalogue, "obscore")
    assert set(mandatory) <= row.keys()
    assert row["access_url"] == "https://x.example.org/datalink/links?ID=ivo%3A%2F%2Fx-bowerbird%2Fsky%2Fdr1%3Fm13.fits"
    assert row["access_format"] == "application/x-votable+xml;content=datalink"
    assert (row["access_estsize"], row["obs_release_date"], row["data_rights"]) == (184, None, "public")
    assert all(row[name] is not None for name in ("obs_collection", "obs_id", "obs_publisher_did", "calib_level"))


def test_tap_schema_describes_itself_with_every_column_of_tap_1_1(shelf: Shelf) -> None:
    catalogue = TableStore(shelf).catalogue(platform(public=True), ANONYMOUS, START)
    columns = [row for row in rows(catalogue, "columns") if row["table_name"] == "tap_schema.columns"]
    names = """table_name column_name datatype arraysize xtype "size" description utype unit ucd indexed principal std column_index"""
    assert [row["column_name"] for row in columns] == names.split()
    assert [row["column_index"] for row in columns] == list(range(1, len(columns) + 1))
    tables = {row["table_name"] for row in rows(catalogue, "tables")}
    keys = rows(catalogue, "keys")
    assert {key["from_table"] for key in keys} | {key["target_table"] for key in keys} <= tables
    assert {row["schema_name"] for row in rows(catalogue, "tables")} <= {row["schema_name"] for row in rows(catalogue, "schemas")}
    assert {key["key_id"] for key in keys} == {row["key_id"] for row in rows(catalogue, "key_columns")}


def test_no_client_sees_the_order_of_the_rows(shelf: Shelf) -> None:
    catalogue = TableStore(shelf).catalogue(platform(public=True), ANONYMOUS, START)
    assert not [row for row in rows(catalogue, "columns") if row["column_name"].strip('"').startswith("_")]


def test_what_an_ingest_added_is_seen_without_a_restart(tmp_path: Path) -> None:
    shelf = fill(tmp_path, [("sky", "dr1")])
    store, shown = TableStore(shelf), platform(public=True)
    assert store.catalogue(shown, ANONYMOUS, START).get("sky_dr1.more") is None
    put(tmp_path, ("sky", "dr1"), "more", pa.table({"n": [1]}))
    assert store.catalogue(shown, ANONYMOUS, START).get("sky_dr1.more")


def test_a_shelf_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    catalogue = TableStore(Shelf(tmp_path / "none")).catalogue(platform(public=True), ANONYMOUS, START)
    assert [table.schema for table in catalogue if table.release] == []


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"table": {}}'])
def test_a_sidecar_that_is_not_whole_hides_its_table_alone(tmp_path: Path, broken: str) -> None:
    shelf = fill(tmp_path, [("sky", "dr1")])
    put(tmp_path, ("sky", "dr1"), "more", pa.table({"n": [1]}))
    (tmp_path / "sky/dr1" / f"more{sidecar.SUFFIX}").write_text(broken)
    catalogue = TableStore(shelf).catalogue(platform(public=True), ANONYMOUS, START)
    assert [table.name for table in catalogue if table.release] == ["stars"]
