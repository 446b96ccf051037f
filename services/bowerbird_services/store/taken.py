"""Some rows of a column, in their order. Pure."""

import numpy as np
import pyarrow as pa


def taken(column: pa.Array, rows: np.ndarray) -> pa.Array:
    """Return the values in these rows of a column."""
    # numpy has few numbers sooner than Arrow begins.
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.take(pa.array(rows))
    return pa.array(column.to_numpy()[rows])
