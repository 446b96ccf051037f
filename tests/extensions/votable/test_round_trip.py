"""What is written is read back, by ourselves and by astropy, in every serialization."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import votable as peer
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable
from bowerbird.votable import Field, Header, Ragged, Reader, Writer, read

from tests.extensions.votable.columns import assert_same_column, document, every_column, objects, same

SERIALIZATIONS = ("BINARY2", "BINARY", "TABLEDATA")
EVERY = every_column()
NAMES = [field.name for field, _ in EVERY]
# What has a way to be missing in BINARY and TABLEDATA.
WITH_NULL = {"byte": 0, "short": -(2**15), "int": -(2**31), "long": -(2**63)}


def astropy_of(text: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer.parse_single_table(io.BytesIO(text)).array


def expected(field: Field, column: Any, serialization: str) -> Any:
    """What must be read: BINARY has NaN for null."""
    if serialization == "BINARY" and field.native.kind in "fc" and not field.shape.variable:
        return np.ma.MaskedArray(column, np.isnan(column))
    return column


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
@pytest.mark.parametrize(("field", "column"), EVERY, ids=NAMES)
def test_a_column_is_read_back(field: Field, column: Any, serialization: str) -> None:
    table = read(document([field], [column], serialization)).table
    assert table.fields[0] == field
    assert_same_column(field.name, table.columns[0], expected(field, column, serialization))


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_all_columns_in_one_table_are_read_back(serialization: str) -> None:
    fields, columns = [field for field, _ in EVERY], [column for _, column in EVERY]
    table = read(document(fields, columns, serialization, step=3)).table
    for field, column, found in zip(fields, columns, table, strict=True):
        assert_same_column(field.name, found, expected(field, column, serialization))


@pytest.mark.parametrize(("field", "column"), EVERY, ids=NAMES)
@pytest.mark.parametrize("pattern", [0b00000, 0b10010, 0b11111])
def test_nulls_of_every_datatype_are_read_back_from_binary2(field: Field, column: Any, pattern: int) -> None:
    nulls = np.array([bool(pattern >> row & 1) for row in range(5)])
    if column.dtype == object:
        given: Any = objects(*(None if null else value for value, null in zip(column, nulls, strict=True)))
    else:
        given = np.ma.MaskedArray(column, np.broadcast_to(nulls.reshape(5, *(1 for _ in column.shape[1:])), column.shape))
    found = read(document([field], [given])).table.columns[0]
    whole = np.ma.getmaskarray(found).reshape(5, -1).all(axis=1)
    assert (whole == nulls).all()
    for row in np.flatnonzero(~nulls):
        assert same(found[row], column[row])


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
@pytest.mark.parametrize("name", list(WITH_NULL))
def test_a_null_value_stands_for_missing_integers(name: str, serialization: str) -> None:
    _, column = next(one for one in EVERY if one[0].name == name)
    field = Field(name, {"byte": "unsignedByte"}.get(name, name), null=WITH_NULL[name])
    given = np.ma.MaskedArray(column, column == WITH_NULL[name])
    found = read(document([field], [given], serialization)).table.columns[0]
    assert_same_column(name, found, given)
    theirs = astropy_of(document([field], [given], serialization))[name]
    assert_same_column(name, theirs, given)


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
# astropy has a single bit as 0x08, where the standard (section 6) and STIL have it as 0x80.
@pytest.mark.parametrize(("field", "column"), [one for one in EVERY if one[0].name != "bit"], ids=[name for name in NAMES if name != "bit"])
def test_astropy_reads_what_we_write(field: Field, column: Any, serialization: str) -> None:
    array = astropy_of(document([field], [column], serialization))
    theirs, ours = array[field.name], read(document([field], [column], serialization)).table.columns[0]
    for row in range(5):
        if field.native.kind in "fc" and not field.shape.fixed and not field.shape.variable:
            assert np.array_equal(np.ma.getdata(theirs)[row], np.ma.getdata(ours)[row], equal_nan=True)
        else:
            assert same(ours[row], _plain(theirs[row])), (field.name, row, ours[row], theirs[row])


def _plain(cell: Any) -> Any:
    """astropy gives unmasked arrays within masks of no meaning."""
    if isinstance(cell, np.ma.MaskedArray) and not np.ma.getmaskarray(cell).any():
        return np.ma.getdata(cell)
    return cell


@pytest.mark.parametrize("serialization", ["binary2", "binary", "tabledata"])
def test_we_read_what_astropy_writes(serialization: str) -> None:
    dice = np.random.default_rng(3)
    source = AstropyTable(
        {
            "long": np.array([2**62 + 1, -5, 7], "i8"),
            "double": np.array([1.5, 2.5, 3.25]),
            "float": MaskedColumn(np.array([1.5, 2.5, 3.25], "f4"), mask=[False, True, False]),
            "bool": np.array([True, False, True]),
            "text": np.array(["a", "bcd", "é"], dtype=object),
            "fixed": np.array(["ab", "c", "defg"]),
            "matrix": dice.normal(size=(3, 2, 4)),
            "bits": np.array([[True, False], [False, True], [True, True]]),
            "complex": np.array([1 + 2j, 3, 4j]),
        }
    )
    source["double"].unit = "km / s"
    text = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.write(text, format="votable", tabledata_format=serialization)
    found = read(text.getvalue())
    assert found.table.fields[1].unit in ("km.s**-1", "km s**-1", "km.s-1")
    for name in source.colnames:
        ours = found.table[name]
        # astropy writes the axes of a matrix in its own order, where the standard has the first run fastest.
        assert_same_column(name, ours.reshape(3, 2, 4) if name == "matrix" else ours, source[name])


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_no_rows_are_read_as_columns_of_their_type(serialization: str) -> None:
    fields = [field for field, _ in EVERY]
    writer = Writer(Header(fields), serialization)  # type: ignore[arg-type]
    table = read(writer.start() + writer.end()).table
    assert len(table) == 0
    for field, column in zip(fields, table, strict=True):
        assert field.is_text or field.shape.variable or column.dtype == field.native


def test_batches_of_any_size_make_the_same_document() -> None:
    fields, columns = [field for field, _ in EVERY], [column for _, column in EVERY]
    assert len({document(fields, columns, "BINARY2", step=step) for step in (1, 2, 3, 5)}) == 1


def test_lines_of_base64_are_76_characters() -> None:
    text = document([Field("long", "long")], [np.arange(1000)], step=77).decode()
    lines = text.split('base64">\n')[1].split("\n</STREAM>")[0].split("\n")
    assert {len(line) for line in lines[:-1]} == {76}
    assert len(lines[-1]) <= 76


def test_parts_come_before_the_file_is_at_its_end() -> None:
    size = 400_000
    text = document([Field("long", "long"), Field("double", "double")], [np.arange(size), np.arange(size) / 3], step=size)
    file = io.BytesIO(text)
    reader = Reader(file)
    first = next(iter(reader))
    assert 0 < len(first) < size
    assert file.tell() < len(text)


def test_ragged_text_is_what_its_strings_are() -> None:
    field = Field("text", "char", "*")
    ragged = Ragged(np.frombuffer(b"abcde", "u1"), np.array([0, 2, 2, 5]), np.array([False, True, False]))
    assert document([field], [np.array(["ab", None, "cde"], dtype=object)], step=3) == Writer(Header([field])).start() + _rows(
        field, ragged
    )


def _rows(field: Field, column: Any) -> bytes:
    writer = Writer(Header([field]))
    return writer.rows([column]) + writer.end()


def test_an_element_missing_in_an_array_needs_a_word_for_it() -> None:
    values = np.ma.MaskedArray(np.arange(6, dtype="i4").reshape(3, 2), [[False, True], [False, False], [True, True]])
    found = read(document([Field("ints", "int", "2", null=-1)], [values])).table.columns[0]
    assert_same_column("ints", found, values)
    floats = np.ma.MaskedArray(np.arange(6, dtype="f4").reshape(3, 2), [[False, True], [False, False], [True, True]])
    found = read(document([Field("floats", "float", "2")], [floats])).table.columns[0]
    assert np.isnan(np.ma.getdata(found)[0, 1])
    assert np.ma.getmaskarray(found).all(axis=1).tolist() == [False, False, True]


def test_one_very_long_string_does_not_widen_the_column() -> None:
    strings = np.array(["a"] * 1000 + ["b" * 1_000_000], dtype=object)
    found = read(document([Field("text", "char", "*")], [strings], step=2000)).table.columns[0]
    assert found.dtype == object
    assert_same_column("text", found, strings)


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_an_arraysize_of_one_is_a_scalar_and_is_not_written(serialization: Any) -> None:
    fields = [Field("n", "int", "1"), Field("letter", "char", "1")]
    text = document(fields, [np.array([1, 2]), np.array(["a", "b"])], serialization)
    assert b"arraysize" not in text
    old = text.replace(b'datatype="int"', b'datatype="int" arraysize="1"').replace(b'datatype="char"', b'datatype="char" arraysize="1"')
    for table in (read(text).table, read(old).table):
        assert table["n"].tolist() == [1, 2]
        assert table["letter"].tolist() == ["a", "b"]
