"""A folder, a release or a collection in the place of an image: all images there that hold a source are cut."""

import os

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from tests.extensions.skies import PIXEL, SIDE, Mosaic


@pytest.fixture
def folder(tmp_path):
    """Two bands of one field, one of another, and what is no image."""
    there = tmp_path / "images"
    (there / "deep").mkdir(parents=True)
    Mosaic().write(there / "field_i.fits")
    Mosaic(dtype=">i2").write(there / "field_g.fits")
    Mosaic(centre=(20.0, -30.0)).write(there / "deep" / "other.fits")
    (there / "notes.txt").write_text("two nights")
    (there / "torn.fits").write_bytes((there / "field_i.fits").read_bytes()[:9000])
    return there


def test_each_source_is_cut_from_every_image_that_holds_it(folder) -> None:
    made = bowerbird.cutouts([(150.0, 2.0), (80.0, 0.0), (20.0, -30.0), (np.nan, 1.0)], SIDE, folder)
    files = ["field_g.fits", "field_i.fits", "", "deep/other.fits", ""]
    assert made["image"].tolist() == [str(folder / one) if one else "" for one in files]
    assert made["ra"].tolist()[:4] == [150.0, 150.0, 80.0, 20.0]
    for row in made:
        if row["image"]:
            assert row["cutout"].content() == bowerbird.cutout(row["image"], (row["ra"], row["dec"]), SIDE, as_bytes=True)
    assert made["reason"][2] == "none of the images in images holds this place"
    assert "not a number" in made["reason"][4]


def test_a_table_keeps_its_columns_row_by_row(folder) -> None:
    table = Table({"id": [7, 8], "ra": [150.0, 20.0], "dec": [2.0, -30.0], "side": [5, 9] * PIXEL})
    made = bowerbird.cutouts(table, "side", folder)
    assert made["id"].tolist() == [7, 7, 8]
    assert [cut.data.shape for cut in made["cutout"]] == [
        bowerbird.cutout(image, place, size)[0].shape
        for image, place, size in zip(made["image"], [(150.0, 2.0)] * 2 + [(20.0, -30.0)], [5, 5, 9] * PIXEL, strict=True)
    ]


def test_files_are_named_by_source_and_image(folder, tmp_path) -> None:
    made = tmp_path / "made"
    bowerbird.cutouts([(150.0, 2.0), (20.0, -30.0)], SIDE, folder, folder=made, names=["a", "b"])
    assert sorted(os.listdir(made)) == ["a-field_g.fits", "a-field_i.fits", "b-other.fits"]


def test_a_region_at_an_edge_belongs_to_an_image_that_it_touches(folder) -> None:
    edge = 150.0 + 118 * PIXEL.value
    made = bowerbird.cutouts([(edge, 2.0)], SIDE, folder)
    assert len(made) == 2
    assert not any(made["reason"])


@pytest.mark.parametrize("name", ["a370/dr1", "a370"])
def test_a_release_and_a_collection_are_named(view, name) -> None:
    made = bowerbird.cutouts([(39.97, -1.58)], "3 arcsec", name)
    assert len(made) >= 1
    assert all(image.startswith(str(view / "releases/a370/dr1")) for image in made["image"])
    assert not any(made["reason"])


def test_a_closed_release_says_why(other_view) -> None:
    with pytest.raises(bowerbird.Refused, match="is refused"):
        bowerbird.cutouts([(63.3554, 10.4656)], "3 arcsec", "a478/ifs-dr1")


def test_a_folder_without_images_is_an_error(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no image of the sky in .*empty; name a file"):
        bowerbird.cutouts([(1.0, 2.0)], SIDE, tmp_path / "empty")


@pytest.fixture
def filters(tmp_path):
    """One field in two filters, and in one that nobody wrote down."""
    there = tmp_path / "bands"
    there.mkdir()
    for name, cards in [("one", {"FILTER": "g"}), ("two", {"FILTER": "r "}), ("three", {})]:
        Mosaic(cards=cards).write(there / f"{name}.fits")
    return there


def test_the_images_of_a_filter_are_chosen(filters) -> None:
    made = bowerbird.cutouts([(150.0, 2.0), (80.0, 0.0)], SIDE, filters, band="r")
    assert made["image"].tolist() == [str(filters / "two.fits"), ""]
    assert made["cutout"][0].content() == bowerbird.cutout(filters / "two.fits", (150.0, 2.0), SIDE, band="r", as_bytes=True)
    assert made["reason"][1] == "none of the images in bands has that band of this place"


def test_a_filter_that_no_image_has_is_a_mistake_of_the_call(filters) -> None:
    with pytest.raises(ValueError, match=r"no image in .*bands is of the filter 'R'; FILTER in the headers there: g, r$"):
        bowerbird.cutouts([(150.0, 2.0)], SIDE, filters, band="R")


def test_an_image_of_another_filter_has_that_for_its_reason(filters) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 3, SIDE, [filters / f"{name}.fits" for name in ("one", "two", "three")], band="g")
    assert [bool(cut) for cut in made["cutout"]] == [True, False, False]
    assert made["reason"].tolist()[1:] == [
        "two.fits: the image is of the filter 'r', not 'g'",
        "three.fits: the image is of no filter that its header names, not 'g'",
    ]


def test_the_cubes_of_a_band_are_chosen_and_cut_along_it(filters) -> None:
    axis = {"CTYPE3": "WAVE", "CUNIT3": "nm", "CRPIX3": 1.0, "CD3_3": 1.0}
    for name, first in (("blue", 400.0), ("green", 500.0)):
        header = Mosaic(shape=(20, 24)).header()
        header.update(axis | {"CRVAL3": first})
        fits.PrimaryHDU(np.arange(30 * 480, dtype=">f4").reshape(30, 20, 24), header).writeto(filters / f"{name}.fits")
    made = bowerbird.cutouts([(150.0, 2.0)], "2 arcsec", filters, band=("505 nm", "507 nm"))
    assert made["image"].tolist() == [str(filters / "green.fits")]
    whole = bowerbird.cutout(filters / "green.fits", (150.0, 2.0), "2 arcsec")[0].data
    np.testing.assert_array_equal(made["cutout"][0].data, whole[5:8])
