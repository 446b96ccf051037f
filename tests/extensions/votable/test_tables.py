"""What an astropy table gets: units, masks, names, meta; and round trips of anything."""

import io
import warnings
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from astropy.units import Quantity, UnrecognizedUnit
from astropy.utils.masked import Masked
from bowerbird.votable import Coosys, Field, Header, Info, Writer, read
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extensions.votable.columns import document, objects

FIELDS = [
    Field("id", "long", ucd="meta.id;meta.main"),
    Field("ra", "double", unit="deg", description="Right ascension"),
    Field("n", "int", unit="s"),
    Field("flux", "float", unit="counts per fortnight"),
    Field("v", "double", unit="km/s"),
    Field("ra", "double", unit="km.s**-1"),
    Field("name", "char", "*", unit="deg"),
]
COLUMNS = [
    np.array([2**62 + 1, 5], "i8"),
    np.ma.MaskedArray([1.5, 2.5], [False, True]),
    np.array([2**31 - 1, 5], "i4"),
    np.array([1.5, 2.5], "f4"),
    np.array([1.5, np.nan]),
    np.array([1.5, 2.5]),
    objects("a", None),
]


def both() -> tuple[Any, Any]:
    writer = Writer(Header(FIELDS, infos=[Info("QUERY", "SELECT 1")], coosys=[Coosys("s", "ICRS")], name="main", description="All"))
    found = read(writer.start() + writer.rows(COLUMNS) + writer.end())
    return found.to_table(), found.to_qtable()


def test_names_are_unique_and_meta_is_kept() -> None:
    for table in both():
        assert table.colnames == ["id", "ra", "n", "flux", "v", "ra_6", "name"]
        assert (table.meta["name"], table.meta["description"]) == ("main", "All")
        assert [info.name for info in table.meta["infos"]] == ["QUERY_STATUS", "QUERY"]
        assert table.meta["coosys"][0].system == "ICRS"
        assert table["ra"].info.description == "Right ascension"
        assert table["id"].info.meta["ucd"] == "meta.id;meta.main"


def test_a_table_has_units_and_masks_where_there_are_nulls() -> None:
    table, _ = both()
    assert table["ra"].unit == u.deg
    assert table["ra"].mask.tolist() == [False, True]
    assert table["id"].dtype == np.int64
    assert not hasattr(table["id"], "mask")
    assert isinstance(table["flux"].unit, UnrecognizedUnit)
    assert str(table["flux"].unit) == "counts per fortnight"
    assert table["v"].unit == table["ra_6"].unit == u.km / u.s
    assert table["name"].mask.tolist() == [False, True]


def test_a_qtable_has_quantities_whose_integers_stay_integers() -> None:
    _, table = both()
    assert isinstance(table["ra"], Masked)
    assert isinstance(table["v"], Quantity)
    assert table["ra"].mask.tolist() == [False, True]
    assert table["n"].unit == u.s
    assert table["n"].value.tolist() == [2**31 - 1, 5]
    assert table["n"].dtype == np.int32
    assert table["id"].tolist() == [2**62 + 1, 5]
    assert table["flux"].meta["unit"] == "counts per fortnight"
    assert table["flux"].unit is None


def test_a_qtable_goes_on_as_any() -> None:
    _, table = both()
    assert table[table["v"] > 1 * u.km / u.s]["id"].tolist() == [2**62 + 1]
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names and notes that ECSV does not keep
        QTable(table, meta={}).write(text, format="ascii.ecsv")
    assert str(2**62 + 1) in text.getvalue()


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
KINDS: dict[str, Any] = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "short": st.integers(-(2**15), 2**15 - 1),
    "double": st.floats(),
    "float": st.floats(width=32),
    "boolean": st.booleans(),
    "char": TEXT,
    "unicodeChar": TEXT,
}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_table_is_read_back_from_any_serialization(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=12))
    size = data.draw(st.integers(0, 6))
    rows = [data.draw(st.lists(st.none() | KINDS[kind], min_size=size, max_size=size)) for kind in kinds]
    fields = [Field(f"c{n}", kind, "*" if "har" in kind else None) for n, kind in enumerate(kinds)]
    serialization = data.draw(st.sampled_from(["BINARY2", "TABLEDATA"]))
    step = data.draw(st.integers(1, 7))
    if size == 0:
        return
    found = read(document(fields, [objects(*row) for row in rows], serialization, step=step)).table
    for kind, row, column in zip(kinds, rows, found, strict=True):
        # TABLEDATA has one word for "" and null.
        wanted = [None if value == "" and serialization == "TABLEDATA" else value for value in row]
        assert column.tolist() == wanted or repr(column.tolist()) == repr(wanted), kind
