"""Read a VOTable piece by piece: the header through expat, base64 past it, rows in whole columns."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Never
from xml.parsers import expat

from bowerbird.errors import VOTableError
from bowerbird.votable import plain_rows
from bowerbird.votable.document import Document
from bowerbird.votable.parts import Parts
from bowerbird.votable.ragged import stack
from bowerbird.votable.table import Table, VOTable

_BLOCK = 1 << 16
_STREAM_BLOCK = 1 << 20
_STREAM = re.compile(rb"<(?:[\w.-]+:)?STREAM\s")
_ROW_TAGS = frozenset({"TABLEDATA", "TR", "TD"})
_LONG_ROW = 1 << 22
_GZIP = b"\x1f\x8b"
# Encodings in which base64 has the bytes of ASCII.
_LIKE_ASCII = frozenset({"", "utf-8", "us-ascii", "ascii", "iso-8859-1"})


class Reader:
    """Iterates over the rows of a document in parts, each a Table; afterwards `votable` has all but the rows.

    `max_rows` and `max_bytes` refuse what is larger. A file is read only forwards and is not closed.
    """

    def __init__(self, source: bytes | IO[bytes], *, max_rows: int | None = None, max_bytes: int | None = None) -> None:
        self._file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        self._max_bytes = max_bytes
        self._bytes = 0
        self._parts = Parts(max_rows)
        self._document = Document(self._parts.open_rows)
        self._parser = self._make_parser()
        self._like_ascii = True
        self._is_utf8 = True
        self._plain_base64 = False
        self._plain_rows = False
        self._rest = b""

    def __iter__(self) -> Iterator[Table]:
        """Yield parts; a table without rows gives one empty part."""
        first = True
        while block := self._read():
            if first and block.startswith(_GZIP):
                raise VOTableError("this is gzip'd: decompress it first")
            self._like_ascii &= not (first and block[:2] in (b"\xfe\xff", b"\xff\xfe", b"<\x00", b"\x00<"))
            first = False
            self._feed(block)
            yield from self._ready()
        if self._rest:
            self._parse(self._rest)
        self._parse(b"", last=True)
        yield from self._ready()

    @property
    def votable(self) -> VOTable:
        """What the document says, without its rows."""
        said = self._document
        return VOTable(
            infos=tuple(said.infos),
            params=tuple(said.params),
            coosys=tuple(said.coosys),
            timesys=tuple(said.timesys),
            groups=tuple(said.groups),
            links=tuple(said.links),
            description=said.description,
            version=said.version,
            resource_types=tuple(said.resource_types),
        )

    def _ready(self) -> Iterator[Table]:
        while self._parts.ready:
            yield self._parts.ready.popleft()

    def _read(self) -> bytes:
        block = self._file.read(_STREAM_BLOCK if self._document.in_stream else _BLOCK)
        self._bytes += len(block)
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            raise VOTableError(f"the document is larger than {self._max_bytes} bytes")
        return block

    def _feed(self, block: bytes) -> None:
        """Give what is most of a document past the parser, which needs as long for it as everything else together."""
        if self._plain_rows:
            self._take_rows(block)
        else:
            self._take_markup(block)
        if not self._plain_rows:
            self._plain_rows = self._rows_follow(block)

    def _take_markup(self, block: bytes) -> None:
        if self._plain_base64:
            ends = [at for at in (block.find(b"<"), block.find(b"&")) if at >= 0]
            plain = min(ends, default=len(block))
            self._stream(block[:plain])
            block = block[plain:]
        if block:
            self._parse(block)
            # Only where the last markup is the start of the stream itself is what follows surely its text.
            tail = block[block.rfind(b"<") :]
            self._plain_base64 = self._like_ascii and self._document.in_stream and _STREAM.match(tail) is not None and b"&" not in tail

    def _rows_follow(self, block: bytes) -> bool:
        """Whether the parser is within TABLEDATA, and surely in no comment or CDATA."""
        sink = self._document.sink
        if sink is None or not sink.width or not self._is_utf8:
            return False
        start = block.rfind(b"<TABLEDATA")
        if start < 0:
            return False
        return self._document.path[-1] in _ROW_TAGS and b"<!" not in block[start:] and b"<?" not in block[start:]

    def _take_rows(self, block: bytes) -> None:
        """Take whole rows as text: through the parser, each cell costs three calls."""
        data, self._rest = self._rest + block, b""
        if self._document.path[-1] != "TABLEDATA":
            data = self._finish_row(data)
        end = data.rfind(plain_rows.END) + len(plain_rows.END)
        sink = self._document.sink
        if self._plain_rows and sink is not None and self._document.path[-1] == "TABLEDATA" and end >= len(plain_rows.END):
            found = plain_rows.cells(data[:end], sink.width)
            if found is None:
                self._parse_rows(data[:end])
            else:
                sink.rows(found)
            data = data[end:]
        self._keep(data)

    def _finish_row(self, data: bytes) -> bytes:
        """Let the parser have the row that it is in; return what comes after."""
        end = data.find(plain_rows.END) + len(plain_rows.END)
        end = end if end >= len(plain_rows.END) else len(data)
        self._parse_rows(data[:end])
        return data[end:]

    def _keep(self, data: bytes) -> None:
        """Keep the start of a row for the next block; the end of the table, and what is very long, is the parser's."""
        at_row = bool(self._document.path) and self._document.path[-1] == "TABLEDATA"
        if self._plain_rows and at_row and b"TABLEDATA" not in data and len(data) < _LONG_ROW:
            self._rest = data
        elif data:
            self._parse_rows(data)

    def _parse_rows(self, data: bytes) -> None:
        self._parse(data)
        # After a comment or CDATA it is not sure what the next byte belongs to.
        self._plain_rows &= self._document.sink is not None and b"<!" not in data and b"<?" not in data

    def _parse(self, block: bytes, *, last: bool = False) -> None:
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            where = f"line {error.lineno}" if not self._document.headers else "after its header"
            what = "is cut off" if last else "is no well-formed XML"
            raise VOTableError(f"the document {what} ({where}: {expat.errors.messages.get(error.code, error)})") from error

    def _make_parser(self) -> Any:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = _BLOCK
        parser.StartElementHandler = self._document.start
        parser.EndElementHandler = self._document.end
        parser.CharacterDataHandler = self._characters
        parser.XmlDeclHandler = self._declared
        # Entities are how a small document becomes a large one, or reads another: no VOTable needs any.
        parser.EntityDeclHandler = _refuse_entity
        parser.ExternalEntityRefHandler = _refuse_entity
        parser.SkippedEntityHandler = _refuse_entity
        return parser

    def _declared(self, _: str, encoding: str | None, __: int) -> None:
        self._like_ascii &= (encoding or "").lower() in _LIKE_ASCII
        self._is_utf8 &= self._like_ascii and (encoding or "").lower() != "iso-8859-1"

    def _characters(self, content: str) -> None:
        if not self._document.in_stream:
            self._document.text(content)
            return
        if not content.isascii():
            raise VOTableError("the base64 of a table is damaged: it has other characters")
        self._stream(content.encode("ascii"))

    def _stream(self, text: bytes) -> None:
        if self._document.sink is not None:
            self._document.sink.stream(text)


def _refuse_entity(*_: Any) -> Never:
    raise VOTableError("the document declares or uses entities, which no VOTable needs: it is refused")


def read(source: bytes | IO[bytes] | str | Path, *, max_rows: int | None = None, max_bytes: int | None = None) -> VOTable:
    """Return a whole document: from its bytes, an open file, or a path.

    Raises VOTableError when it is damaged, cut off, too large, or no VOTable. An error document is read as any other.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            return read(file, max_rows=max_rows, max_bytes=max_bytes)
    reader = Reader(source, max_rows=max_rows, max_bytes=max_bytes)
    parts: dict[int, list[Table]] = {}
    for part in reader:
        parts.setdefault(part.index, []).append(part)
    return replace(reader.votable, tables=tuple(_joined(found) for _, found in sorted(parts.items())))


def _joined(parts: list[Table]) -> Table:
    first = parts[0]
    return Table(first.header, [stack([part.columns[n] for part in parts]) for n in range(len(first.fields))], first.index)
