"""Tables say what their columns are, and two makings give the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from demo_releases.tables import Column, table, write

COLUMNS = [
    Column("id", np.array([1, 2], dtype=np.int32), "a number", ucd="meta.id;meta.main"),
    Column("ra", np.array([10.5, np.nan]), "right ascension", "deg", "pos.eq.ra"),
    Column("name", np.array(["M31", ""]), "a name"),
    Column("messier", np.array([31, 0], dtype=np.int16), "a number or none", null=0),
    Column("flux", np.arange(6.0).reshape(2, 3), "a vector", "10**-20 erg s-1 cm-2 Angstrom-1"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "table.fits", table("THINGS", COLUMNS, ("a note",)))
    return tmp_path / "table.fits"


def test_values_units_and_absences_come_back(path: Path) -> None:
    read = Table.read(path, hdu="THINGS")
    assert read["id"].tolist() == [1, 2]
    assert read["ra"].unit == u.deg
    assert read["ra"].mask.tolist() == read["messier"].mask.tolist() == [False, True]
    assert read["flux"].unit == u.Unit("1e-20 erg s-1 cm-2 Angstrom-1")
    assert read["flux"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_each_column_says_what_it_is(path: Path) -> None:
    header = fits.getheader(path, "THINGS")
    assert [header[f"TCOMM{number}"] for number in range(1, 6)] == [column.about for column in COLUMNS]
    assert header["TUCD2"] == "pos.eq.ra"
    assert "TUCD3" not in header
    assert str(header["COMMENT"]) == "a note"


def test_checksums_hold(path: Path) -> None:
    with fits.open(path, checksum=True) as hdus:
        for hdu in hdus:
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1


def test_two_makings_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "again.fits", table("THINGS", COLUMNS, ("a note",)))
    assert (tmp_path / "again.fits").read_bytes() == path.read_bytes()
