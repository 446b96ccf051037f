"""The formats that rows leave in: which one a client asked for, and a writer for each that needs the memory of a batch only."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from bowerbird.votable import Service

from bowerbird_services.fits_rows import FITSWriter
from bowerbird_services.rows import fitted, schema_of
from bowerbird_services.tables import Column, Table
from bowerbird_services.votable_rows import Serialization, VOTableWriter

_GROUP_ROWS: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of an answer before its rows: the columns, what stands beside them, where a writer may spool, whence the rows come.

    `services` take values of its columns; only a VOTable has a way to say so.
    """

    columns: tuple[Column, ...]
    infos: Sequence[tuple[str, str]] = ()
    spool: Path | None = None
    tables: Sequence[Table] = ()
    services: Sequence[Service] = ()


class Writer(Protocol):
    """Writes one answer; each method returns what may be sent now."""

    def start(self) -> bytes:
        """Return what stands before the rows."""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return some rows."""

    def end(self, overflow: bool) -> Iterable[bytes]:
        """Yield what stands after the rows."""

    def failed(self, message: str) -> bytes | None:
        """Return the end of an answer that broke off, or None where the format cannot say so."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its media type and the short names that stand for it; `text` is worth compressing."""

    mime: str
    aliases: tuple[str, ...]
    writer: Callable[[Description], Writer]
    text: bool = False


class _Sink(io.RawIOBase):
    """A file that hands over what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        held = bytes(data)  # type: ignore[call-overload]  # Arrow hands over buffers
        self._held.append(held)
        return len(held)

    def taken(self) -> bytes:
        """Return what has come since the last time."""
        held, self._held = b"".join(self._held), []
        return held


class _SeparatedWriter:
    """CSV (RFC 4180) and TSV, with a line of names first; a null is an empty cell."""

    def __init__(self, description: Description, separator: str) -> None:
        self._schema = schema_of(description.columns)
        self._flat = pa.schema([pa.field(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in self._schema])
        self._options = pcsv.WriteOptions(include_header=False, delimiter=separator, quoting_style="needed")
        self._names = pcsv.WriteOptions(include_header=True, delimiter=separator, quoting_style="needed")

    def start(self) -> bytes:
        return self._written(pa.RecordBatch.from_pylist([], schema=self._flat), self._names)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        batch = fitted(batch, self._schema)
        columns = [_as_text(array) if pa.types.is_list(array.type) else array for array in batch.columns]
        return self._written(pa.RecordBatch.from_arrays(columns, schema=self._flat), self._options)

    def end(self, overflow: bool) -> Iterable[bytes]:
        return ()

    def failed(self, message: str) -> bytes | None:
        return None

    @staticmethod
    def _written(batch: pa.RecordBatch, options: pcsv.WriteOptions) -> bytes:
        sink = pa.BufferOutputStream()
        pcsv.write_csv(batch, sink, options)
        return bytes(sink.getvalue())


def _as_text(array: pa.Array) -> pa.Array:
    """Return cells with arrays as DALI writes them: values with a blank between."""
    return pc.binary_join(array.cast(pa.list_(pa.string())), " ")


class _ArrowWriter:
    """The Arrow streaming format."""

    def __init__(self, description: Description) -> None:
        self._sink = _Sink()
        self._schema = schema_of(description.columns)
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, "w"), self._schema)

    def start(self) -> bytes:
        return self._sink.taken()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        self._writer.write_batch(fitted(batch, self._schema))
        return self._sink.taken()

    def end(self, overflow: bool) -> Iterable[bytes]:
        self._writer.close()
        yield self._sink.taken()

    def failed(self, message: str) -> bytes | None:
        return None


class _ParquetWriter:
    """Parquet, in groups of rows that are worth reading alone."""

    def __init__(self, description: Description) -> None:
        self._sink = _Sink()
        self._schema = schema_of(description.columns)
        self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, "w"), self._schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def start(self) -> bytes:
        return self._sink.taken()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        self._held.append(fitted(batch, self._schema))
        self._rows += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self._group()
        return self._sink.taken()

    def _group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
        self._held, self._rows = [], 0

    def end(self, overflow: bool) -> Iterable[bytes]:
        if self._held:
            self._group()
        self._writer.close()
        yield self._sink.taken()

    def failed(self, message: str) -> bytes | None:
        return None


def _votable(serialization: Serialization) -> Callable[[Description], Writer]:
    return lambda told: VOTableWriter(told.columns, told.infos, serialization, told.tables, told.services)


def _separated(separator: str) -> Callable[[Description], Writer]:
    return lambda told: _SeparatedWriter(told, separator)


_XML = "application/x-votable+xml"
FORMATS: Final = (
    Format(_XML, ("votable",), _votable("BINARY2")),
    Format(f"{_XML};serialization=BINARY2", ("votable/b2",), _votable("BINARY2")),
    Format(f"{_XML};serialization=TABLEDATA", ("votable/td",), _votable("TABLEDATA"), text=True),
    Format(f"{_XML};serialization=BINARY", ("votable/b",), _votable("BINARY")),
    Format("text/xml", (), _votable("TABLEDATA"), text=True),
    # TAP 1.1, section 3.2: the type says that there is a line of names.
    Format("text/csv;header=present", ("csv",), _separated(","), text=True),
    Format("text/tab-separated-values", ("tsv",), _separated("\t"), text=True),
    Format("application/fits", ("fits",), lambda told: FITSWriter(told.columns, told.spool)),
    Format("application/vnd.apache.arrow.stream", ("arrow",), _ArrowWriter),
    Format("application/vnd.apache.parquet", ("parquet",), _ParquetWriter),
)
_EQUIVALENT = {"text/csv": "text/csv;header=present", "application/x-votable+xml;serialization=binary": f"{_XML};serialization=binary"}


def chosen(asked: str | None) -> Format | None:
    """Return the format of that name or media type; the first one where none is asked for, None where it is unknown."""
    if asked is None:
        return FORMATS[0]
    name = "".join(asked.lower().split())
    name = _EQUIVALENT.get(name, name)
    return next((known for known in FORMATS if name == known.mime.lower() or name in known.aliases), None)
