"""Groups of rows of files: what is known of them, and what is kept while there is room for it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bowerbird_services.store.backend import Unreadable
from bowerbird_services.store.parquet_groups import BEYOND, ParquetGroups
from bowerbird_services.tables import HEALPIX_COLUMN, Table

from tests.support.shelves import put, stars


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return put(tmp_path, ("sky", "dr1"), "stars", stars())


def write(path: Path, places: list[int | None], *, statistics: bool = True, group: int = 2) -> Path:
    rows = pa.table({HEALPIX_COLUMN: pa.array(places, pa.int64()), "ra": np.arange(len(places), dtype=float)})
    pq.write_table(rows, path, row_group_size=group, write_statistics=statistics)
    return path


def test_groups_follow_each_other_in_the_order_of_the_sky(table: Table) -> None:
    groups = ParquetGroups().of(table.files[0])
    assert groups.rows.tolist() == [500] * 4
    assert all(before <= after for before, after in pairwise(np.stack([groups.low, groups.high], axis=1).ravel().tolist()))


def test_rows_without_a_place_lie_beyond_all_places(tmp_path: Path) -> None:
    files = ParquetGroups()
    groups = files.of(write(tmp_path / "a", [3, 5, 7, None, None, None]))
    assert list(zip(groups.low.tolist(), groups.high.tolist(), strict=True)) == [(3, 5), (7, 7), (BEYOND, BEYOND)]
    assert [files.places(groups, number).tolist() for number in range(3)] == [[3, 5], [7, BEYOND], [BEYOND, BEYOND]]


def test_groups_of_which_nobody_wrote_where_they_lie_may_lie_anywhere(tmp_path: Path) -> None:
    groups = ParquetGroups().of(write(tmp_path / "a", [3, 5, 7], statistics=False))
    assert list(zip(groups.low.tolist(), groups.high.tolist(), strict=True)) == [(0, BEYOND)] * 2


def test_columns_are_kept_while_there_is_room_and_are_the_file_s(table: Table) -> None:
    files = ParquetGroups(kept_bytes=3 * 500 * 8)
    groups = files.of(table.files[0])
    (first,) = files.read(groups, 0, ["ra"])
    assert files.read(groups, 0, ["dec", "ra"])[1] is first
    wanted = [files.read(groups, number, ["ra", "dec"]) for number in range(4)]
    assert files.kept_bytes <= 3 * 500 * 8
    (again,) = files.read(groups, 0, ["ra"])
    assert again is not first
    assert again == first
    assert wanted == [files.read(groups, number, ["ra", "dec"]) for number in range(4)]
    assert files.read(groups, 1, ["mag"], keep=False)[0] is not files.read(groups, 1, ["mag"])[0]
    assert files.fits(groups, 0)
    assert not files.fits(groups, 4)


def test_what_takes_long_to_find_out_is_not_kept_and_is_told_before_it_is_read(tmp_path: Path) -> None:
    files, heavy = ParquetGroups(), write(tmp_path / "heavy", list(range(6000)), group=1)
    assert files.light(heavy) is None
    assert len(files.of(heavy).rows) == 6000
    assert files.of(heavy) is not files.of(heavy)
    light = write(tmp_path / "light", [1, 2, 3])
    assert files.light(light) is files.of(light)


def test_a_file_that_is_another_one_now_is_read_anew(tmp_path: Path) -> None:
    files = ParquetGroups()
    before = files.of(write(tmp_path / "a", [1, 2]))
    assert files.read(before, 0, [HEALPIX_COLUMN])[0].to_pylist() == [1, 2]
    after = files.of(write(tmp_path / "a", [4, 5, 6], group=3))
    assert files.read(after, 0, [HEALPIX_COLUMN])[0].to_pylist() == [4, 5, 6]


def test_a_file_without_the_order_of_the_sky_cannot_be_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ra": [1.0]}), tmp_path / "none")
    pq.write_table(pa.table({HEALPIX_COLUMN: ["x"]}), tmp_path / "text")
    (tmp_path / "short").write_bytes(b"PAR1")
    for name in ("none", "text", "short", "absent"):
        with pytest.raises(Unreadable, match="cannot be read now"):
            ParquetGroups().of(tmp_path / name)


def test_a_file_that_is_gone_meanwhile_is_one_sentence(table: Table) -> None:
    files = ParquetGroups()
    groups = files.of(table.files[0])
    files.read(groups, 0, ["ra"])
    table.files[0].unlink()
    with pytest.raises(Unreadable, match="cannot be read now"):
        files.read(groups, 0, ["name"])
