"""A table in a Parquet file; Arrow's field metadata say unit, ucd, utype and description where somebody wrote them."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from bowerbird_services.ingest.source import BATCH_ROWS, BadSource, Described
from bowerbird_services.store.columns import datatype_of
from bowerbird_services.tables import Column


class ParquetSource:
    """One opened Parquet file."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise BadSource("is no whole Parquet file") from error
        self.described = Described(tuple(_column(field) for field in self._file.schema_arrow))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Source.batches`."""
        try:
            yield from self._file.iter_batches(BATCH_ROWS)
        except (pa.ArrowException, OSError) as error:
            raise BadSource("breaks off, or is damaged") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def _column(field: pa.Field) -> Column:
    try:
        datatype, arraysize = datatype_of(field.type)
    except ValueError as error:
        raise BadSource(f"has the column {field.name!r}, whose {error}") from error
    said = {key.decode(): value.decode(errors="replace") for key, value in (field.metadata or {}).items()}
    return Column(
        field.name,
        datatype,
        arraysize,
        "timestamp" if pa.types.is_temporal(field.type) else None,
        ucd=said.get("ucd"),
        utype=said.get("utype"),
        description=said.get("description", ""),
        raw_unit=said.get("unit"),
    )
