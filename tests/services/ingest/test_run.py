"""A whole ingest: only what changed, all or nothing, and whole again after whatever cut it short."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from bowerbird_config.ingests.keeping import LACKING, LACKS
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.room import RESERVE_BYTES
from bowerbird_config.table_order import TableOrder, table_order
from bowerbird_services.ingest.room import NoRoom
from bowerbird_services.ingest.run import run, why
from bowerbird_services.store import coverage, products, sidecar
from bowerbird_services.store.shelf import INDEX, Shelf
from bowerbird_services.tables import Table

from tests.support.disk import small_disk
from tests.support.platforms import described
from tests.support.sky_images import tangent, waves, write

PLACE = ("sky", "dr1")


def stars(path: Path, rows: int = 1000) -> None:
    dice = np.random.default_rng(7)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": np.arange(rows), "ra": dice.uniform(0, 360, rows), "dec": dice.uniform(-90, 90, rows)}), path)


def order(directory: Path, tables: dict[str, Any] | None = None, place: tuple[str, str] = PLACE) -> TableOrder:
    asked = {"stars": {"file": "stars.parquet", "title": "Stars", "position": {"ra": "ra", "dec": "dec"}}} if tables is None else tables
    release = {"collection": place[0], "release": place[1], "directory": str(directory), "tables": asked}
    return TableOrder.model_validate({"releases": [release]})


def shelved(root: Path) -> dict[str, Table]:
    return {table.name: table for table in Shelf(root).holdings().tables.get(PLACE, ())}


def lying(root: Path) -> set[str]:
    """The files below the shelf but its lock, by the part of the name that tells what they are."""
    return {path.name.partition("-")[0] for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


ALL = {"index.json", "products.json", "stars.table.json", "stars"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    stars(tmp_path / "release" / "stars.parquet")
    return tmp_path / "release"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def test_what_was_asked_for_is_on_the_shelf(release: Path, root: Path) -> None:
    said: list[str] = []
    assert run(order(release), root, said.append) == 0
    assert shelved(root)["stars"].rows == 1000
    assert shelved(root)["stars"].full_name == "sky_dr1.stars"
    assert lying(root) == ALL
    assert said[-1] == "done, 1 table is there"


def test_rows_whose_position_is_none_are_counted_for_the_admins(release: Path, root: Path) -> None:
    ra = [0.0, 10.0, 10.0, float("inf"), None, 0.0, float("nan")]
    dec = [90.0, 90.0000001, -91.0, 0.0, 0.0, None, 0.0]
    pq.write_table(pa.table({"ra": ra, "dec": dec}), release / "stars.parquet")
    said: list[str] = []
    assert run(order(release), root, said.append) == 0
    # What is missing is no mistake.
    told = [line for line in said if "position" in line]
    assert [line.partition(" rows")[0] for line in told] == ["in table stars of sky/dr1: 3"]
    assert not told[0].startswith(LACKS), "the table is made"
    assert shelved(root)["stars"].rows == 7
    assert run(order(release), root, said.append) == 0
    assert [line for line in said if "position" in line] == told


def test_what_did_not_change_is_not_made_again(release: Path, root: Path) -> None:
    run(order(release), root, print)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    assert run(order(release), root, print) == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")} == before


def test_another_description_makes_the_table_again(release: Path, root: Path) -> None:
    run(order(release), root, print)
    described = {"stars": {"file": "stars.parquet", "title": "Stars", "columns": {"id": {"description": "a number"}}}}
    run(order(release, described), root, print)
    assert shelved(root)["stars"].columns[0].description == "a number"
    assert shelved(root)["stars"].position is None
    assert lying(root) == ALL


def test_another_file_makes_the_table_again_and_rows_of_old_are_swept_the_next_time(release: Path, root: Path) -> None:
    run(order(release), root, print)
    old = shelved(root)["stars"].files[0]
    stars(release / "stars.parquet", 500)
    run(order(release), root, print)
    assert shelved(root)["stars"].rows == 500
    # A query that began before still reads the old rows.
    assert old.exists()
    run(order(release), root, print)
    assert not old.exists()


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_damaged_rows_are_made_again(damage: str, release: Path, root: Path) -> None:
    run(order(release), root, print)
    file = shelved(root)["stars"].files[0]
    os.truncate(file, 1000) if damage == "truncate" else file.unlink()
    run(order(release), root, print)
    assert pq.read_table(shelved(root)["stars"].files[0]).num_rows == 1000


def test_a_bad_file_is_said_and_leaves_what_was_there_and_the_others(release: Path, root: Path) -> None:
    stars(release / "more.parquet")
    two = {name: {"file": f"{name}.parquet", "title": name} for name in ("stars", "more")}
    run(order(release, two), root, print)
    (release / "stars.parquet").write_bytes(b"PAR1 and no more")
    said: list[str] = []
    assert run(order(release, two), root, said.append) == 1
    assert "table stars of sky/dr1: stars.parquet is no whole Parquet file" in said
    assert shelved(root)["stars"].rows == shelved(root)["more"].rows == 1000


def test_what_nobody_asks_for_any_more_is_taken_away(release: Path, root: Path) -> None:
    run(order(release), root, print)
    run(order(release, {}), root, print)
    assert shelved(root) == {}
    assert lying(root) == {"index.json", "products.json"}
    run(order(release, {}, ("sea", "dr1")), root, print)
    assert not (root / "sky" / "dr1").exists()


def test_a_release_whose_directory_is_missing_does_not_stop_the_others(release: Path, root: Path) -> None:
    missing = order(release.parent / "none", place=("sea", "dr1")).releases
    both = TableOrder(releases=(*missing, *order(release).releases))
    said: list[str] = []
    assert run(both, root, said.append) == 1
    assert "table stars of sea/dr1: stars.parquet needs the file stars.parquet, which cannot be read (No such file or directory)" in said
    assert shelved(root)["stars"].rows == 1000


def test_a_header_that_ends_astropy_ends_no_ingest_and_a_lack_has_a_status_of_its_own(release: Path, root: Path, tmp_path: Path) -> None:
    write(release / "field.fits", waves(20, 20), tangent(20, 20))
    with fits.open(release / "field.fits") as file:
        file[-1].header["CPDIS1"] = 5
        file.writeto(release / "odd.fits")
    stars(tmp_path / "second" / "stars.parquet", 10)
    more = {"more": {"file": "more.parquet", "title": "More"}}
    releases = (*order(release, more).releases, *order(tmp_path / "second", place=("sky", "dr2")).releases)
    command = [sys.executable, "-m", "bowerbird_services.ingest.run", str(root)]
    asked = TableOrder(releases=releases).model_dump_json().encode()
    ended = subprocess.run(command, input=asked, capture_output=True, check=False)
    assert ended.returncode == LACKING, ended.stderr
    assert [table.rows for table in Shelf(root).holdings().tables["sky", "dr2"]] == [10]
    assert [product.file for product in Shelf(root).holdings().products[PLACE]] == ["field.fits"]


def test_products_that_cannot_be_told_keep_no_other_release_waiting(release: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    releases = (*order(release, {}).releases, *order(release, place=("sky", "dr2")).releases)
    said: list[str] = []

    def failing(_directory: Path, without: set[str]) -> Iterator[products.Product]:
        if not without:
            raise MemoryError
        return iter(())

    monkeypatch.setattr("bowerbird_services.ingest.run.products", failing)
    assert run(TableOrder(releases=releases), root, said.append) == 1
    assert "products of sky/dr1: MemoryError" in said
    assert said[-1] == "done, 1 table is there"
    assert [table.rows for table in Shelf(root).holdings().tables["sky", "dr2"]] == [1000]


def test_why_something_failed_is_one_line_that_is_the_same_each_time(tmp_path: Path) -> None:
    full, again = (
        OSError(28, "No space left on device", str(tmp_path / f".work-stars-{dice}" / "rows.parquet")) for dice in ("a1_b", "c2")
    )
    assert why(full, tmp_path) == why(again, tmp_path) == f"[Errno 28] No space left on device: '{tmp_path}/rows.parquet'"
    assert why(NoRoom(f"{tmp_path}/.work-a-1 cannot be written to"), tmp_path) == f"{tmp_path} cannot be written to"
    assert why(ValueError("\nfirst\nsecond"), tmp_path) == "first"
    assert why(MemoryError(), tmp_path) == "MemoryError"
    assert len(why(ValueError("x" * 100_000), tmp_path)) == 300


def test_a_release_whose_directory_goes_away_keeps_what_was_made(release: Path, root: Path) -> None:
    write(release / "field.fits", waves(20, 20), tangent(20, 20))
    run(order(release), root, print)
    assert [product.file for product in Shelf(root).holdings().products[PLACE]] == ["field.fits"]
    release.rename(release.with_name("away"))
    assert run(order(release), root, print) == 1
    shelf = Shelf(root)
    assert [product.file for product in shelf.holdings().products[PLACE]] == ["field.fits"]
    assert shelved(root)["stars"].rows == 1000


def test_an_ingest_that_was_killed_leaves_no_half_table_and_the_next_goes_on(release: Path, root: Path) -> None:
    stars(release / "large.parquet", 1_000_000)
    two = {name: {"file": f"{name}.parquet", "title": name, "position": {"ra": "ra", "dec": "dec"}} for name in ("stars", "large")}
    asked = order(release, two)
    command = [sys.executable, "-m", "bowerbird_services.ingest.run", str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as ingest:
        assert ingest.stdin is not None
        ingest.stdin.write(asked.model_dump_json().encode())
        ingest.stdin.close()
        # The first table is done, the second is being read.
        while not (done(root, "stars") and list(root.glob("sky/dr1/.work-*"))):
            assert ingest.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
        ingest.send_signal(signal.SIGKILL)
    assert list(root.glob("sky/dr1/.work-*"))
    assert not done(root, "large")
    first = next(root.glob("sky/dr1/stars-*.parquet")).stat().st_mtime_ns
    assert run(asked, root, print) == 0
    assert {name: table.rows for name, table in shelved(root).items()} == {"stars": 1000, "large": 1_000_000}
    assert next(root.glob("sky/dr1/stars-*.parquet")).stat().st_mtime_ns == first
    assert not list(root.glob("sky/dr1/.work-*"))


def test_what_an_ingest_was_killed_at_comes_last_in_the_next(release: Path, root: Path) -> None:
    stars(release / "more.parquet")
    two = {name: {"file": f"{name}.parquet", "title": name} for name in ("stars", "more")}
    releases = (*order(release, two).releases, *order(release, place=("sea", "dr1")).releases)
    said: list[str] = []
    # As it is left of one that was killed.
    (root / "sky" / "dr1" / ".work-stars-abc_1_2").mkdir(parents=True)
    (release / "more.parquet").unlink()
    (release / "stars.parquet").unlink()
    run(TableOrder(releases=releases), root, said.append)
    assert [line.split()[1] for line in said if line.startswith("table ")] == ["stars", "more", "stars"]
    assert [line.split()[3] for line in said if line.endswith("…")] == ["sea/dr1", "sky/dr1"]


def test_a_release_at_whose_products_an_ingest_was_killed_comes_last_in_the_next(
    release: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = (*order(release).releases, *order(release, place=("sea", "dr1")).releases)

    def killed(_directory: Path, _without: set[str]) -> Iterator[products.Product]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bowerbird_services.ingest.run.products", killed)
        with pytest.raises(KeyboardInterrupt):
            run(TableOrder(releases=releases), root, print)
    said: list[str] = []
    assert run(TableOrder(releases=releases), root, said.append) == 0
    assert [line.split()[3] for line in said if line.endswith("…")] == ["sea/dr1", "sky/dr1"]
    assert not list(root.glob(".begun*"))


def done(root: Path, name: str) -> bool:
    return sidecar.read(root / "sky/dr1" / f"{name}{sidecar.SUFFIX}") is not None


def test_a_change_that_a_killed_ingest_did_not_tell_is_told_by_the_next(release: Path, root: Path) -> None:
    shelf = Shelf(root)
    run(order(release), root, print)
    assert shelf.holdings().tables[PLACE][0].rows == 1000
    stars(release / "stars.parquet", 500)
    index = (root / "index.json").read_bytes()
    stamp = (root / "index.json").stat()
    run(order(release), root, print)
    # As if it had been killed between the table and the index.
    (root / "index.json").write_bytes(index)
    os.utime(root / "index.json", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    run(order(release), root, print)
    assert shelf.holdings().tables[PLACE][0].rows == 500


def test_products_are_told_as_this_version_tells_them_after_an_upgrade(release: Path, root: Path) -> None:
    cards = tangent(20, 20).to_header()
    cards.update({"WCSAXES": 4, "CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRPIX3": 1})
    cards.update({"CTYPE4": "STOKES", "CRVAL4": 1, "CDELT4": 1, "CRPIX4": 1})
    fits.PrimaryHDU(np.ones((2, 3, 20, 20), "f4"), cards).writeto(release / "radio.fits")
    run(order(release), root, print)
    shelf = Shelf(root)
    (told,) = shelf.holdings().products[PLACE]
    assert told.pol_states == "/I/Q/"
    # The version before knew neither of states of polarisation nor of images with four axes.
    known = root.joinpath(*PLACE) / products.NAME
    before = known.with_name("stars.table.json").read_bytes()
    for old in ([{"file": "radio.fits", "dataproduct_type": "cube", "access_format": "application/fits", "size_bytes": 1}], []):
        sidecar.replace_json(known, {"products": old})
        shelf = Shelf(root)
        assert len(shelf.holdings().products[PLACE]) == len(old)
        assert run(order(release), root, print) == 0
        assert shelf.holdings().products[PLACE] == (told,)
    assert known.with_name("stars.table.json").read_bytes() == before
    seen = (root / INDEX).stat().st_mtime_ns
    run(order(release), root, print)
    assert (root / INDEX).stat().st_mtime_ns == seen


def test_rows_are_for_the_service_alone(release: Path, root: Path) -> None:
    command = [sys.executable, "-m", "bowerbird_services.ingest.run", str(root)]
    told = subprocess.run(command, input=order(release).model_dump_json().encode(), capture_output=True, check=True)
    assert told.stdout.decode().splitlines() == ["tables: 1 of 1: sky/dr1 …", "tables: done, 1 table is there"]
    assert {oct(path.stat().st_mode & 0o077) for path in root.rglob("*")} == {"0o0"}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk with little room beside the reserve."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", tmp_path / "below", str(16 + (RESERVE_BYTES >> 20))):
        yield tmp_path / "disk"


@pytest.mark.root
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(release: Path, full: Path) -> None:
    root = full / "tables"
    run(order(release), root, print)
    stars(release / "large.parquet", 1_500_000)
    two = {name: {"file": f"{name}.parquet", "title": name, "position": {"ra": "ra", "dec": "dec"}} for name in ("stars", "large")}
    two["stars"] = order(release).releases[0].tables["stars"].model_dump(mode="json")
    said: list[str] = []
    assert run(order(release, two), root, said.append) == 1
    words = f"the disk of {root}/sky/dr1 has no more room than the 128 MiB that are kept free; make room there"
    assert f"table large of sky/dr1: {words}" in said
    assert set(shelved(root)) == {"stars"}
    assert lying(root) == ALL


def test_the_order_says_where_each_release_lies() -> None:
    releases = {name: {"title": name, "public": True, "tables": {"stars": {"file": "a.csv", "title": "Stars"}}} for name in ("dr1", "dr2")}
    collections = {"sky": {"title": "Sky", "releases": releases}}
    platform = Platform.model_validate(described(collections=collections, storage={"releases": {"sky/dr2": "/data/sky2"}}))
    asked = table_order(platform, Var(Path("/var")))
    assert [str(release.directory) for release in asked.releases] == ["/var/releases/sky/dr1", "/data/sky2"]
    assert TableOrder.model_validate_json(asked.model_dump_json()) == asked
    assert json.loads(asked.model_dump_json())["releases"][0]["tables"]["stars"]["file"] == "a.csv"


def test_where_rows_are_on_the_sky_is_counted_also_for_tables_of_before(release: Path, root: Path) -> None:
    run(order(release), root, lambda _: None)
    (file,) = shelved(root)["stars"].files
    first = coverage.read(file)
    assert first is not None
    assert sum(first.counts.values()) == 1000
    coverage.path_of(file).unlink()
    run(order(release), root, lambda _: None)
    assert coverage.read(file) == first
    stars(release / "stars.parquet", rows=20)
    run(order(release), root, lambda _: None)
    run(order(release), root, lambda _: None)
    assert len(list(root.rglob(f"*{coverage.SUFFIX}"))) == 1


@pytest.mark.parametrize("linked", ["file", "folder", "metadata"])
def test_no_table_is_made_of_what_a_link_leads_to(linked: str, release: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    stars(other / "stars.parquet")
    (other / "stars.maml").write_text("fields:\n- {name: id, info: secret}\n")
    (release / "out.parquet").symlink_to(other / "stars.parquet")
    (release / "aside").symlink_to(other)
    (release / "out.maml").symlink_to(other / "stars.maml")
    asked = {
        "file": {"file": "out.parquet", "title": "Stars"},
        "folder": {"file": "aside/stars.parquet", "title": "Stars"},
        "metadata": {"file": "stars.parquet", "title": "Stars", "metadata": "out.maml"},
    }[linked]
    said: list[str] = []
    assert run(order(release, {"stars": asked}), tmp_path / "tables", said.append) == 1
    assert any(line.startswith("table stars of sky/dr1: ") and "symbolic link" in line for line in said)
    assert not list((tmp_path / "tables").rglob("*.parquet"))


@pytest.mark.parametrize("name", ["rows.parquet", "stars*.csv", "it's.csv.gz"])
def test_a_table_may_have_any_name_and_is_made_of_its_own_file(name: str, tmp_path: Path) -> None:
    release = tmp_path / "release"
    stars(release / "rows.parquet", 3)
    (release / "stars1.csv").write_text("id\n1\n2\n")
    (release / "stars*.csv").write_text("id\n1\n2\n3\n")
    (release / "it's.csv.gz").write_bytes(gzip.compress(b"id\n1\n2\n3\n"))
    before = (release / name).read_bytes()
    assert run(order(release, {"stars": {"file": name, "title": "Stars"}}), tmp_path / "tables", print) == 0
    assert shelved(tmp_path / "tables")["stars"].rows == 3
    assert (release / name).read_bytes() == before
