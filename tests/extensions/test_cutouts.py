"""Many cutouts in one call are each what one call for each makes, and a bad source fails no other."""

import re

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from bowerbird.stencil import Stencils, stencil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extensions.skies import PIXEL, SCALE, SIDE, SIP, TPV, Mosaic, around

slow_is_fine = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow_is_fine
@given(
    kind=st.sampled_from([("TAN", {}), ("SIN", {}), ("TAN-SIP", SIP), ("TPV", TPV)]),
    stored=st.tuples(st.sampled_from([">f4", ">i2", ">f8"]), st.booleans(), st.booleans()),
    centre=st.sampled_from([(150.0, 2.0), (0.0, -60.0), (83.6, 90.0)]),
    mode=st.sampled_from(["trim", "partial", "strict"]),
    side=st.floats(0.5, 70.0),
)
def test_each_is_byte_for_byte_what_one_call_makes(tmp_path_factory, kind, stored, centre, mode, side) -> None:
    dtype, extension, swapped = stored
    mosaic = Mosaic(shape=(90, 110), centre=centre, projection=kind[0], cards=kind[1], dtype=dtype, swapped=swapped, turn=20.0)
    path = mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits", extension=extension)
    places = around((centre[0], min(centre[1], 89.99)), 12)
    made = bowerbird.cutouts(places, side * PIXEL, path, mode=mode)
    for (ra, dec), cut, reason in zip(places, made["cutout"], made["reason"], strict=True):
        if cut is None:
            with pytest.raises(bowerbird.CutoutError) as refused:
                bowerbird.cutout(path, (ra, dec), side * PIXEL, mode=mode)
            assert f"{path.parent}/{reason}" == str(refused.value)
        else:
            assert cut.content() == bowerbird.cutout(path, (ra, dec), side * PIXEL, mode=mode, as_bytes=True)


@pytest.mark.parametrize("frame", ["fk5", "galactic", "fk4"])
def test_an_image_in_another_frame_is_cut_around_icrs_positions(tmp_path, frame) -> None:
    mosaic = Mosaic(shape=(60, 60))
    header = mosaic.header()
    del header["RADESYS"]
    if frame == "galactic":
        header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
    else:
        header["EQUINOX"] = {"fk5": 2000.0, "fk4": 1950.0}[frame]
    fits.PrimaryHDU(mosaic.pixels(), header).writeto(tmp_path / "old.fits")
    centre = SkyCoord(150, 2, unit="deg", frame=frame, **({"equinox": "B1950"} if frame == "fk4" else {})).icrs
    places = around((centre.ra.deg, centre.dec.deg), 5, 5 * SCALE)
    made = bowerbird.cutouts(places, SIDE, tmp_path / "old.fits")
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.content() == bowerbird.cutout(tmp_path / "old.fits", tuple(place), SIDE, as_bytes=True)


def test_squares_that_are_laid_together_are_those_laid_alone(tmp_path) -> None:
    from bowerbird.image import image

    path = Mosaic(projection="TAN-SIP", cards=SIP).write(tmp_path / "mosaic.fits")
    places = around((150.0, 2.0), 150)
    sides = np.random.default_rng(1).uniform(1, 90, 150) * SCALE
    with path.open("rb") as file:
        sky = image(file.fileno()).sky
        starts, stops, found = sky.boxes(Stencils(places[:, 0], places[:, 1], sides, sides))
        assert found.all()
        for place, side, start, stop in zip(places, sides, starts, stops, strict=True):
            box = sky.box(stencil(tuple(place), side * u.deg))
            assert (box.start, box.stop) == (tuple(start), tuple(stop))


def test_a_cut_is_looked_at_in_many_ways(path, tmp_path) -> None:
    cut = bowerbird.cutouts([(150.0, 2.0)], SIDE, path)["cutout"][0]
    alone = bowerbird.cutout(path, (150.0, 2.0), SIDE)
    assert np.array_equal(cut.data, alone[0].data)
    assert cut.header == alone[0].header
    assert len(cut.hdus()) == 1
    cut.write(tmp_path / "one.fits")
    assert (tmp_path / "one.fits").read_bytes() == cut.content()


def test_bad_sources_are_rows_with_a_reason(path, tmp_path) -> None:
    short = tmp_path / "short.fits"
    short.write_bytes(path.read_bytes()[:9000])
    (tmp_path / "text.fits").write_text("hello")
    liar = tmp_path / "liar.fits"
    liar.write_bytes(path.read_bytes().replace(b"NAXIS1  =                  230", b"NAXIS1  =               230000"))
    good = (150.0, 2.0)
    sources = [
        (good, 1.0, path, ""),
        ((np.nan, 2.0), 1.0, path, "not a number"),
        ((150.0, 95.0), 1.0, path, "beyond the pole"),
        ((150.0, -90.1), 1.0, path, "beyond the pole"),
        ((10.0, 2.0), 1.0, path, "no place|outside the image"),
        ((151.0, 2.0), 1.0, path, r"mosaic\.fits: the region is outside the image"),
        (good, 0.0, path, "no pixels"),
        (good, -1.0, path, "no pixels"),
        (good, np.nan, path, "no pixels"),
        (good, np.inf, path, "larger than the sky"),
        (good, 1e7, path, "larger than the sky"),
        (good, 1.0, tmp_path / "gone.fits", "no such file"),
        (good, 1.0, tmp_path, "directory"),
        (good, 1.0, short, "cut short"),
        (good, 1.0, liar, "cut short"),
        (good, 1.0, tmp_path / "text.fits", "not a FITS file"),
        (good, 1.0, path, ""),
    ]
    table = Table({"ra": [one[0][0] for one in sources], "dec": [one[0][1] for one in sources], "path": [str(one[2]) for one in sources]})
    sizes = [one[1] for one in sources] * u.arcsec
    made = bowerbird.cutouts(table, sizes, "path")
    for row, (_, _, _, says) in zip(made, sources, strict=True):
        assert (row["cutout"] is None) == bool(says), row["reason"]
        if says:
            assert re.search(says, row["reason"]), row["reason"]
    assert made["cutout"][-1].content() == bowerbird.cutout(path, good, 1 * u.arcsec, as_bytes=True)


def test_a_table_names_the_file_without_its_folder(path, tmp_path) -> None:
    (tmp_path / "text.fits").write_text("hello")
    paths = [path, tmp_path / "text.fits", tmp_path / "gone.fits", tmp_path]
    reasons = bowerbird.cutouts([(151.0, 2.0)] * 4, SIDE, paths)["reason"].tolist()
    for reason, one in zip(reasons, paths, strict=True):
        assert one.name in reason
        assert str(one) not in reason


def test_a_file_of_a_short_name_is_named_too(path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ab").write_text("hello")
    assert bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, ["a", "ab"])["reason"].tolist()[1].startswith("ab: ")
    assert re.search(r"^a: |'a'", bowerbird.cutouts([(150.0, 2.0)], SIDE, ["a"])["reason"][0])


@pytest.mark.parametrize("nothing", [None, np.ma.masked, ""])
def test_a_row_without_an_image_fails_no_other(path, nothing) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, [nothing, str(path)])
    assert [cut is not None for cut in made["cutout"]] == [False, True]
    assert made["reason"][0]


def test_no_sources_make_an_empty_table(path) -> None:
    assert len(bowerbird.cutouts(np.zeros((0, 2)), SIDE, path)) == 0


def test_a_release_that_is_not_open_is_a_reason(other_view) -> None:
    closed = other_view / "releases/a478/ifs-dr1/muse_cube.fits"
    made = bowerbird.cutouts([(63.3554, 10.4656)], "3 arcsec", closed)
    assert "is refused" in made["reason"][0]
