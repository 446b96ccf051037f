"""Rows on their way to a Parquet file, and a disk that takes no more of them."""

import shutil
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pyarrow as pa
import pytest
from bowerbird_services.ingest import room
from bowerbird_services.ingest.room import NoRoom
from bowerbird_services.ingest.sorting import write_sorted

BATCH = pa.record_batch({"number": list(range(10_000))})


def endless() -> Iterator[pa.RecordBatch]:
    """Yield rows for as long as they are taken."""
    return repeat(BATCH)


def test_writing_ends_where_only_the_reserve_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RESERVE_BYTES", shutil.disk_usage(tmp_path).total)
    with pytest.raises(NoRoom, match="kept free"):
        write_sorted(BATCH.schema, endless(), tmp_path / "rows.parquet", tmp_path)


def test_writing_ends_where_the_disk_cannot_be_asked(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def batches() -> Iterator[pa.RecordBatch]:
        yield BATCH
        folder.rename(tmp_path / "away")
        yield from endless()

    with pytest.raises(FileNotFoundError):
        write_sorted(BATCH.schema, batches(), folder / "rows.parquet", tmp_path)


def test_a_file_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match=r"cannot be written to: .*No such file or directory"):
        write_sorted(BATCH.schema, iter([BATCH]), tmp_path / "nowhere" / "rows.parquet", tmp_path)
