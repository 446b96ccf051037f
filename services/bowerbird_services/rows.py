"""Rows on their way out: Arrow batches made to fit what is said of their columns, and the same as numpy arrays. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bowerbird_services.store.columns import arrow_type
from bowerbird_services.tables import Column

# Of so few rows each call of Arrow's, which lets the interpreter go and has to get it back, costs more than the values.
_FEW = 64


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of these columns, with what is known of each as its field's metadata."""
    fields = []
    for column in columns:
        told = {"unit": column.unit, "ucd": column.ucd, "utype": column.utype, "xtype": column.xtype, "description": column.description}
        fields.append(pa.field(column.name, arrow_type(column), metadata={name: text for name, text in told.items() if text}))
    return pa.schema(fields)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with exactly these types and names; the columns stand in the schema's order."""
    return pa.RecordBatch.from_arrays(
        [_cast(array, field.type) for array, field in zip(batch.columns, schema, strict=True)],
        schema=schema,
    )


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_timestamp(array.type) and pa.types.is_string(kind):
        # DALI 1.1, section 3.3.3: a T between date and time, no zone; a fraction only where there is one.
        written = pc.cast(pc.strftime(array.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S"), pa.string())
        return pc.replace_substring_regex(written, pattern=r"(\.\d*?)0+$", replacement=r"\1")
    if pa.types.is_dictionary(array.type):
        return _cast(array.dictionary_decode(), kind)
    return array.cast(kind, safe=False) if pa.types.is_floating(kind) else array.cast(kind)


def numpy_columns(batch: pa.RecordBatch) -> list[np.ndarray[Any, Any]]:
    """Return each column as an array: masked where a number is null, of objects where cells are texts (None is null) or arrays."""
    return [_numpy(array) for array in batch.columns]


def _numpy(array: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_list(array.type):
        cells = np.empty(len(array), dtype=object)
        values = array.flatten().to_numpy(zero_copy_only=False)
        offsets = np.concatenate(([0], np.cumsum(pc.fill_null(pc.list_value_length(array), 0).to_numpy())))
        for place, (start, end) in enumerate(pairwise(offsets)):
            cells[place] = values[start:end]
        return cells
    if pa.types.is_string(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=object)
    if not array.null_count:
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if len(array) <= _FEW:
        cells = array.to_pylist()
        numbers = np.array([0 if cell is None else cell for cell in cells], dtype=array.type.to_pandas_dtype())
        return np.ma.MaskedArray(numbers, mask=[cell is None for cell in cells])
    nothing = pa.scalar(0).cast(array.type)
    values = pc.fill_null(array, nothing).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(values, mask=array.is_null().to_numpy(zero_copy_only=False))
