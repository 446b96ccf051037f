"""An answer as a FITS binary table: spooled first, since its header says how many rows there are and how long texts become."""

import tempfile
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits

from bowerbird_services.rows import fitted, numpy_columns, schema_of
from bowerbird_services.tables import Column

_BLOCK = 2880
_CODES = {"b1": "L", "u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}


class FITSWriter:
    """Spools rows to a file of its own, which nobody else can find, and writes them when their number is known."""

    def __init__(self, columns: Sequence[Column], spool: Path | None) -> None:
        self._columns = columns
        self._schema = schema_of(columns)
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=spool)  # noqa: SIM115  closed by `end` or with the writer
        weakref.finalize(self, _let_go, self._file)
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        self._widths = [1] * len(columns)
        self._nulls = [False] * len(columns)
        self._rows = 0

    def start(self) -> bytes:
        """Return nothing: the header comes when all is known."""
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Spool some rows."""
        batch = fitted(batch, self._schema)
        for place, array in enumerate(batch.columns):
            self._widths[place] = max(self._widths[place], _width(array))
            self._nulls[place] |= array.null_count > 0
        self._rows += batch.num_rows
        self._writer.write_batch(batch)
        return b""

    def end(self, overflow: bool) -> Iterable[bytes]:
        """Yield the whole file."""
        self._writer.close()
        with self._file:
            self._file.seek(0)
            dtype = np.dtype([(f"c{place}", *self._cell(place)) for place in range(len(self._columns))])
            yield self._header(dtype, overflow)
            written = 0
            for batch in pa.ipc.open_stream(self._file):
                data = self._records(batch, dtype).tobytes()
                written += len(data)
                yield data
            yield b"\0" * (-written % _BLOCK)

    def failed(self, message: str) -> bytes | None:
        """Return None: a FITS file cannot say that it broke off."""
        self._file.close()
        return None

    def _cell(self, place: int) -> tuple[Any, ...]:
        kind, width = self._schema[place].type, self._widths[place]
        if pa.types.is_string(kind):
            return (f"S{width}",)
        if pa.types.is_list(kind):
            return (np.dtype(_numpy_code(kind.value_type)).newbyteorder(">"), (width,))
        if pa.types.is_uint8(kind) and self._nulls[place]:
            return (">i2",)  # no value of a byte is left to say null
        return (np.dtype(_numpy_code(kind)).newbyteorder(">"),)

    def _header(self, dtype: np.dtype[Any], overflow: bool) -> bytes:
        primary = fits.PrimaryHDU().header
        table = fits.Header(
            [
                ("XTENSION", "BINTABLE"),
                ("BITPIX", 8),
                ("NAXIS", 2),
                ("NAXIS1", dtype.itemsize),
                ("NAXIS2", self._rows),
                ("PCOUNT", 0),
                ("GCOUNT", 1),
                ("TFIELDS", len(self._columns)),
            ]
        )
        for place, column in enumerate(self._columns):
            self._describe(table, place, column, dtype)
        table["QSTATUS"] = ("OVERFLOW" if overflow else "OK", "whether the rows are all that there are")
        return bytes((primary.tostring() + table.tostring()).encode("ascii", "replace"))

    def _describe(self, header: fits.Header, place: int, column: Column, dtype: np.dtype[Any]) -> None:
        number, cell = place + 1, dtype[place]
        header[f"TTYPE{number}"] = _ascii(column.name)
        header[f"TFORM{number}"] = "1L" if pa.types.is_boolean(self._schema[place].type) else _tform(cell)
        if column.unit:
            header[f"TUNIT{number}"] = _ascii(column.unit)
        if column.description:
            header[f"TCOMM{number}"] = _ascii(column.description)
        if column.ucd:
            header[f"TUCD{number}"] = _ascii(column.ucd)
        if self._nulls[place] and cell.kind == "i":
            header[f"TNULL{number}"] = int(np.iinfo(cell).min)

    def _records(self, batch: pa.RecordBatch, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        records = np.zeros(batch.num_rows, dtype)
        for place, values in enumerate(numpy_columns(batch)):
            records[f"c{place}"] = _filled(values, dtype[place])
        return records


def _let_go(file: IO[bytes]) -> None:
    with suppress(OSError):  # what a full disk did not take is not wanted any more
        file.close()


def _width(array: pa.Array) -> int:
    if pa.types.is_string(array.type):
        return pc.max(pc.utf8_length(array)).as_py() or 1
    if pa.types.is_list(array.type):
        return pc.max(pc.list_value_length(array)).as_py() or 1
    return 1


def _numpy_code(kind: pa.DataType) -> str:
    # A logical of FITS is a letter.
    return "S1" if pa.types.is_boolean(kind) else kind.to_pandas_dtype()().dtype.str


def _tform(cell: np.dtype[Any]) -> str:
    if cell.subdtype is not None:
        inner, (width,) = cell.subdtype
        return f"{width}{_tform(inner)[1:]}"
    if cell.kind == "S":
        return f"{cell.itemsize}A" if cell.itemsize else "0A"
    return f"1{_CODES[cell.kind + str(cell.itemsize)]}"


def _filled(values: np.ndarray[Any, Any], cell: np.dtype[Any]) -> Any:
    if cell.subdtype is not None:
        inner, (width,) = cell.subdtype
        return np.stack([_padded(value, inner, width) for value in values]) if len(values) else np.empty((0, width), inner)
    if values.dtype == object:
        return [(value or "").encode("ascii", "replace") for value in values]
    if cell.kind == "S":
        return np.where(np.ma.getmaskarray(values), b"\0", np.where(np.ma.getdata(values), b"T", b"F"))
    if not isinstance(values, np.ma.MaskedArray):
        return values
    return np.ma.filled(values.astype(cell), np.nan if cell.kind == "f" else np.iinfo(cell).min)


def _padded(value: np.ndarray[Any, Any], cell: np.dtype[Any], width: int) -> np.ndarray[Any, Any]:
    padded = np.full(width, np.nan if cell.kind == "f" else 0, cell)
    padded[: len(value)] = value
    return padded


def _ascii(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode().split())
