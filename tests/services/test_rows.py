"""Rows on their way out as numpy arrays: a few of them are the same as many."""

import numpy as np
import pyarrow as pa
import pytest
from bowerbird_services.rows import numpy_columns

MANY = 1000
NUMBERS = pa.array([None if place % 3 == 0 else place % 7 for place in range(MANY)])


@pytest.mark.parametrize("kind", [pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()], ids=str)
def test_a_few_numbers_come_as_many_do(kind: pa.DataType) -> None:
    told = NUMBERS.cast(kind, safe=False)
    (whole,) = numpy_columns(pa.record_batch([told], ["n"]))
    (few,) = numpy_columns(pa.record_batch([told.slice(500, 5)], ["n"]))
    assert few.dtype == whole.dtype
    assert np.array_equal(np.ma.getmaskarray(few), np.ma.getmaskarray(whole)[500:505])
    assert np.ma.getmaskarray(few).any()
    assert np.ma.masked_array(few).tolist() == np.ma.masked_array(whole[500:505]).tolist()


def test_an_identifier_of_64_bits_beside_a_null_is_exact() -> None:
    (few,) = numpy_columns(pa.record_batch([pa.array([None, 2**63 - 1])], ["source_id"]))
    assert few[1] == 2**63 - 1
