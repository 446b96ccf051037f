"""What many cutouts are asked for with: positions, sizes and images in any form, and a sentence for what is none."""

from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table

from tests.extensions.skies import PIXEL, SCALE, SIDE, around


def forms() -> dict[str, object]:
    places = around((150.0, 2.0), 3)
    at = SkyCoord(places, unit="deg")
    return {
        "array": places,
        "list": [tuple(place) for place in places],
        "mixed": [tuple(places[0]), at[1].galactic, at[2].to_string("decimal", precision=12)],
        "skycoord": at,
        "ones": [at[:1], at[1:2].galactic, at[2]],
        "two lists": [list(place) for place in places],
        "radians": np.radians(places) * u.rad,
        "masked": np.ma.masked_array(places),
        "galactic": at.galactic,
        "table": Table({"RA": places[:, 0], "DEC": places[:, 1]}),
        "units": QTable({"ra": at.ra.to(u.hourangle), "dec": at.dec}),
        "mixin": QTable({"where": at}),
        "ucd": Table(
            {
                "x": Column(places[:, 0], meta={"ucd": "pos.eq.ra;meta.main"}),
                "y": Column(places[:, 1], meta={"ucd": "pos.eq.dec;meta.main"}),
            }
        ),
    }


@pytest.mark.parametrize("form", forms())
def test_positions_in_any_form(path, form) -> None:
    expected = bowerbird.cutouts(forms()["array"], SIDE, path)
    made = bowerbird.cutouts(forms()[form], SIDE, path)
    assert [cut.content() for cut in made["cutout"]] == [cut.content() for cut in expected["cutout"]]


def test_a_table_keeps_its_columns_and_is_not_changed(path) -> None:
    mine = Table({"id": [7, 8, 9], **{name: column for name, column in forms()["table"].columns.items()}})  # type: ignore[attr-defined]
    made = bowerbird.cutouts(mine, SIDE, path)
    assert made.colnames == ["id", "RA", "DEC", "cutout", "reason"]
    assert mine.colnames == ["id", "RA", "DEC"]
    assert made["id"].tolist() == [7, 8, 9]
    assert bowerbird.cutouts(forms()["array"], SIDE, path).colnames == ["ra", "dec", "cutout", "reason"]


def test_what_is_no_position_in_a_list_is_a_row_too(path) -> None:
    made = bowerbird.cutouts(["10h00m00s +02d00m00s", "over there", 7.0, (1.0, 2.0, 3.0)], SIDE, path)
    assert made["cutout"][0] is not None
    assert ["no position" in made["reason"][1], "a position is" in made["reason"][2], "degrees" in made["reason"][3]] == [True] * 3


def test_a_masked_position_is_none(path) -> None:
    masked = Table({"ra": MaskedColumn([150.0, 150.0], mask=[False, True]), "dec": [2.0, 2.0]})
    assert [bool(reason) for reason in bowerbird.cutouts(masked, SIDE, path)["reason"]] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("150 2", SIDE, "x.fits"), "one alone"),
        (("x.fits", (150.0, 2.0), SIDE), r"the order is .* bowerbird\.cutouts\(positions, size, image\)"),
        ((Path("x.fits"), Table({"ra": [1.0], "dec": [1.0]}), SIDE), r"the order is .* bowerbird\.cutouts\(positions, size, image\)"),
        (((150.0, 2.0), SIDE, "x.fits"), r"\(150.0, 2.0\) is one position, which is for bowerbird\.cutout"),
        (([150, 2], SIDE, "x.fits"), "is one position"),
        ((np.array([150.0, 2.0]), SIDE, "x.fits"), "is one position"),
        ((np.ones((2, 3)), SIDE, "x.fits"), "is n × 2, .*this is 2 × 3"),
        ((np.ones((4, 3)), SIDE, "x.fits"), "is n × 2, .*this is 4 × 3"),
        ((np.ones(5), SIDE, "x.fits"), "is n × 2, .*this is 5"),
        (((150 * u.deg, 2 * u.deg), SIDE, "x.fits"), "is one position"),
        (((np.ones(3), np.ones(3)), SIDE, "x.fits"), "is n × 2, .*this is 2 × 3"),
        ((np.zeros((3, 2)), "0 arcmin", "x.fits"), "no pixels"),
        ((np.zeros((3, 2)), 60, "x.fits"), "needs a unit"),
        ((np.zeros((3, 2)), np.ones(3), "x.fits"), "has no unit"),
        ((np.zeros((3, 2)), SIDE, ["x.fits"] * 2), "2 images for 3 positions"),
        ((Table({"a": [1]}), SIDE, "x.fits"), "name its columns"),
        ((Table({"ra": [1], "dec": [1]}), SIDE, "imgs"), "'imgs' is neither a file that is there nor a column; the table has ra, dec"),
        ((np.zeros((3, 2)), SIDE, np.zeros((3, 3))), r"not this ndarray; the order is .* bowerbird\.cutouts\(positions, size, image\)"),
        ((np.zeros((3, 2)), SIDE, fits.HDUList([fits.PrimaryHDU()])), "the name of a FITS file, or a list of names, not this HDUList"),
        ((np.zeros((3, 2)), SIDE, None), "the name of a FITS file, or a list of names, not this NoneType"),
        ((Table({"ra": [1], "dec": [1]}), "side", "x.fits"), "nor a column; the table has ra, dec"),
        ((np.zeros((3, 2)), Column([1, 2, 3], unit="Jy"), "x.fits"), "is in Jy, which is no angle"),
        ((np.zeros((2, 2)), [1, 2] * u.arcsec, "x.fits"), "a size each, or a height and a width"),
        ((Table({"ra": ["02h39m53s"], "dec": [1]}), SIDE, "x.fits"), "'ra' holds no numbers but values like '02h39m53s'; give degrees"),
    ],
)
def test_an_argument_that_is_wrong_as_a_whole_is_an_error(arguments, says) -> None:
    with pytest.raises(ValueError, match=says):
        bowerbird.cutouts(*arguments)


def test_sizes_of_each_source(path) -> None:
    places = around((150.0, 2.0), 3, 10 * SCALE)
    sides = [5, 9, 13] * PIXEL
    made = bowerbird.cutouts(places, sides, path)
    pairs = bowerbird.cutouts(places, np.stack([sides, 2 * sides], axis=-1), path)
    for place, side, cut, wide in zip(places, sides, made["cutout"], pairs["cutout"], strict=True):
        assert cut.content() == bowerbird.cutout(path, tuple(place), side, as_bytes=True)
        assert wide.content() == bowerbird.cutout(path, tuple(place), (side, 2 * side), as_bytes=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"progress": True}, "progress is True; give a function"),
        ({"folder": "made", "names": "nam"}, "'nam' is no column, and names are one for each position; the table has ra, dec"),
    ],
)
def test_an_option_that_is_wrong_is_an_error(path, tmp_path, monkeypatch, options, says) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=says):
        bowerbird.cutouts(Table({"ra": [150.0], "dec": [2.0]}), SIDE, path, **options)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["f8", "i8"])
@pytest.mark.parametrize("kind", [Table, QTable])
def test_sizes_in_a_column_of_the_table(path, count, dtype, kind) -> None:
    places, sides = around((150.0, 2.0), count, 10 * SCALE), np.arange(1, count + 1, dtype=dtype)
    mine = kind({"ra": places[:, 0], "dec": places[:, 1], "side": sides})
    mine["side"].unit = "arcsec"
    mine = kind(mine)
    expected = [bowerbird.cutout(path, tuple(place), side * u.arcsec, as_bytes=True) for place, side in zip(places, sides, strict=True)]
    for size in (mine["side"], "side"):
        assert [cut.content() for cut in bowerbird.cutouts(mine, size, path)["cutout"]] == expected


def test_a_masked_size_is_a_row_with_a_reason(path) -> None:
    sides = MaskedColumn([1.0, 1.0], mask=[False, True], unit="arcsec")
    assert [bool(reason) for reason in bowerbird.cutouts([(150.0, 2.0)] * 2, sides, path)["reason"]] == [False, True]
