"""A file that cannot become a table: one sentence, and what was there before stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from bowerbird_config.tables import ReleaseTable
from bowerbird_services.ingest.source import BadSource
from bowerbird_services.ingest.table import ingest


def shortened(path: Path, by: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - by])


def parquet(path: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns or {"ra": np.arange(5000.0), "dec": np.zeros(5000)}), path)


def fits_table(path: Path) -> None:
    fits.BinTableHDU.from_columns([fits.Column("n", "D", array=np.arange(5000.0))], name="STARS").writeto(path)


def truncated_parquet(path: Path) -> None:
    parquet(path)
    shortened(path, 100)


def damaged_parquet(path: Path) -> None:
    parquet(path)
    whole = bytearray(path.read_bytes())
    whole[4:4000] = bytes(3996)
    path.write_bytes(whole)


def truncated_fits(path: Path) -> None:
    fits_table(path)
    shortened(path, 20_000)


BAD: list[tuple[str, Callable[[Path], object], dict[str, Any], str]] = [
    ("a.parquet", truncated_parquet, {}, "is no whole Parquet file"),
    ("a.parquet", damaged_parquet, {}, "breaks off, or is damaged"),
    ("a.parquet", lambda path: path.write_bytes(b""), {}, "is no whole Parquet file"),
    ("a.fits", truncated_fits, {}, "breaks off: the table 'STARS' should have 5000 rows"),
    ("a.fits", lambda path: path.write_text("hello"), {}, "is no"),
    ("a.fits", lambda path: fits.PrimaryHDU().writeto(path), {}, "has no table in it"),
    ("a.fits", fits_table, {"part": "GALAXIES"}, "has no table 'GALAXIES'; it has 'STARS'"),
    ("a.fits", fits_table, {"part": 2}, "has 1 tables, so that none has the number 2"),
    ("a.csv", lambda path: path.write_text("a,b\n1,2\n1,2,3\n"), {}, "line 3"),
    ("a.csv", lambda path: path.write_text(""), {}, "has no first line of column names"),
    ("a.csv", lambda path: path.write_text("a,A\n1,2\n"), {}, "has two columns"),
    ("a.ecsv", lambda path: path.write_text("# %ECSV 1.0\n# ---\n# datatype: 3\na\n1\n"), {}, "does not say the columns' types"),
    ("a.ecsv", lambda path: path.write_text("# %ECSV 1.0\n# ---\n# datatype: [{name: a, datatype: int16}]\na\nx\n"), {}, "line 5"),
    ("a.vot", lambda path: path.write_text("<VOTABLE><RESOURCE>"), {}, "is no whole VOTable"),
    ("a.vot", lambda path: path.write_text("<html/>"), {}, "VOTable"),
    ("a.doc", lambda path: path.write_text("x"), {}, "is no file that can become a table"),
    (
        "a.parquet",
        lambda path: parquet(path, ra=["x"], dec=[1.0]),
        {},
        "which its position names and which holds no numbers",
    ),
    (
        "a.parquet",
        lambda path: parquet(path, RA=[1.0], declination=[1.0]),
        {},
        "has no column 'dec', which its position names; it has 'RA', 'declin",
    ),
    ("a.parquet", lambda path: parquet(path, ra=[1.0], dec=[1.0], _healpix=[1]), {}, "which cannot be its name here"),
    ("a.parquet", lambda path: parquet(path, ra=[1.0], dec=[1.0], s=[{"a": 1}]), {}, "have no counterpart in a VOTable"),
    ("a.parquet", lambda path: parquet(path, ra=[1.0], dec=[1.0], n=pa.array([2**64 - 1], pa.uint64())), {}, "does not fit its type long"),
    ("a.parquet", parquet, {"columns": {"mag": {"unit": "mag"}}}, "has no column 'mag', which the platform file describes"),
    ("a.parquet", parquet, {"metadata": "a.maml"}, "needs the file a.maml, which cannot be read (No such file"),
    ("b.parquet", lambda path: None, {}, "needs the file b.parquet, which cannot be read (No such file"),
]


@pytest.mark.parametrize(("name", "write", "more", "said"), BAD)
def test_a_bad_file_gets_one_sentence_and_makes_no_table(
    name: str, write: Callable[[Path], object], more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    position = {"position": {"ra": "ra", "dec": "dec"}} if name.endswith(".parquet") else {}
    (tmp_path / "shelf").mkdir()
    with pytest.raises(BadSource) as error:
        ingest(
            tmp_path,
            ("sky", "dr1"),
            "stars",
            ReleaseTable.model_validate({"file": name, "title": "Stars"} | position | more),
            tmp_path / "shelf",
        )
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert list((tmp_path / "shelf").iterdir()) == []


def test_complex_numbers_are_refused_by_name(tmp_path: Path) -> None:
    fits.BinTableHDU.from_columns([fits.Column("vis", "M", array=np.array([1j]))]).writeto(tmp_path / "a.fits")
    (tmp_path / "shelf").mkdir()
    with pytest.raises(BadSource, match="'vis' with complex"):
        ingest(tmp_path, ("sky", "dr1"), "stars", ReleaseTable(file="a.fits", title="Stars"), tmp_path / "shelf")


@pytest.mark.parametrize(
    ("text", "said"), [("[", "is no YAML"), ("fields: 3", "'fields' is no list"), ("fields: [{name: mag}]", "has no column 'mag'")]
)
def test_a_bad_metadata_file_gets_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    (tmp_path / "a.maml").write_text(text)
    (tmp_path / "shelf").mkdir()
    with pytest.raises(BadSource, match=said):
        ingest(tmp_path, ("sky", "dr1"), "stars", ReleaseTable(file="a.parquet", title="Stars", metadata="a.maml"), tmp_path / "shelf")
