"""Read a VOTable piece by piece: the header through expat, base64 past it, rows in whole columns."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Never
from xml.parsers import expat

from bowerbird.errors import VOTableError
from bowerbird.votable.document import Document
from bowerbird.votable.parts import Parts
from bowerbird.votable.ragged import stack
from bowerbird.votable.table import Table, VOTable

_BLOCK = 1 << 16
_STREAM_BLOCK = 1 << 20
_STREAM = re.compile(rb"<(?:[\w.-]+:)?STREAM\s")
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
        self._plain = False

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
        """Give base64 past the parser, which needs as long for it as everything else together; markup goes through it."""
        if self._plain:
            ends = [at for at in (block.find(b"<"), block.find(b"&")) if at >= 0]
            plain = min(ends, default=len(block))
            self._stream(block[:plain])
            block = block[plain:]
        if block:
            self._parse(block)
            # Only where the last markup is the start of the stream itself is what follows surely its text.
            tail = block[block.rfind(b"<") :]
            self._plain = self._like_ascii and self._document.in_stream and _STREAM.match(tail) is not None and b"&" not in tail

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
