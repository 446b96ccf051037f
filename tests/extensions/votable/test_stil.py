"""STIL reads what we write, we read what STIL writes, and votlint finds nothing wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bowerbird.votable import Coosys, Field, Group, Header, Info, Link, Param, Timesys, Writer, error_document, read

from tests.extensions.votable.columns import assert_same_column, document, every_column, objects
from tests.extensions.votable.stil import lint, needs_stilts, rewrite

pytestmark = needs_stilts
SERIALIZATIONS = ("BINARY2", "BINARY", "TABLEDATA")
# STIL falls over a single bit, and remarks that a single letter is one.
NOT_FOR_STIL = {"bit", "letter"}


def columns() -> tuple[list[Field], list[Any]]:
    """Every column, and arrays of strings; the nulls that all serializations can hold."""
    found = [one for one in every_column() if one[0].name not in NOT_FOR_STIL]
    fields, given = [field for field, _ in found], [column for _, column in found]
    fields.append(Field("strings", "char", "4x2"))
    given.append(np.array([["a", "bcde"], ["", "x"], ["abcd", "efgh"], ["x", "y"], ["1", "2"]]))
    fields.append(Field("null int", "int", null=-99))
    given.append(np.ma.MaskedArray([1, 2, 3, 4, 5], [False, True, False, False, True]))
    fields.append(Field("null text", "char", "*"))
    given.append(objects("a", None, "b", None, "c"))
    fields.append(Field("null boolean", "boolean"))
    given.append(np.ma.MaskedArray([True, False, True, False, True], [False, True, False, False, True]))
    return fields, given


@pytest.mark.parametrize("theirs", SERIALIZATIONS)
@pytest.mark.parametrize("ours", SERIALIZATIONS)
def test_a_document_that_stil_copied_is_the_same(tmp_path: Path, ours: Any, theirs: str) -> None:
    fields, given = columns()
    source, target = tmp_path / "ours.xml", tmp_path / "theirs.xml"
    source.write_bytes(document(fields, given, ours))
    rewrite(source, target, theirs)
    mine, found = read(source).table, read(target).table
    for field, column, other in zip(fields, mine, found, strict=True):
        # In BINARY STIL makes an extreme value the null of integers, and NaN is null.
        by_value = "BINARY" in (ours, theirs) and not field.is_text and field.datatype != "boolean" and field.null is None
        assert_same_column(field.name, *(one_column(field, each, by_value) for each in (other, column)))


def one_column(field: Field, column: Any, by_value: bool) -> Any:
    """A column as it is compared: STIL has a complex number as two."""
    plain = np.ma.getdata(column)
    if field.native.kind == "c":
        return plain.view(field.native).reshape(len(plain))
    return plain if by_value else column


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_votlint_finds_nothing(tmp_path: Path, serialization: Any) -> None:
    fields, given = columns()
    path = tmp_path / "all.xml"
    path.write_bytes(document(fields, given, serialization))
    assert lint(path) == []


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_votlint_finds_nothing_in_a_header_with_everything(tmp_path: Path, serialization: Any) -> None:
    header = Header(
        [
            Field("ra", "double", unit="deg", ucd="pos.eq.ra;meta.main", ref="sky", id="ra", description="Right <ascension> & more"),
            Field("t", "double", unit="d", ucd="time.epoch", ref="time"),
        ],
        infos=[Info("QUERY", 'SELECT "a" < 5\n FROM b'), Info("standardID", "ivo://ivoa.net/std/TAP")],
        params=[Param(Field("maxrec", "int"), "5"), Param(Field("who", "char", "*", ucd="meta.id"), "the survey")],
        coosys=[Coosys("sky", "ICRS", "J2016.0")],
        timesys=[Timesys("time", "TCB", "BARYCENTER", "2400000.5")],
        groups=[Group("position", description="where", fieldrefs=("ra",))],
        links=[Link("https://example.org/?a=1&b=2", "doc", "text/html")],
        name="survey.main",
        description="A table\nof two lines",
        nrows=2 if serialization == "TABLEDATA" else None,  # votlint counts no binary rows
    )
    writer = Writer(header, serialization)
    path = tmp_path / "header.xml"
    end = writer.end([Info("QUERY_STATUS", "OVERFLOW")])
    path.write_bytes(writer.start() + writer.rows([[1.0, 2.0], [3.0, 4.0]]) + end)
    assert lint(path) == []
    found = read(path)
    assert found.overflow
    assert (found.table.header.groups, found.table.header.links) == (tuple(header.groups), tuple(header.links))
    assert (found.coosys, found.timesys, found.params) == (tuple(header.coosys), tuple(header.timesys), tuple(header.params))
    assert found.infos[1:3] == tuple(header.infos)
    assert found.table.fields == tuple(header.fields)
    assert found.table.header.description == header.description


def test_votlint_finds_nothing_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "error.xml"
    path.write_bytes(error_document("no table <x> & none other", [Info("version", "1")]))
    assert lint(path) == []


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
def test_votlint_finds_nothing_in_no_rows(tmp_path: Path, serialization: Any) -> None:
    writer = Writer(Header(columns()[0]), serialization)
    path = tmp_path / "empty.xml"
    path.write_bytes(writer.start() + writer.end())
    assert lint(path) == []
