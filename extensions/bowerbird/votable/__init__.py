"""VOTable 1.4 for notebook and server: one engine that writes and reads BINARY2, BINARY and TABLEDATA in whole columns.

Nulls are masks. A null array is one whose elements are all masked; an element of it is null by NaN, '?' or the field's
`null` value. TABLEDATA and BINARY have one word for the null and the empty string: it is read as null in both.
"""

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field
from bowerbird.votable.header import Coosys, Group, Header, Info, Link, Param, Timesys
from bowerbird.votable.ragged import Ragged
from bowerbird.votable.reader import Reader, read
from bowerbird.votable.services import Input, Service
from bowerbird.votable.table import Table, VOTable
from bowerbird.votable.writer import Writer, error_document

__all__ = [
    "Coosys",
    "Field",
    "Group",
    "Header",
    "Info",
    "Input",
    "Link",
    "Param",
    "Ragged",
    "Reader",
    "Service",
    "Table",
    "Timesys",
    "VOTable",
    "VOTableError",
    "Writer",
    "error_document",
    "read",
]
