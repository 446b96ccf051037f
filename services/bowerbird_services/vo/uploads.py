"""UPLOAD (DALI 1.1, section 3.4.5): tables that come with a query, as VOTables in the request itself."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import IO

import pyarrow as pa
from bowerbird.votable import Field, VOTableError, read

from bowerbird_services.engine import UPLOAD_SCHEMA, Upload
from bowerbird_services.store.columns import ARROW, arrow_array, kept_as
from bowerbird_services.tables import Column, Table
from bowerbird_services.vo.dali import Fault, Parameters

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST = 20


def named(parameters: Parameters) -> dict[str, str]:
    """Return where each uploaded table is said to be, by its name: `param:FIELD`, or an address."""
    found: dict[str, str] = {}
    for each in (part for value in parameters.many("UPLOAD") for part in value.split(";") if part.strip()):
        name, comma, address = (text.strip() for text in each.partition(","))
        if not comma or not _NAME.fullmatch(name):
            raise Fault(f"UPLOAD is {each!r}; write it as NAME,param:FIELD with a name of letters, digits and _")
        if name.lower() in (known.lower() for known in found):
            raise Fault(f"UPLOAD names the table {name} twice")
        kind, colon, place = address.partition(":")
        found[name] = f"param:{place}" if colon and kind.lower() == "param" else address
    if len(found) > _MOST:
        raise Fault(f"{len(found)} tables were uploaded; at most {_MOST} may be")
    return found


def loaded(files: Mapping[str, IO[bytes]], most_bytes: int) -> dict[str, Upload]:
    """Read the uploaded tables; Fault where one is no VOTable, or too large a one."""
    return {name: _loaded(name, file, most_bytes) for name, file in files.items()}


def _loaded(name: str, file: IO[bytes], most_bytes: int) -> Upload:
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise Fault(f"the uploaded table {name} is larger than {most_bytes} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        document = read(data)
    except VOTableError as error:
        raise Fault(f"the uploaded table {name} cannot be read: {error}") from error
    if not document.tables:
        raise Fault(f"the uploaded document {name} holds no table")
    table = document.tables[0]
    columns = tuple(_columns(name, table.fields))
    if not columns:
        raise Fault(f"the uploaded table {name} has no columns; send one with rows to ask about, or leave it out")
    arrays = [arrow_array(values, column) for values, column in zip(table.columns, columns, strict=True)]
    rows = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
    return Upload(Table(UPLOAD_SCHEMA, name, columns, rows=rows.num_rows), rows)


def _columns(table: str, fields: Iterable[Field]) -> Iterable[Column]:
    seen: set[str] = set()
    for place, field in enumerate(fields):
        name = field.name or f"col{place + 1}"
        if name.lower() in seen:
            raise Fault(f"the uploaded table {table} has two columns of the name {name}")
        seen.add(name.lower())
        kind = kept_as(field.datatype)
        if kind not in ARROW:
            raise Fault(f"the column {name} of the uploaded table {table} is of datatype {field.datatype!r}, which no query can use")
        # "1" says the same as nothing, and is not to be written any more.
        size = None if field.arraysize == "1" else field.arraysize
        yield Column(name, kind, size, field.xtype, field.unit, field.ucd, field.utype, field.description or "")
