"""What is damaged, cut off, too large, made to harm, or no VOTable at all, is refused with a sentence and never half read."""

import base64
import gzip
import io
import re
import struct
from typing import Any

import numpy as np
import pytest
from bowerbird.votable import Field, Header, Info, Ragged, Reader, VOTableError, Writer, error_document, read

from tests.extensions.votable.columns import document, every_column, objects

FIELDS = [field for field, _ in every_column()]
COLUMNS = [column for _, column in every_column()]
START = '<VOTABLE version="1.4"><RESOURCE><TABLE>'
END = "</TABLE></RESOURCE></VOTABLE>"


def table(fields: str, rows: str) -> bytes:
    return f"{START}{fields}<DATA>{rows}</DATA>{END}".encode()


def cells(field: str, *cells: str) -> bytes:
    rows = "".join(f"<TR><TD>{cell}</TD></TR>" for cell in cells)
    return table(f'<FIELD name="x" {field}/>', f"<TABLEDATA>{rows}</TABLEDATA>")


def binary(field: str, payload: bytes, kind: str = "BINARY2") -> bytes:
    stream = base64.b64encode(payload).decode()
    return table(f'<FIELD name="x" {field}/>', f'<{kind}><STREAM encoding="base64">{stream}</STREAM></{kind}>')


def stream(inside: str) -> bytes:
    return table('<FIELD name="x" datatype="int"/>', f'<BINARY2><STREAM encoding="base64">{inside}</STREAM></BINARY2>')


def words(*rows: str) -> bytes:
    return table('<FIELD name="x" datatype="int"/>', f"<TABLEDATA>{''.join(rows)}</TABLEDATA>")


LONG = b"\0" + struct.pack(">I", 2**32 - 1) + b"abc"
BOMB = b"""<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<VOTABLE><DESCRIPTION>&b;</DESCRIPTION></VOTABLE>"""
OUTSIDE = b"""<!DOCTYPE VOTABLE [<!ENTITY a SYSTEM "file:///etc/passwd">]><VOTABLE><DESCRIPTION>&a;</DESCRIPTION></VOTABLE>"""
UNKNOWN = b"""<!DOCTYPE VOTABLE SYSTEM "http://example.org/VOTable.dtd"><VOTABLE><DESCRIPTION>&a;</DESCRIPTION></VOTABLE>"""

REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "cut off"),
    "a page": (b"<html><body>Proxy error</body></html>", "no VOTable: it starts with <html>"),
    "text": (b"ra,dec\n1,2\n", "no well-formed XML"),
    "gzip": (gzip.compress(b"<VOTABLE/>"), "gzip'd"),
    "entities": (BOMB, "entities"),
    "an entity of another file": (OUTSIDE, "entities"),
    "an entity of a DTD elsewhere": (UNKNOWN, "entities"),
    "depth": (b"<VOTABLE>" + b"<RESOURCE>" * 1000, "nested deeper"),
    "an unknown datatype": (cells('datatype="string"', "a"), "datatype 'string'"),
    "an arraysize that is none": (cells('datatype="int" arraysize="3y"', "1"), "arraysize '3y'"),
    "an arraysize of a bomb": (binary('datatype="int" arraysize="99999999x99999999"', b"1"), "larger than this reader takes"),
    "an arraysize with many digits": (cells(f'datatype="int" arraysize="{"9" * 5000}"', "1"), "larger than this reader takes"),
    "a row that is too wide": (binary('datatype="double" arraysize="200000000"', b"1"), "wider"),
    "a null that is no number": (table('<FIELD name="x" datatype="int"><VALUES null="none"/></FIELD>', ""), "null value 'none'"),
    "a null beyond the type": (table('<FIELD name="x" datatype="short"><VALUES null="99999"/></FIELD>', ""), "null value 99999"),
    "a word for a number": (cells('datatype="int"', "1", "abc"), "column 'x' is int"),
    "a number beyond the type": (cells('datatype="short"', "70000"), "beyond its range"),
    "a long beyond 64 bits": (cells('datatype="long"', "9223372036854775808"), "beyond its range"),
    "a word for a float": (cells('datatype="double"', "1.5", "1.5.5"), "column 'x' is double"),
    "a word for a boolean": (cells('datatype="boolean"', "maybe"), "neither true nor false"),
    "half of a complex number": (cells('datatype="doubleComplex"', "1"), "two parts"),
    "too few elements": (cells('datatype="int" arraysize="3"', "1 2"), "2 elements"),
    "elements of no whole inner axis": (cells('datatype="int" arraysize="2x*"', "1 2 3"), "3 elements"),
    "too few cells": (words("<TR></TR>"), "0 cells"),
    "too many cells": (words("<TR><TD>1</TD><TD>1</TD></TR>"), "2 cells"),
    "a cell without a row": (words("<TD>1</TD>"), "outside a row"),
    "a cell without a table": (b"<VOTABLE><TD>1</TD></VOTABLE>", "outside TABLEDATA"),
    "base64 with other characters": (stream("AAAA*AAA"), "base64"),
    "base64 with a letter of another script": (stream("AAAAé"), "base64"),
    "base64 with padding in the middle": (stream("AA==AAAA"), "base64"),
    "base64 that is cut off": (stream("AAAAAAA"), "base64"),
    "half of a row": (binary('datatype="int"', b"\0\0\0\0\5\0\0"), "cut off or damaged"),
    "a string longer than the document": (binary('datatype="char" arraysize="*"', LONG), "cut off or damaged"),
    "half of a length": (binary('datatype="char" arraysize="*"', b"\0\0\0"), "cut off or damaged"),
    "a letter that is no boolean": (binary('datatype="boolean"', b"\0X"), "no boolean"),
    "rows elsewhere": (table('<FIELD name="x" datatype="int"/>', '<BINARY2><STREAM href="file:///etc/passwd"/></BINARY2>'), "elsewhere"),
    "rows in another encoding": (stream("").replace(b"base64", b"gzip"), "must be base64"),
    "rows in FITS": (table('<FIELD name="x" datatype="int"/>', "<FITS/>"), "FITS"),
    "rows of no fields": (table("", '<BINARY2><STREAM encoding="base64">AAAA</STREAM></BINARY2>'), "without fields"),
    "two lots of rows": (table('<FIELD name="x" datatype="int"/>', "<TABLEDATA/><TABLEDATA/>"), "no table has its rows"),
    "fewer rows than promised": (cells('datatype="int"', "1").replace(b"<TABLE>", b'<TABLE nrows="2">'), "promises 2 rows and has 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_it_is_refused_with_a_sentence(case: str) -> None:
    text, says = REFUSED[case]
    with pytest.raises(VOTableError, match=re.escape(says)):
        read(text)


@pytest.mark.parametrize("serialization", ["BINARY2", "BINARY", "TABLEDATA"])
def test_a_document_cut_off_anywhere_is_refused(serialization: Any) -> None:
    text = document(FIELDS, COLUMNS, serialization)
    for end in range(0, len(text.rstrip()), 7):
        with pytest.raises(VOTableError):
            read(text[:end])


@pytest.mark.parametrize("serialization", ["BINARY2", "BINARY", "TABLEDATA"])
def test_a_damaged_document_is_refused_or_read_but_no_crash(serialization: Any) -> None:
    text = document(FIELDS, COLUMNS, serialization)
    dice = np.random.default_rng(11)
    refused = 0
    for _ in range(400):
        damaged = bytearray(text)
        damaged[dice.integers(len(text))] = dice.integers(256)
        try:
            read(bytes(damaged))
        except VOTableError:
            refused += 1
    assert refused


def test_random_rows_are_refused_or_read_but_no_crash() -> None:
    dice = np.random.default_rng(12)
    start, end = (document(FIELDS, COLUMNS, step=9).split(part)[n] for part, n in ((b'base64">\n', 0), (b"\n</STREAM>", 1)))
    for size in range(0, 3000, 50):
        text = start + b'base64">\n' + base64.b64encode(dice.bytes(size)) + b"\n</STREAM>" + end
        if size:
            with pytest.raises(VOTableError):
                read(text)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
def test_it_does_not_matter_how_a_file_comes(block: int) -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(block)

    for serialization in ("BINARY2", "TABLEDATA"):
        text = document(FIELDS, COLUMNS, serialization)
        whole, drops = read(text).table, read(Drops(text)).table
        for one, other in zip(whole, drops, strict=True):
            assert repr(one.tolist()) == repr(other.tolist())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_other_encodings_are_read(encoding: str) -> None:
    text = document([FIELDS[6], FIELDS[15]], [COLUMNS[6], COLUMNS[15]]).decode().replace("UTF-8", encoding)
    assert (read(text.encode(encoding)).table.columns[0] == COLUMNS[6]).all()


def test_base64_in_pieces_of_xml_is_read() -> None:
    text = document([FIELDS[6]], [COLUMNS[6]], step=5).decode()
    body = text.split('base64">\n')[1].split("\n</STREAM>")[0]
    odd = text.replace(body, f"{body[:5]}<!-- x -->{body[5:9]}&#10;<![CDATA[{body[9:30]}]]>\r\n  {body[30:]}")
    assert (read(odd.encode()).table.columns[0] == COLUMNS[6]).all()


def test_limits_refuse_what_is_larger() -> None:
    text = document([FIELDS[6]], [COLUMNS[6]])
    assert len(read(text, max_rows=5, max_bytes=len(text)).table) == 5
    with pytest.raises(VOTableError, match="more than 4 rows"):
        read(text, max_rows=4)
    with pytest.raises(VOTableError, match="larger than 100 bytes"):
        read(text, max_bytes=100)


def test_a_long_value_is_no_way_to_fill_memory() -> None:
    with pytest.raises(VOTableError, match="longer than any"):
        read(b"<VOTABLE>" + (b'<INFO value="' + b"z" * (1 << 20) + b'"/>') * 40)


def test_an_error_document_is_read_and_its_table_raises_its_words() -> None:
    found = read(error_document("line 1, column 8: no table 'a<b'"))
    assert (found.status, found.message, found.tables) == ("ERROR", "line 1, column 8: no table 'a<b'", ())
    with pytest.raises(VOTableError, match="no table 'a<b'"):
        found.to_table()


def test_an_error_after_rows_is_an_error() -> None:
    writer = Writer(Header([FIELDS[6]]))
    text = writer.start() + writer.rows([COLUMNS[6]]) + writer.end([Info("QUERY_STATUS", "ERROR", "the disk is full")])
    with pytest.raises(VOTableError, match="the disk is full"):
        _ = read(text).table


def test_a_part_is_refused_where_it_is_met() -> None:
    reader = Reader(document([FIELDS[6]], [COLUMNS[6]])[:-40])
    with pytest.raises(VOTableError):
        list(reader)


UNFIT: dict[str, tuple[Field, Any, str]] = {
    "a float for an int": (Field("x", "int"), np.array([1.5]), "is int, and was given float64"),
    "an int beyond the type": (Field("x", "short"), np.array([70000]), "beyond short's range"),
    "an unsigned beyond the type": (Field("x", "long"), np.array([2**64 - 1], "u8"), "beyond long's range"),
    "a number for text": (Field("x", "char", "*"), objects(5), "is text, and 5 is none"),
    "text for a number": (Field("x", "double"), np.array(["a"]), "is double, and was given"),
    "objects for a number": (Field("x", "double"), objects("a", 1), "is double, and was given"),
    "a number for a boolean": (Field("x", "boolean"), np.array([2]), "is boolean, and was given int64"),
    "text longer than its arraysize": (Field("x", "char", "2"), np.array(["abc"]), "3 characters"),
    "text longer than its limit": (Field("x", "char", "2*"), np.array(["abc"]), "3 characters"),
    "half of a character": (Field("x", "char", "*"), objects("\ud800"), "half of a character"),
    "cells of another shape": (Field("x", "int", "2"), np.arange(3).reshape(1, 3), "cells of shape (3,)"),
    "cells of several shapes": (Field("x", "int", "2"), objects([1, 2], [1, 2, 3]), "several shapes"),
    "a cell of no whole inner axis": (Field("x", "int", "2x*"), objects([1, 2, 3]), "3 elements"),
    "an element that is missing": (Field("x", "int", "2"), np.ma.MaskedArray([[1, 2]], [[True, False]]), "misses elements"),
    "ragged cells in a fixed field": (Field("x", "int", "2"), Ragged(np.arange(3), np.array([0, 1, 3])), "cells of one length"),
}


@pytest.mark.parametrize("case", list(UNFIT))
def test_what_does_not_fit_is_refused_and_not_changed(case: str) -> None:
    field, column, says = UNFIT[case]
    with pytest.raises(VOTableError, match=re.escape(says)):
        Writer(Header([field])).rows([column])


def test_without_flags_a_null_needs_a_word_and_the_word_is_no_value() -> None:
    missing = np.ma.MaskedArray([1, 2], [True, False])
    with pytest.raises(VOTableError, match="needs a null value"):
        Writer(Header([Field("x", "int")]), "BINARY").rows([missing])
    for serialization in ("BINARY", "TABLEDATA"):
        with pytest.raises(VOTableError, match="declares to be null"):
            Writer(Header([Field("x", "int", null=2)]), serialization).rows([missing])


def test_what_xml_cannot_write_is_refused_in_tabledata_and_kept_in_binary2() -> None:
    column = objects("a\0b\x01c")
    with pytest.raises(VOTableError, match="no way to write"):
        document([Field("x", "char", "*")], [column], "TABLEDATA")
    assert read(document([Field("x", "char", "*")], [column])).table["x"][0] == "a\0b\x01c"


def test_columns_of_different_lengths_or_number_are_refused() -> None:
    writer = Writer(Header([Field("x", "int"), Field("y", "int")]))
    with pytest.raises(VOTableError, match="different lengths: 1, 2"):
        writer.rows([np.array([1]), np.array([1, 2])])
    with pytest.raises(VOTableError, match="1 columns were given for 2 fields"):
        writer.rows([np.array([1])])


MANY = 6000
ODD: dict[str, tuple[str, str]] = {
    "a comment": ("<TR><TD>3000", "<!-- </TR><TR><TD>9</TD></TR> --><TR><TD>3000"),
    "a comment that goes on over blocks": ("<TR><TD>3000", f"<!-- {'</TR><TR><TD>9</TD></TR>' * 9000} --><TR><TD>3000"),
    "CDATA": ("<TD>3000<", "<TD><![CDATA[3000]]><"),
    "a reference": ("<TD>3000<", "<TD>&#51;000<"),
    "an instruction": ("<TR><TD>3000", "<?x </TR>?><TR><TD>3000"),
    "attributes": ("<TR><TD>3000", '<TR ID="r"><TD>3000'),
    "lines of another system": ("</TR>\n<TR><TD>3000", "</TR>\r\n<TR>\r\n<TD>3000"),
    "spaces": ("<TR><TD>3000", " <TR>\n  <TD> 3000"),
    "spaces in tags": ("<TR><TD>3000", "<TR ><TD >3000"),
}


STRINGS = [f"text {n} α TABLEDATA" if n % 7 == 0 else f"text {n}" for n in range(MANY)]


def many() -> bytes:
    fields = [Field("n", "int"), Field("text", "char", "*")]
    return document(fields, [np.arange(MANY), objects(*STRINGS)], "TABLEDATA", step=MANY)


@pytest.mark.parametrize("case", list(ODD))
def test_rows_that_are_not_plain_are_read_as_xml_means_them(case: str) -> None:
    plain, odd = ODD[case]
    text = many().decode().replace(plain, odd, 1)
    assert odd in text
    found = read(text.encode()).table
    assert (found["n"] == np.arange(MANY)).all()
    assert found["text"].tolist() == STRINGS


@pytest.mark.parametrize(
    ("plain", "broken"),
    [
        ("<TR><TD>3000</TD>", "<TR>"),
        ("<TR><TD>3000</TD>", "<TR><TD>3000</TD><TD>3</TD>"),
        ("<TR><TD>3000</TD>", "<TD>3000</TD>"),
        ("<TR><TD>3000</TD>", "<TR></TD>3000<TD>"),
        ("<TR><TD>3000</TD>", "<TR><TR><TD>3000</TD>"),
        ("<TD>3000<", "<TD>3000\x01<"),
        ("<TD>3000<", "<TD>3000<b>x</b><"),
        ("<TD>text 3000", "<TD>&nbsp;text 3000"),
        ("text 3000<", "text \udcff<"),
    ],
)
def test_rows_that_are_broken_are_refused_wherever_they_are(plain: str, broken: str) -> None:
    text = many().decode()
    assert plain in text
    with pytest.raises(VOTableError):
        read(text.replace(plain, broken, 1).encode("utf-8", "surrogateescape"))


def test_tables_one_after_the_other_are_all_read() -> None:
    text = many()
    table = text[text.index(b"<TABLE>") : text.index(b"</RESOURCE>")]
    found = read(text.replace(table, table * 3))
    assert [len(one) for one in found.tables] == [MANY] * 3
    for one in found.tables:
        assert (one["n"] == np.arange(MANY)).all()
