"""A binary table in a FITS file (FITS 4.0, section 7.3), read through a map of the file."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits
from bowerbird.votable.field import TEXTS, Datatype

from bowerbird_services.ingest.source import BATCH_ROWS, BadSource, Described, one_of
from bowerbird_services.store.columns import arrow_type
from bowerbird_services.tables import Column

_FORMAT = re.compile(r"(\d*)([LXBIJKAEDCMPQ])(.*)")
_DATATYPES = {
    "L": Datatype.BOOLEAN,
    "X": Datatype.BOOLEAN,
    "B": Datatype.UNSIGNED_BYTE,
    "I": Datatype.SHORT,
    "J": Datatype.INT,
    "K": Datatype.LONG,
    "A": Datatype.CHAR,
    "E": Datatype.FLOAT,
    "D": Datatype.DOUBLE,
}
# TZERO of integers whose sign FITS cannot write, and the type that holds them all (section 5.2.5).
_OFFSETS = {
    ("B", -128.0): Datatype.SHORT,
    ("I", float(1 << 15)): Datatype.INT,
    ("J", float(1 << 31)): Datatype.LONG,
    ("K", float(1 << 63)): Datatype.LONG,
}


class FitsSource:
    """One table of an opened FITS file."""

    def __init__(self, path: Path, part: int | str | None) -> None:
        self._file = _opened(path)
        try:
            hdu = self._table(part)
            self._header = hdu.header
            self._rows = _rows(hdu, path)
            self._columns = [_FitsColumn(self._header, number) for number in range(1, self._header["TFIELDS"] + 1)]
        except BadSource:
            self._file.close()
            raise
        comments = " ".join(map(str, self._header.get("COMMENT", ())))
        self.described = Described(tuple(column.column for column in self._columns), comments)

    def _table(self, part: int | str | None) -> Any:
        try:
            with warnings.catch_warnings(action="ignore"):
                tables = [hdu for hdu in self._file if isinstance(hdu, fits.BinTableHDU) and not isinstance(hdu, fits.CompImageHDU)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadSource("is no whole FITS file") from error
        return tables[one_of(part, [hdu.name for hdu in tables])]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Source.batches`."""
        schema = pa.schema([(column.column.name, arrow_type(column.column)) for column in self._columns])
        for start in range(0, len(self._rows), BATCH_ROWS):
            rows = self._rows[start : start + BATCH_ROWS]
            raw = rows.view(np.ndarray)
            arrays = [column.arrow(raw[raw.dtype.names[number]], rows, number) for number, column in enumerate(self._columns)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        del self._rows
        self._file.close()


def _opened(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):
            return fits.open(path, memmap=True)
    except (OSError, ValueError) as error:
        raise BadSource("is no FITS file") from error


def _rows(hdu: Any, path: Path) -> Any:
    place = hdu.fileinfo()
    if path.suffix != ".gz" and place["datLoc"] + hdu.size > path.stat().st_size:
        raise BadSource(f"breaks off: the table {hdu.name!r} should have {hdu.header['NAXIS2']} rows")
    try:
        with warnings.catch_warnings(action="ignore"):
            return hdu.data
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise BadSource(f"has the table {hdu.name!r}, which breaks off or is damaged") from error


class _FitsColumn:
    """One column: what the header says of it, and how its bytes become values."""

    def __init__(self, header: Any, number: int) -> None:
        self.name = str(header.get(f"TTYPE{number}", f"col{number}")).strip()
        match = _FORMAT.match(str(header[f"TFORM{number}"]).strip().upper())
        if match is None or match[2] in "CM":
            raise BadSource(f"has the column {self.name!r} with complex or unknown values, which a table here cannot have")
        self._letter, self._count = match[2], int(match[1] or 1)
        self._variable = self._letter in "PQ"
        if self._variable:
            self._letter = match[3].lstrip()[:1]
        self._scale, self._zero = float(header.get(f"TSCAL{number}", 1)), float(header.get(f"TZERO{number}", 0))
        self._null = header.get(f"TNULL{number}")
        self.column = self._described(header, number)

    def _described(self, header: Any, number: int) -> Column:
        def said(key: str) -> str | None:
            return str(header[f"{key}{number}"]).strip() or None if f"{key}{number}" in header else None

        if self._letter not in _DATATYPES:
            raise BadSource(f"has the column {self.name!r} with values that a table here cannot have")
        datatype = _DATATYPES[self._letter]
        if (self._scale, self._zero) != (1.0, 0.0) and self._letter != "A":
            datatype = _OFFSETS.get((self._letter, self._zero), Datatype.DOUBLE) if self._scale == 1 else Datatype.DOUBLE
        shape = re.fullmatch(r"\(([\d, ]+)\)", said("TDIM") or "")
        length = "x".join(part.strip() for part in shape[1].split(",")) if shape else str(self._count)
        arraysize = "*" if self._variable or datatype in TEXTS else length if self._count != 1 else None
        about = said("TCOMM") or str(header.comments[f"TTYPE{number}"] if f"TTYPE{number}" in header else "")
        return Column(self.name, datatype, arraysize, ucd=said("TUCD"), utype=said("TUTYP"), description=about, raw_unit=said("TUNIT"))

    def arrow(self, raw: Any, rows: Any, number: int) -> pa.Array:
        """Return the values of some rows."""
        kind = arrow_type(self.column)
        if self._variable:
            return self._lists(rows.field(number), kind)
        if self._letter == "A":
            return _texts(raw)
        values, missing = self._values(raw)
        if values.ndim == 1:
            return pa.array(values, mask=missing).cast(kind)
        lengths = np.arange(0, values.size + 1, values[0].size if len(values) else 1, dtype=np.int32)
        flat = pa.array(values.reshape(-1), mask=None if missing is None else missing.reshape(-1)).cast(kind.value_type)
        return pa.ListArray.from_arrays(pa.array(lengths), flat)

    def _values(self, raw: Any) -> tuple[Any, Any]:
        """Return the values, and where there are none."""
        if self._letter == "X":
            bits = np.unpackbits(raw.reshape(len(raw), -1), axis=1)[:, : self._count].astype(bool)
            return (bits[:, 0] if self._count == 1 else bits), None
        if self._letter == "L":
            letters = raw.view(np.uint8)
            return letters == ord("T"), letters == 0
        values = raw.astype(raw.dtype.newbyteorder("="))
        missing = values == self._null if self._null is not None and values.dtype.kind in "iu" else None
        if (self._scale, self._zero) == (1.0, 0.0):
            return values, missing
        if (self._letter, self._zero) in _OFFSETS and self._scale == 1:
            return self._moved(values), missing
        return values * self._scale + self._zero, missing

    def _moved(self, values: Any) -> Any:
        if self._letter != "K":
            return values.astype(np.int64) + int(self._zero)
        if (values >= 0).any():
            raise BadSource(f"has the column {self.name!r} with integers beyond 2**63 - 1, which a table here cannot have")
        # The sign bit alone: no sum of 64-bit integers could be exact.
        return values ^ np.int64(-(1 << 63))

    def _lists(self, values: Any, kind: pa.DataType) -> pa.Array:
        if self._letter == "A":
            return pa.array([str(value) for value in values], kind)
        return pa.array([np.asarray(value).tolist() for value in values], kind)


def _texts(raw: Any) -> pa.Array:
    joined = raw if raw.ndim == 1 else raw.reshape(len(raw), -1).copy().view(f"S{raw.itemsize * raw[0].size}").reshape(-1)
    # FITS ends a text at its first NUL, and blanks at the end are none of it (section 7.3.3.1).
    binary = pa.array(np.ascontiguousarray(joined), pa.binary())
    try:
        texts = binary.cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array(np.char.decode(joined, "latin-1"), pa.string())
    return pc.utf8_rtrim(texts, " \0")
