"""A table in a CSV, TSV or ECSV file."""

import csv
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import yaml
from bowerbird.votable.field import TEXTS, Datatype

from bowerbird_services.ingest.source import BATCH_ROWS, BadSource, Described
from bowerbird_services.tables import Column

_NULLS = "['', 'NULL', 'null', 'NaN', 'nan', 'NA', 'N/A']"
_ECSV = "# %ECSV"
# ECSV 1.0's datatypes, in DuckDB's words.
_ECSV_KINDS = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float16": "FLOAT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
}


_DATATYPES = {
    "BOOLEAN": Datatype.BOOLEAN,
    "TINYINT": Datatype.SHORT,
    "SMALLINT": Datatype.SHORT,
    "INTEGER": Datatype.INT,
    "BIGINT": Datatype.LONG,
    "UTINYINT": Datatype.UNSIGNED_BYTE,
    "USMALLINT": Datatype.INT,
    "UINTEGER": Datatype.LONG,
    "UBIGINT": Datatype.LONG,
    "FLOAT": Datatype.FLOAT,
    "DOUBLE": Datatype.DOUBLE,
    "VARCHAR": Datatype.UNICODE_CHAR,
}


_FIRST_ROWS = 10_000
# DuckDB rounds a fraction to an integer: a text with a point or an exponent is none.
_AGREES = {
    "BIGINT": "{n} IS NULL OR (TRY_CAST({n} AS BIGINT) IS NOT NULL"
    " AND NOT contains({n}, '.') AND NOT contains({n}, 'e') AND NOT contains({n}, 'E'))",
    "DOUBLE": "{n} IS NULL OR TRY_CAST({n} AS DOUBLE) IS NOT NULL",
    "BOOLEAN": "lower({n}) IN ('true', 'false')",
    "VARCHAR": "true",
}


class TextSource:
    """One opened file; DuckDB reads it."""

    def __init__(self, path: Path) -> None:
        self._duckdb = duckdb.connect(config={"threads": 2, "memory_limit": "512MB", "autoinstall_known_extensions": "false"})
        self._duckdb.execute("SET enable_progress_bar = false")
        try:
            header = _ecsv_header(path)
            kinds = _ecsv_kinds(header) if header else _csv_kinds(self._duckdb, path)
            self._reading = _reading(path, kinds, header)
        except duckdb.Error as error:
            self._duckdb.close()
            raise _in_words(error) from error
        except BadSource:
            self._duckdb.close()
            raise
        said = {str(column.get("name")): column for column in header.get("datatype", ())}
        self.described = Described(tuple(_column(name, _DATATYPES[kind], said.get(name, {})) for name, kind in kinds.items()))

    def _relation(self) -> Any:
        return self._duckdb.sql(f"SELECT * FROM {self._reading}")  # noqa: S608  made here, texts in it are quoted

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Source.batches`."""
        try:
            yield from self._relation().to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _in_words(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._duckdb.close()


def _csv_kinds(database: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return the type of each column: the narrowest that holds all its values as they were written.

    A text does not become a date or a time, which are told in many ways; and integers too long for 64 bits stay texts,
    since as floats they would lose digits.
    """
    names = _first_line(path)
    texts = _reading(path, dict.fromkeys(names, "VARCHAR"), {})
    # The first rows nearly always tell; that the others agree is one cheap test a column.
    kinds = _tested(database, names, f"(SELECT * FROM {texts} LIMIT {_FIRST_ROWS})")  # noqa: S608  names are quoted
    agreeing = ", ".join(f"bool_and({_AGREES[kinds[name]].format(n=_identifier(name))})" for name in names)
    (agreed,) = database.execute(f"SELECT {agreeing} FROM {texts}").fetchall()  # noqa: S608  names are quoted
    others = [name for name, told in zip(names, agreed, strict=True) if told is False]
    return kinds | (_tested(database, others, texts) if others else {})


def _tested(database: duckdb.DuckDBPyConnection, names: list[str], texts: str) -> dict[str, str]:
    tests = ", ".join(
        f"bool_and(regexp_full_match({n}, '[+-]?[0-9]+')), bool_and({n} IS NULL OR TRY_CAST({n} AS BIGINT) IS NOT NULL), "
        f"bool_and({n} IS NULL OR TRY_CAST({n} AS DOUBLE) IS NOT NULL), bool_and(lower({n}) IN ('true', 'false'))"
        for n in map(_identifier, names)
    )
    (told,) = database.execute(f"SELECT {tests} FROM {texts}").fetchall()  # noqa: S608  names are quoted
    return {name: _kind(*told[4 * number : 4 * number + 4]) for number, name in enumerate(names)}


def _kind(digits: bool | None, fits: bool | None, number: bool | None, truth: bool | None) -> str:
    # A column without any value says nothing: it is the narrowest.
    if digits is not False:
        return "BIGINT" if fits else "VARCHAR"
    if number:
        return "DOUBLE"
    return "BOOLEAN" if truth else "VARCHAR"


def _first_line(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=_delimiter(path)), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadSource("has no first line of column names") from error
    if not any(names):
        raise BadSource("has no first line of column names")
    twins = [name for number, name in enumerate(names) if name.lower() in [other.lower() for other in names[:number]]]
    if twins:
        raise BadSource(f"has two columns {twins[0]!r}, which a query could not tell from each other")
    return names


def _delimiter(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes else ","


def _reading(path: Path, kinds: dict[str, str], header: dict[str, Any]) -> str:
    """Return the call of DuckDB that reads the file with these columns."""
    blanks = header and header.get("delimiter") != ","
    options = {
        "auto_detect": "false",
        "header": "true",
        "skip": str(header.get("lines", 0)),
        "delim": _escaped(" " if blanks else _delimiter(path)),
        "quote": "'\"'",
        "escape": "'\"'",
        "nullstr": _NULLS,
        "columns": "{" + ", ".join(f"{_text(name)}: '{kind}'" for name, kind in kinds.items()) + "}",
    }
    return f"read_csv({_text(str(path))}, {', '.join(f'{name} = {value}' for name, value in options.items())})"


def _ecsv_header(path: Path) -> dict[str, Any]:
    """Return the header of an ECSV file; an empty one where the file is none."""
    lines = []
    if path.suffix == ".gz":
        return {}
    with path.open(encoding="utf-8", errors="replace") as file:
        if not file.readline().startswith(_ECSV):
            return {}
        for line in file:
            if not line.startswith("#"):
                break
            lines.append(line[2:])
    try:
        header = yaml.load("".join(lines), _Loader)  # noqa: S506  safe: it makes plain mappings of every tag
    except yaml.YAMLError as error:
        raise BadSource("has a header that is no YAML") from error
    if not isinstance(header, dict) or not _all_columns(header.get("datatype")):
        raise BadSource("has an ECSV header that does not say the columns' types")
    return header | {"lines": len(lines) + 1}


def _all_columns(raw: Any) -> bool:
    return isinstance(raw, list) and bool(raw) and all(isinstance(column, dict) for column in raw)


class _Loader(yaml.SafeLoader):
    """Reads astropy's own tags as what they are made of."""


def _plain(loader: Any, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        # An ordered mapping is a list of mappings with one key each.
        items = loader.construct_sequence(node, deep=True)
        return {key: value for item in items for key, value in item.items()} if all(isinstance(item, dict) for item in items) else items
    return str(node.value)


_Loader.add_multi_constructor("!", _plain)
_Loader.add_constructor("tag:yaml.org,2002:omap", lambda loader, node: _plain(loader, "omap", node))


def _ecsv_kinds(header: dict[str, Any]) -> dict[str, str]:
    kinds = {}
    for column in header["datatype"]:
        name, kind = str(column.get("name")), str(column.get("datatype"))
        if kind not in _ECSV_KINDS or column.get("subtype"):
            raise BadSource(f"has the column {name!r} of the type {column.get('subtype') or kind}, which a table here cannot have")
        kinds[name] = _ECSV_KINDS[kind]
    return kinds


def _column(name: str, datatype: Datatype, said: dict[str, Any]) -> Column:
    told = said.get("meta")
    meta = told if isinstance(told, dict) else {}
    return Column(
        name,
        datatype,
        "*" if datatype in TEXTS else None,
        ucd=meta.get("ucd"),
        utype=meta.get("utype"),
        description=str(said.get("description") or ""),
        raw_unit=said.get("unit"),
    )


def _in_words(error: Exception) -> BadSource:
    told = str(error)
    line = re.search(r"(?:on|at) [Ll]ine:? (\d+)", told)
    where = f" in line {line[1]}" if line else ""
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", told)
    if counts:
        return BadSource(f"has {counts[2]} values{where} and {counts[1]} columns")
    return BadSource(f"has something{where} that does not fit its columns")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(text: str) -> str:
    return f"E{_text(text)}" if "\\" in text else _text(text)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
