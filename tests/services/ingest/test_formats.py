"""Every format: each type of value with its nulls, exact, described, and the same whichever file it came from."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable.tree import Field, Resource, TableElement, VOTableFile
from astropy.table import MaskedColumn, Table
from bowerbird.votable import Field as OurField
from bowerbird.votable import Header, Writer
from bowerbird_config.tables import ReleaseTable
from bowerbird_services.ingest.source import BadSource
from bowerbird_services.ingest.table import ingest
from bowerbird_services.store import sidecar
from bowerbird_services.tables import HEALPIX_COLUMN, TimeFrame

BIG = (1 << 62) + 1
ROWS: dict[str, list[Any]] = {
    "id": [BIG, BIG + 1, BIG + 2],
    "ra": [359.999, 0.001, 10.0],
    "dec": [-89.9, 89.9, 0.0],
    "flag": [True, False, True],
    "small": [1, None, -32768],
    "whole": [1, None, -(1 << 31)],
    "real": [1.5, None, -2.25],
    "number": [0.1, None, 1e300],
    "text": ["a", "bc", "d e"],
}
KINDS = {
    "id": pa.int64(),
    "ra": pa.float64(),
    "dec": pa.float64(),
    "flag": pa.bool_(),
    "small": pa.int16(),
    "whole": pa.int32(),
    "real": pa.float32(),
    "number": pa.float64(),
    "text": pa.string(),
}
WANTED = pa.table(ROWS, schema=pa.schema(list(KINDS.items())))
ASKED = {"title": "Stars", "position": {"ra": "RA", "dec": "Dec", "epoch": 2016.0}}


def parquet(path: Path) -> Path:
    pq.write_table(WANTED, path / "stars.parquet")
    return path / "stars.parquet"


def masked() -> Table:
    """The rows as astropy has them, with a mask where there is nothing."""
    dtypes: dict[str, Any] = {"text": "U3", "flag": bool, "id": np.int64, "small": np.int16, "whole": np.int32, "real": np.float32}
    columns = []
    for name, values in ROWS.items():
        filled = [0 if value is None else value for value in values]
        columns.append(MaskedColumn(np.array(filled, dtypes.get(name, float)), name, mask=[value is None for value in values]))
    return Table(columns)


def fits_table(path: Path) -> Path:
    columns = []
    letters = {"id": "K", "flag": "L", "small": "I", "whole": "J", "real": "E", "text": "3A"}
    for name, values in ROWS.items():
        letter = letters.get(name, "D")
        null = -99 if letter in "IJK" else None
        filled = [(null if null is not None else np.nan) if value is None else value for value in values]
        columns.append(fits.Column(name=name, format=letter, array=np.array(filled), null=null))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path / "stars.fits")
    return path / "stars.fits"


def fits_gzipped(path: Path) -> Path:
    target = path / "stars.fits.gz"
    target.write_bytes(gzip.compress(fits_table(path).read_bytes()))
    return target


def votable(form: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        masked().write(path / "stars.vot", format="votable", tabledata_format=form)
        return path / "stars.vot"

    return write


def ecsv(path: Path) -> Path:
    masked().write(path / "stars.ecsv", format="ascii.ecsv", delimiter=",")
    return path / "stars.ecsv"


def ecsv_with_blanks(path: Path) -> Path:
    masked().write(path / "stars.ecsv", format="ascii.ecsv")
    return path / "stars.ecsv"


FORMATS = [parquet, fits_table, fits_gzipped, votable("binary2"), votable("tabledata"), ecsv, ecsv_with_blanks]


def made(path: Path, asked: dict[str, Any]) -> tuple[Any, pa.Table]:
    """Ingest a file as the platform file asks, and return the table and its rows."""
    folder = path.parent / "shelf"
    folder.mkdir(exist_ok=True)
    assert ingest(path.parent, ("sky", "dr1"), "stars", ReleaseTable.model_validate({"file": path.name} | asked), folder)
    known = sidecar.read(folder / f"stars{sidecar.SUFFIX}")
    assert known is not None
    return known.table, pq.read_table(known.table.files[0])


@pytest.mark.parametrize("write", FORMATS)
def test_values_are_exact_and_nulls_are_nulls(write: Callable[[Path], Path], tmp_path: Path) -> None:
    table, rows = made(write(tmp_path), ASKED)
    by_id = rows.sort_by("id")
    for name in ROWS:
        assert by_id[name].type == KINDS[name], name
        assert by_id[name].to_pylist() == WANTED[name].to_pylist(), name
    kinds = [column.datatype.value for column in table.columns]
    assert kinds == ["long", "double", "double", "boolean", "short", "int", "float", "double", "char"]
    assert [column.arraysize for column in table.columns] == [None] * 8 + ["*"]
    assert table.rows == 3


@pytest.mark.parametrize("write", FORMATS)
def test_rows_lie_in_the_order_of_the_sky(write: Callable[[Path], Path], tmp_path: Path) -> None:
    table, rows = made(write(tmp_path), ASKED)
    order = rows[HEALPIX_COLUMN].to_pylist()
    assert order == sorted(order)
    assert table.position.ra == "ra"
    assert table.column(HEALPIX_COLUMN) is None


def test_csv_has_the_widest_types_and_the_same_values(tmp_path: Path) -> None:
    pyarrow.csv.write_csv(WANTED, tmp_path / "stars.csv")
    table, rows = made(tmp_path / "stars.csv", ASKED)
    by_id = rows.sort_by("id")
    assert by_id["id"].to_pylist() == ROWS["id"]
    assert by_id["number"].to_pylist() == ROWS["number"]
    assert by_id["whole"].to_pylist() == ROWS["whole"]
    assert by_id["text"].to_pylist() == ROWS["text"]
    assert [column.datatype.value for column in table.columns][:4] == ["long", "double", "double", "boolean"]


def test_integers_too_long_for_64_bits_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "stars.csv").write_text("id,flux\n123456789012345678901,1\n123456789012345678902,2.5\n")
    _, rows = made(tmp_path / "stars.csv", {"title": "Stars"})
    assert rows["id"].to_pylist() == ["123456789012345678901", "123456789012345678902"]
    assert rows["flux"].to_pylist() == [1.0, 2.5]


def test_texts_that_are_not_ascii_are_unicode(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["Štěpán", None], "plain": ["a", "b"]}), tmp_path / "stars.parquet")
    table, rows = made(tmp_path / "stars.parquet", {"title": "Stars"})
    assert [column.datatype.value for column in table.columns] == ["unicodeChar", "char"]
    assert rows["name"].to_pylist() == ["Štěpán", None]


def test_a_table_without_positions_keeps_its_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [3, 1, 2]}), tmp_path / "stars.parquet")
    table, rows = made(tmp_path / "stars.parquet", {"title": "Stars"})
    assert rows["n"].to_pylist() == [3, 1, 2]
    assert rows.column_names == ["n"]
    assert table.position is None


@pytest.mark.parametrize(("ra", "dec"), [([None], [1.0]), ([1.0], [float("nan")]), ([1.0], [90.5]), ([float("inf")], [0.0])])
def test_a_row_without_a_place_is_kept_and_comes_last(ra: list[float], dec: list[float], tmp_path: Path) -> None:
    rows = {"ra": pa.array([*ra, 359.9, -0.1]), "dec": pa.array([*dec, 0.0, 0.0])}
    pq.write_table(pa.table(rows), tmp_path / "stars.parquet")
    _, found = made(tmp_path / "stars.parquet", ASKED)
    order = found[HEALPIX_COLUMN].to_pylist()
    assert order[0] == order[1] is not None
    assert order[2] is None


@pytest.mark.parametrize("letter", ["I", "J", "K"])
def test_fits_integers_without_a_sign_are_exact(letter: str, tmp_path: Path) -> None:
    bits = {"I": 16, "J": 32, "K": 64}[letter]
    values = [0, 5, (1 << (bits - 1)) + 1 if letter != "K" else (1 << 63) - 1]
    array = np.array(values, dtype=f"u{bits // 8}")
    fits.BinTableHDU.from_columns([fits.Column("n", letter, bzero=1 << (bits - 1), array=array)]).writeto(tmp_path / "stars.fits")
    _, rows = made(tmp_path / "stars.fits", {"title": "Stars"})
    assert rows["n"].to_pylist() == values


def test_fits_arrays_bits_and_scaled_columns(tmp_path: Path) -> None:
    columns = [
        fits.Column("flux", "3E", array=np.arange(6, dtype=np.float32).reshape(2, 3)),
        fits.Column("image", "4J", dim="(2,2)", array=np.arange(8, dtype=np.int32).reshape(2, 2, 2)),
        fits.Column("bits", "3X", array=np.array([[True, False, True], [False, False, True]])),
        fits.Column("some", "PD()", array=np.array([np.array([1.0, 2.0]), np.array([])], dtype=object)),
        fits.Column("scaled", "I", array=np.array([0, 2], dtype=np.int16)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL5"], hdu.header["TZERO5"] = 0.5, 10
    hdu.writeto(tmp_path / "stars.fits")
    table, rows = made(tmp_path / "stars.fits", {"title": "Stars"})
    assert rows.to_pylist()[0] == {
        "flux": [0, 1, 2],
        "image": [0, 1, 2, 3],
        "bits": [True, False, True],
        "some": [1.0, 2.0],
        "scaled": 10.0,
    }
    assert rows["some"].to_pylist() == [[1.0, 2.0], []]
    assert [column.arraysize for column in table.columns] == ["3", "2x2", "3", "*", None]


def test_a_file_says_what_its_columns_mean(tmp_path: Path) -> None:
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("pm", "D", unit="mas yr-1", array=[1.0]), fits.Column("odd", "D", unit="furlong", array=[1.0])]
    )
    hdu.header["TUCD1"], hdu.header["TCOMM1"] = "pos.pm", "how fast it goes"
    hdu.writeto(tmp_path / "stars.fits")
    table, _ = made(tmp_path / "stars.fits", {"title": "Stars"})
    moving, odd = table.columns
    assert (moving.unit, moving.raw_unit, moving.ucd, moving.description) == ("mas.yr**-1", "mas yr-1", "pos.pm", "how fast it goes")
    assert (odd.unit, odd.raw_unit) == (None, "furlong")


def test_a_votable_says_what_its_columns_mean(tmp_path: Path) -> None:
    whole, resource = VOTableFile(), Resource()
    whole.resources.append(resource)
    element = TableElement(whole, name="second")
    resource.tables.extend([TableElement(whole, name="first"), element])
    element.fields.append(Field(whole, name="flux", datatype="double", unit="Jy", ucd="phot.flux", utype="x:flux"))
    element.fields[0].description = "how bright"
    element.create_arrays(1)
    element.array["flux"] = 2.5
    whole.to_xml(str(tmp_path / "stars.vot"))
    table, rows = made(tmp_path / "stars.vot", {"title": "Stars", "part": "SECOND"})
    (flux,) = table.columns
    assert (flux.unit, flux.ucd, flux.utype, flux.description) == ("Jy", "phot.flux", "x:flux", "how bright")
    assert rows["flux"].to_pylist() == [2.5]


@pytest.mark.parametrize("form", ["TABLEDATA", "BINARY", "BINARY2"])
def test_any_table_of_a_votable_is_read_with_arrays_bits_and_nulls(form: Any, tmp_path: Path) -> None:
    first = Header((OurField("n", "int"),), name="first")
    fields = (
        OurField("id", "long"),
        OurField("flags", "bit", "3"),
        OurField("many", "double", "*"),
        OurField("name", "unicodeChar", "*"),
        OurField("on", "boolean"),
    )
    second = Header(fields, name="Second")
    rows = [
        np.array([1, 2**62 + 1]),
        np.array([[True, False, True], [False, False, True]]),
        np.array([np.array([1.5, 2.5]), np.array([3.5])], dtype=object),
        np.array(["µ", "x"]),
        np.ma.MaskedArray([True, False], [False, True]),
    ]
    texts = []
    for header, columns in ((first, [np.arange(3, dtype=np.int32)]), (second, rows)):
        writer = Writer(header, form)
        texts.append((writer.start() + writer.rows(columns) + writer.end()).decode())
    resources = [text[text.index("<RESOURCE") : text.rindex("</VOTABLE>")] for text in texts]
    whole = texts[0][: texts[0].index("<RESOURCE")] + "".join(resources) + "</VOTABLE>"
    (tmp_path / "two.vot.gz").write_bytes(gzip.compress(whole.encode()))
    for part in ("second", 2):
        _, table = made(tmp_path / "two.vot.gz", {"title": "Two", "part": part})
        assert table["id"].to_pylist() == [1, 2**62 + 1]
        assert table["flags"].to_pylist() == [[True, False, True], [False, False, True]]
        assert table["many"].to_pylist() == [[1.5, 2.5], [3.5]]
        assert table["name"].to_pylist() == ["µ", "x"]
        assert table["on"].to_pylist() == [True, None]
    assert made(tmp_path / "two.vot.gz", {"title": "Two"})[1]["n"].to_pylist() == [0, 1, 2]
    (tmp_path / "cut.vot").write_text(whole[: whole.index("<RESOURCE") + 600])
    with pytest.raises(BadSource, match="is no whole VOTable"):
        made(tmp_path / "cut.vot", {"title": "Cut"})


def test_the_platform_file_speaks_before_the_sidecar_and_the_sidecar_before_the_file(tmp_path: Path) -> None:
    maml = """
        survey: Sky
        fields:
          - {name: MAG, unit: mag, info: from the sidecar, ucd: [phot.mag, em.opt.V], qc: {min: 0, max: 30, miss: -99}}
          - {name: ra, unit: deg, info: right ascension}
    """
    (tmp_path / "stars.maml").write_text(maml)
    magnitudes = pa.array([12.0, -99.0, -1.0, float("nan")])
    positions = pa.array([1.0, 2.0, 3.0, 4.0])
    pq.write_table(pa.table({"mag": magnitudes, "ra": positions, "dec": positions, "n": [1, 2, -9, 4]}), tmp_path / "stars.parquet")
    columns = {"Mag": {"description": "from the platform file", "missing": [-1]}, "n": {"missing": [-9, 0.5, "x"]}}
    table, rows = made(
        tmp_path / "stars.parquet", {"title": "Stars", "metadata": "stars.maml", "columns": columns, "position": ASKED["position"]}
    )
    mag = table.column("mag")
    assert (mag.description, mag.unit, mag.ucd) == ("from the platform file", "mag", "phot.mag;em.opt.V")
    by_ra = rows.sort_by("ra")
    assert by_ra["mag"].to_pylist() == [12.0, None, None, None]
    assert by_ra["n"].to_pylist() == [1, 2, None, 4]
    assert (table.column("ra").ucd, table.column("ra").description) == ("pos.eq.ra;meta.main", "right ascension")
    assert [column.name for column in table.columns if column.indexed] == ["ra", "dec"]


def test_the_platform_file_says_what_times_are_counted_by(tmp_path: Path) -> None:
    pq.write_table(pa.table({"mjd": [51544.5], "days": [0.5], "n": [1]}), tmp_path / "times.parquet")
    mjd = {"unit": "d", "time": {"scale": "UTC", "place": "TOPOCENTER", "origin": "MJD-origin"}}
    table, _ = made(
        tmp_path / "times.parquet", {"title": "Times", "columns": {"MJD": mjd, "days": {"time": {"scale": "TDB", "origin": 2455197.5}}}}
    )
    times = [column.time for column in table.columns]
    assert times == [TimeFrame("UTC", "TOPOCENTER", "MJD-origin"), TimeFrame("TDB", "UNKNOWN", "2455197.5"), None]


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [("7", "1.5", "double"), ("7", "2e3", "double"), ("7", "12345678901234567890123", "char"), ("1.5", "x", "char"), ("", "7", "long")],
)
def test_a_value_far_down_widens_its_column(first: str, last: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "stars.csv").write_text("n,m\n" + f"{first},0\n" * 20_000 + f"{last},0\n")
    table, rows = made(tmp_path / "stars.csv", {"title": "Stars"})
    assert [column.datatype.value for column in table.columns] == [kind, "long"]
    assert rows["n"].to_pylist()[-1] == {"double": float, "long": int, "char": str}[kind](last)
