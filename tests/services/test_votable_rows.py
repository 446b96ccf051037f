"""An answer as a VOTable has the nulls of the rows in every serialization."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bowerbird.votable import read
from bowerbird.votable.field import Datatype
from bowerbird_services.tables import Column
from bowerbird_services.votable_rows import VOTableWriter

COLUMNS = [
    Column("byte", Datatype.UNSIGNED_BYTE),
    Column("short", Datatype.SHORT),
    Column("int", Datatype.INT, arraysize="1"),
    Column("long", Datatype.LONG),
    Column("double", Datatype.DOUBLE, unit="deg"),
    Column("boolean", Datatype.BOOLEAN),
    Column("text", Datatype.CHAR, arraysize="*"),
]
ROWS: list[list[Any]] = [[1, None], [None, -5], [2**31 - 1, None], [None, 2**62 + 1], [1.5, None], [None, True], [None, "a"]]


@pytest.mark.parametrize("serialization", ["BINARY2", "BINARY", "TABLEDATA"])
def test_nulls_are_nulls_and_long_numbers_exact(serialization: Any) -> None:
    writer = VOTableWriter(COLUMNS, [("QUERY", "SELECT 1")], serialization)
    batch = pa.RecordBatch.from_arrays([pa.array(row) for row in ROWS], names=[column.name for column in COLUMNS])
    found = read(writer.start() + writer.rows(batch) + b"".join(writer.end(True)))
    assert found.overflow
    for row, column in zip(ROWS, found.table, strict=True):
        assert column.tolist() == row
        assert np.ma.getmaskarray(column).any()
