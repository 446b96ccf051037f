"""Rows on their way from the parser to columns: gathered until there are enough, then given as a part of a table."""

from collections import deque

from bowerbird.errors import VOTableError
from bowerbird.spaced import spaced
from bowerbird.votable import binary_reader, tabledata_reader
from bowerbird.votable.base64_lines import Decoder
from bowerbird.votable.document import Sink
from bowerbird.votable.header import Header
from bowerbird.votable.layout import layout
from bowerbird.votable.ragged import Array
from bowerbird.votable.table import Table

_ROWS_BYTES = 1 << 22
_ROWS = 1 << 15


class Parts:
    """The parts that are ready, and how many rows each table had so far."""

    def __init__(self, max_rows: int | None) -> None:
        self.ready: deque[Table] = deque()
        self._max_rows = max_rows
        self._rows: dict[int, int] = {}

    def open_rows(self, header: Header, serialization: str, index: int) -> Sink:
        """Return where the rows of a table go."""
        self._rows[index] = 0
        if serialization == "TABLEDATA":
            return _Words(self, header, index)
        return _Bytes(self, header, serialization, index)

    def add(self, header: Header, index: int, columns: list[Array], size: int) -> None:
        """Take whole rows."""
        self._rows[index] += size
        if self._max_rows is not None and self._rows[index] > self._max_rows:
            raise VOTableError(f"table {header.name or index + 1} has more than {spaced(self._max_rows)} rows")
        self.ready.append(Table(header, columns, index))

    def close(self, header: Header, index: int) -> None:
        """Take the end of a table: one without rows is a part too."""
        if not self._rows[index]:
            self.ready.append(Table(header, [tabledata_reader.column(field, []) for field in header.fields], index))
        if header.nrows is not None and self._rows[index] < header.nrows:
            raise VOTableError(f"table {header.name or index + 1} promises {spaced(header.nrows)} rows and has {spaced(self._rows[index])}")


class _Words:
    """The cells of TABLEDATA, until there are enough rows for columns."""

    def __init__(self, parts: Parts, header: Header, index: int) -> None:
        self._parts, self._header, self._index = parts, header, index
        self._cells: list[str] = []
        self.width = len(header.fields)
        self._size = 0
        self.cell = self._cells.append

    def row(self) -> None:
        """Check the row's length."""
        self._size += 1
        if len(self._cells) != self._size * self.width:
            found = len(self._cells) - (self._size - 1) * self.width
            raise VOTableError(f"a row has {found} cells for {self.width} fields")
        if self._size >= _ROWS:
            self._flush()

    def rows(self, cells: list[str]) -> None:
        """Take whole rows."""
        self._cells += cells
        self._size += len(cells) // self.width
        if self._size >= _ROWS:
            self._flush()

    def stream(self, text: bytes) -> None:
        """Refuse: a STREAM is no TABLEDATA."""
        raise VOTableError("a STREAM stands within TABLEDATA")

    def end(self) -> None:
        """Give the last rows."""
        if len(self._cells) != self._size * self.width:
            raise VOTableError("a cell stands outside a row")
        self._flush()
        self._parts.close(self._header, self._index)

    def _flush(self) -> None:
        if self._size:
            columns = [tabledata_reader.column(field, self._cells[n :: self.width]) for n, field in enumerate(self._header.fields)]
            self._parts.add(self._header, self._index, columns, self._size)
        self._size = 0
        self._cells.clear()


class _Bytes:
    """The base64 of BINARY and BINARY2, until there are enough bytes for columns."""

    def __init__(self, parts: Parts, header: Header, serialization: str, index: int) -> None:
        self._parts, self._header, self._index = parts, header, index
        self._base64 = Decoder()
        self._rows = binary_reader.Rows(layout(header.fields, serialization))

    width = 0

    def rows(self, cells: list[str]) -> None:
        """Refuse: cells are TABLEDATA's."""
        raise VOTableError("rows of TABLEDATA stand among binary rows")

    def cell(self, text: str) -> None:
        """Refuse likewise."""
        raise VOTableError("a cell of TABLEDATA stands among binary rows")

    def row(self) -> None:
        """Refuse likewise."""
        raise VOTableError("a row of TABLEDATA stands among binary rows")

    def stream(self, text: bytes) -> None:
        """Take base64."""
        self._rows.add(self._base64.add(text))
        if len(self._rows) >= _ROWS_BYTES:
            self._flush()

    def end(self) -> None:
        """Give the last rows."""
        self._rows.add(self._base64.end())
        if len(self._rows):
            self._flush()
        self._rows.end()
        self._parts.close(self._header, self._index)

    def _flush(self) -> None:
        size, columns = self._rows.take()
        if size:
            self._parts.add(self._header, self._index, columns, size)
