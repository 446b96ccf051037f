"""Write a VOTable piece by piece: a header, batches of rows, an end."""

from collections.abc import Iterable, Sequence
from typing import Any

from bowerbird.errors import VOTableError
from bowerbird.votable import binary_writer, markup, tabledata_writer
from bowerbird.votable.base64_lines import Encoder
from bowerbird.votable.cells import Cells, cells
from bowerbird.votable.field import Field
from bowerbird.votable.header import Header, Info
from bowerbird.votable.layout import layout
from bowerbird.votable.markup import Serialization
from bowerbird.votable.services import Service


class Writer:
    """Makes the bytes of one document; nothing of earlier batches is kept, so any number of rows takes the same memory."""

    def __init__(self, header: Header, serialization: Serialization = "BINARY2") -> None:
        if serialization not in ("BINARY2", "BINARY", "TABLEDATA"):
            raise VOTableError(f"serialization {serialization!r}: it is BINARY2, BINARY or TABLEDATA")
        self._header = header
        self._serialization: Serialization = serialization
        self._layout = layout(header.fields, serialization)
        self._lines = Encoder()

    def start(self) -> bytes:
        """Return what comes before the first row."""
        return markup.start(self._header, self._serialization).encode()

    def rows(self, columns: Sequence[Any]) -> bytes:
        """Return the next rows, given column by column: arrays, masked arrays, lists with None, or `Ragged`.

        Raises VOTableError when a value does not fit its field, instead of changing it.
        """
        fields = self._header.fields
        if len(columns) != len(fields):
            raise VOTableError(f"{len(columns)} columns were given for {len(fields)} fields")
        checked = [self._checked(field, column) for field, column in zip(fields, columns, strict=True)]
        sizes = {len(column) for column in checked}
        if len(sizes) > 1:
            raise VOTableError(f"columns have different lengths: {', '.join(map(str, sorted(sizes)))}")
        if self._serialization != "BINARY2":
            _check_values(fields, checked)
        if self._serialization == "TABLEDATA":
            return tabledata_writer.rows(fields, checked)
        return self._lines.add(binary_writer.rows(self._layout, [column for column in checked if isinstance(column, Cells)]))

    def _checked(self, field: Field, column: Any) -> Cells | list[str]:
        ready = tabledata_writer.plain_texts(field, column) if self._serialization == "TABLEDATA" else None
        return cells(field, column) if ready is None else ready

    def end(self, infos: Iterable[Info] = (), services: Iterable[Service] = ()) -> bytes:
        """Return what comes after the last row; `infos` tell of an overflow, or of an error in the middle."""
        return self._lines.end() + markup.end(self._serialization, infos, services).encode()


def _check_values(fields: Sequence[Field], columns: Sequence[Cells | list[str]]) -> None:
    """Refuse a value that would be read as null where there are no flags."""
    for field, column in zip(fields, columns, strict=True):
        if field.null is None or not field.is_integer or isinstance(column, list) or column.counts is not None:
            continue
        hit = (column.values == field.null).reshape(len(column), -1).all(axis=1)
        if column.nulls is not None:
            hit &= ~column.nulls
        if hit.any() and not field.shape.fixed:
            raise VOTableError(f"column {field.name!r} has the value {field.null}, which its field declares to be null")


def error_document(message: str, infos: Iterable[Info] = ()) -> bytes:
    """Return a document without a table that says what went wrong, as DALI 1.1 asks (section 4.4)."""
    status = markup.info_element(Info("QUERY_STATUS", "ERROR", message))
    more = "".join(map(markup.info_element, infos))
    return f'{markup.START}<RESOURCE type="results">\n{status}{more}</RESOURCE>\n</VOTABLE>\n'.encode()
