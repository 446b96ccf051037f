"""The curves of the tables: what is measured is what is there, and ten million rows need no more memory than a million."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench import table_curves
from tests.bench.curves import drawn
from tests.bench.table_service import folder, serving

TEN_MILLION = 10_000_000
MOST_MIB = 350


def test_synthetic_catalogue_has_its_rows_and_each_identifier_once(tmp_path: Path) -> None:
    table_curves.write_catalogue(tmp_path / "rows.parquet", 12_345)
    table = pq.read_table(tmp_path / "rows.parquet")
    assert len(set(table["id"].to_pylist())) == table.num_rows == 12_345
    assert table["name"][12_344].as_py() == "synthetic 12344"


def test_every_figure_has_its_curve() -> None:
    figures = dict.fromkeys(table_curves._COLOURS, 2.0)
    picture = drawn(table_curves.panels({10_000: figures, 100_000: figures}), table_curves._COLOURS)
    assert picture.count("<polyline") == len(table_curves._COLOURS)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_million_rows_are_ingested_and_go_out_in_a_memory_that_stays_flat() -> None:
    with folder() as place:
        table_curves.ingested(place, TEN_MILLION)
        with serving(place) as served:
            for form, least in (("votable", 30), ("csv", 30), ("arrow", 30)):
                assert table_curves.all_out(served, TEN_MILLION, form) > least * TEN_MILLION
            assert served.most_mib <= MOST_MIB
