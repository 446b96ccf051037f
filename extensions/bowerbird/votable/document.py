"""The elements of a document as the parser meets them: who is open, what was said, where rows go."""

from collections.abc import Callable, Mapping
from typing import Protocol

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field
from bowerbird.votable.header import Coosys, Group, Header, Info, Link, Param, Timesys

Attributes = Mapping[str, str]
# Nothing that astronomers write is deeper or has more columns; what is said around the rows is short.
_DEEPEST = 100
_MOST_FIELDS = 20_000
_MOST_WORDS = 1 << 25
_TEXTS = frozenset({"DESCRIPTION", "INFO"})


class Sink(Protocol):
    """Where the rows of a table go: chosen when its DATA is met."""

    def cell(self, text: str) -> None:
        """Take a cell of TABLEDATA."""

    def row(self) -> None:
        """Take the end of a row."""

    def rows(self, cells: list[str]) -> None:
        """Take all cells of whole rows."""

    @property
    def width(self) -> int:
        """How many cells a row has; 0 where rows are no cells."""

    def stream(self, text: bytes) -> None:
        """Take base64."""

    def end(self) -> None:
        """Take the end of the rows."""


class Document:
    """Keeps what is said around the rows. `open_rows(header, serialization, index)` gives the sink of a table's rows."""

    def __init__(self, open_rows: Callable[[Header, str, int], Sink]) -> None:
        self._open_rows = open_rows
        self.path: list[str] = []
        self.infos: list[Info] = []
        self.params: list[Param] = []
        self.coosys: list[Coosys] = []
        self.timesys: list[Timesys] = []
        self.groups: list[Group] = []
        self.links: list[Link] = []
        self.resource_types: list[str] = []
        self.description = ""
        self.version: str | None = None
        self.sink: Sink | None = None
        self.headers: list[Header] = []
        self.in_stream = False
        self._table: _OpenTable | None = None
        self._groups: list[_OpenGroup] = []
        self._waiting: list[tuple[str, Attributes, str | None, str]] = []
        self._text: list[str] | None = None
        self._words = 0

    def start(self, tag: str, attributes: Attributes) -> None:
        """Take the start of an element."""
        name = tag.rpartition(":")[2]
        if not self.path and name != "VOTABLE":
            raise VOTableError(f"this is no VOTable: it starts with <{tag}>")
        self.path.append(name)
        if len(self.path) > _DEEPEST:
            raise VOTableError("the document is nested deeper than any VOTable")
        self._count(sum(map(len, attributes.values())) + len(tag))
        taken = getattr(self, f"_start_{name}", None)
        if taken is not None:
            taken(attributes)
        if name in _TEXTS or name == "TD":
            self._text = []

    def text(self, content: str) -> None:
        """Take character data outside a stream."""
        if self._text is not None:
            if self.path[-1] != "TD":
                self._count(len(content))
            self._text.append(content)

    def end(self, tag: str) -> None:
        """Take the end of an element."""
        name = self.path.pop()
        taken = getattr(self, f"_end_{name}", None)
        if taken is not None:
            taken()
        if name in _TEXTS:
            self._text = None

    def _count(self, words: int) -> None:
        if self.sink is None:
            self._words += words
            if self._words > _MOST_WORDS:
                raise VOTableError("what the document says around its rows is longer than any VOTable's")

    def _said(self) -> str:
        return "".join(self._text or ())

    def _start_VOTABLE(self, attributes: Attributes) -> None:
        self.version = attributes.get("version")

    def _start_RESOURCE(self, attributes: Attributes) -> None:
        self.resource_types.append(attributes.get("type", ""))

    def _start_TABLE(self, attributes: Attributes) -> None:
        if self._table is not None:
            raise VOTableError("a TABLE stands within a TABLE")
        self._table = _OpenTable(attributes)

    def _end_TABLE(self) -> None:
        table, self._table = self._table, None
        if table is not None and not table.has_data:
            self.headers.append(table.header())
            self._open_rows(self.headers[-1], "TABLEDATA", len(self.headers) - 1).end()

    def _start_FIELD(self, attributes: Attributes) -> None:
        self._waiting.append(("FIELD", attributes, None, ""))

    _start_PARAM = _start_FIELD

    def _start_VALUES(self, attributes: Attributes) -> None:
        if self._waiting and "null" in attributes:
            name, told, _, description = self._waiting.pop()
            self._waiting.append((name, told, attributes["null"], description))

    def _end_FIELD(self) -> None:
        _, attributes, null, description = self._waiting.pop()
        if self._table is None:
            raise VOTableError(f"FIELD {attributes.get('name')!r} stands outside a TABLE")
        if len(self._table.fields) >= _MOST_FIELDS:
            raise VOTableError(f"a table has more than {_MOST_FIELDS} fields")
        self._table.fields.append(_field(attributes, null, description))

    def _end_PARAM(self) -> None:
        _, attributes, null, description = self._waiting.pop()
        param = Param(_field(attributes, null, description), attributes.get("value", ""))
        if self._groups:
            self._groups[-1].params.append(param)
        elif self._table is not None:
            self._table.params.append(param)
        self.params.append(param)

    def _start_INFO(self, attributes: Attributes) -> None:
        self._waiting.append(("INFO", attributes, None, ""))

    def _end_INFO(self) -> None:
        _, told, _, _ = self._waiting.pop()
        self.infos.append(
            Info(
                told.get("name", ""),
                told.get("value", ""),
                self._said(),
                id=told.get("ID"),
                ucd=told.get("ucd"),
                utype=told.get("utype"),
                unit=told.get("unit"),
            )
        )

    def _end_DESCRIPTION(self) -> None:
        said = self._said().strip()
        inside = self.path[-1] if self.path else ""
        if inside in ("FIELD", "PARAM") and self._waiting:
            name, told, null, _ = self._waiting.pop()
            self._waiting.append((name, told, null, said))
        elif inside == "TABLE" and self._table is not None:
            self._table.description = said
        elif inside == "GROUP" and self._groups:
            self._groups[-1].description = said
        elif inside in ("VOTABLE", "RESOURCE") and not self.description:
            self.description = said

    def _start_COOSYS(self, told: Attributes) -> None:
        self.coosys.append(Coosys(told.get("ID", ""), told.get("system"), told.get("epoch"), told.get("equinox"), told.get("refposition")))

    def _start_TIMESYS(self, told: Attributes) -> None:
        self.timesys.append(Timesys(told.get("ID", ""), told.get("timescale", ""), told.get("refposition", ""), told.get("timeorigin")))

    def _start_LINK(self, told: Attributes) -> None:
        link = Link(told.get("href"), told.get("content-role"), told.get("content-type"), told.get("title"), told.get("value"))
        (self.links if self._table is None else self._table.links).append(link)

    def _start_GROUP(self, attributes: Attributes) -> None:
        self._groups.append(_OpenGroup(attributes))

    def _end_GROUP(self) -> None:
        group = self._groups.pop().group()
        (self.groups if self._table is None else self._table.groups).append(group)

    def _start_FIELDref(self, told: Attributes) -> None:
        if self._groups:
            self._groups[-1].fieldrefs.append(told.get("ref", ""))

    def _start_PARAMref(self, told: Attributes) -> None:
        if self._groups:
            self._groups[-1].paramrefs.append(told.get("ref", ""))

    def _start_rows(self, serialization: str) -> None:
        if self._table is None or self.sink is not None or self._table.has_data:
            raise VOTableError(f"{serialization} stands where no table has its rows")
        self._table.has_data = True
        self.headers.append(self._table.header())
        self.sink = self._open_rows(self.headers[-1], serialization, len(self.headers) - 1)

    def _start_TABLEDATA(self, _: Attributes) -> None:
        self._start_rows("TABLEDATA")

    def _start_BINARY(self, _: Attributes) -> None:
        self._start_rows("BINARY")

    def _start_BINARY2(self, _: Attributes) -> None:
        self._start_rows("BINARY2")

    def _start_FITS(self, _: Attributes) -> None:
        raise VOTableError("the rows are in a FITS file inside or beside the document: ask the service for BINARY2 or for FITS")

    def _end_rows(self) -> None:
        if self.sink is not None:
            self.sink.end()
        self.sink = None

    _end_TABLEDATA = _end_BINARY = _end_BINARY2 = _end_rows

    def _start_STREAM(self, told: Attributes) -> None:
        if "href" in told:
            raise VOTableError(f"the rows are elsewhere, at {told['href']!r}: other addresses are not followed")
        if told.get("encoding") != "base64":
            raise VOTableError(f"the rows are encoded as {told.get('encoding')!r}; it must be base64")
        if self.sink is None:
            raise VOTableError("a STREAM stands where no table has its rows")
        self.in_stream = True

    def _end_STREAM(self) -> None:
        self.in_stream = False

    def _start_TD(self, told: Attributes) -> None:
        if self.sink is None or "encoding" in told:
            raise VOTableError("a cell stands outside TABLEDATA, or is encoded")

    def _end_TD(self) -> None:
        if self.sink is not None:
            self.sink.cell(self._said())
        self._text = None

    def _end_TR(self) -> None:
        if self.sink is not None:
            self.sink.row()


class _OpenGroup:
    """A GROUP that is not closed yet."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self.description = ""
        self.fieldrefs: list[str] = []
        self.paramrefs: list[str] = []
        self.params: list[Param] = []

    def group(self) -> Group:
        """Return it closed."""
        told = self._attributes
        references = (tuple(self.fieldrefs), tuple(self.paramrefs))
        return Group(told.get("name"), told.get("ucd"), told.get("utype"), self.description, *references, tuple(self.params))


class _OpenTable:
    """A TABLE whose rows are not met yet."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self.fields: list[Field] = []
        self.params: list[Param] = []
        self.links: list[Link] = []
        self.groups: list[Group] = []
        self.description = ""
        self.has_data = False

    def header(self) -> Header:
        """Return what was said of it."""
        told = self._attributes
        return Header(
            tuple(self.fields),
            params=tuple(self.params),
            links=tuple(self.links),
            groups=tuple(self.groups),
            name=told.get("name"),
            description=self.description,
            utype=told.get("utype"),
            id=told.get("ID"),
            nrows=int(told["nrows"]) if told.get("nrows", "").isdigit() and len(told["nrows"]) < 19 else None,  # noqa: PLR2004  64 bits
        )


def _field(told: Attributes, null: str | None, description: str) -> Field:
    name = told.get("name") or told.get("ID") or ""
    return Field(
        name,
        told.get("datatype", "char"),
        told.get("arraysize") or None,
        xtype=told.get("xtype"),
        unit=told.get("unit"),
        ucd=told.get("ucd"),
        utype=told.get("utype"),
        description=description,
        null=_null(name, told.get("datatype", ""), null),
        id=told.get("ID"),
        ref=told.get("ref"),
    )


def _null(name: str, datatype: str, text: str | None) -> int | None:
    """Return the null value of an integer field; of other fields it says nothing that the rows do not say."""
    if text is None or not text.strip() or datatype not in ("unsignedByte", "short", "int", "long"):
        return None
    try:
        return int(text, 0) if text.strip().lower().startswith("0x") else int(text)
    except ValueError as error:
        raise VOTableError(f"column {name!r}: null value {text!r} is no integer") from error
