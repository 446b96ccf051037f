"""Many cutouts in one call are each what one call for each makes, and a bad source fails no other."""

import errno
import os
import re
import threading
import tracemalloc
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table
from bowerbird import batch
from bowerbird import cut as made_cuts
from bowerbird.image import forget
from bowerbird.regions import regions
from bowerbird.stencil import Stencils, stencil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extensions.skies import SCALE, SIP, TPV, Mosaic

PIXEL = SCALE * u.deg
SIDE = 9 * PIXEL
slow_is_fine = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def around(centre: tuple[float, float], count: int, spread: float = 60 * SCALE) -> np.ndarray:
    """Positions near the centre of a mosaic."""
    dice = np.random.default_rng(4)
    stretch = np.cos(np.radians(centre[1]))
    return np.stack([centre[0] + dice.uniform(-spread, spread, count) / stretch, centre[1] + dice.uniform(-spread, spread, count)], axis=-1)


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


@pytest.fixture
def path(tmp_path) -> Path:
    return Mosaic().write(tmp_path / "mosaic.fits")


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
        (good, np.inf, path, "no pixels"),
        (good, 1e7, path, "no pixels"),
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


def test_a_name_that_is_too_long_is_told_shortened(path, tmp_path) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names=["x" * 220, "x" * 221])
    assert [cut is not None for cut in made["cutout"]] == [True, False]
    assert made["reason"].tolist() == ["", f"'{'x' * 20}…' is no name for a file: it is too long; take one of 220 bytes at most"]


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


def test_no_sources_make_an_empty_table(path) -> None:
    assert len(bowerbird.cutouts(np.zeros((0, 2)), SIDE, path)) == 0


def test_a_release_that_is_not_open_is_a_reason(other_view) -> None:
    closed = other_view / "releases/a478/ifs-dr1/muse_cube.fits"
    made = bowerbird.cutouts([(63.3554, 10.4656)], "3 arcsec", closed)
    assert "is refused" in made["reason"][0]


def test_files_are_written_whole_and_found_again(path, tmp_path) -> None:
    places = around((150.0, 2.0), 4)
    there = tmp_path / "made" / "here"
    made = bowerbird.cutouts(places, SIDE, path, folder=there)
    assert sorted(os.listdir(there)) == [f"{row:06d}.fits" for row in range(4)]
    assert made["file"].tolist() == [str(there / f"{row:06d}.fits") for row in range(4)]
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.file.read_bytes() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)
    before = {file: file.stat().st_ino for file in there.iterdir()}
    calls: list[tuple[int, int]] = []
    again = bowerbird.cutouts(places, SIDE, path, folder=there, progress=lambda done, of: calls.append((done, of)))
    assert {file: file.stat().st_ino for file in there.iterdir()} == before, "what was written and whole is not cut again"
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert again["file"].tolist() == made["file"].tolist()


def test_only_what_is_missing_torn_or_of_other_pixels_is_cut_again(path, tmp_path) -> None:
    places = around((150.0, 2.0), 5)
    files = [Path(file) for file in bowerbird.cutouts(places, SIDE, path, folder=tmp_path / "made")["file"]]
    wanted = [file.read_bytes() for file in files]
    nodes = [file.stat().st_ino for file in files]
    files[0].unlink()
    files[1].write_bytes(wanted[1][:-1])
    files[2].write_bytes(wanted[3])
    bowerbird.cutouts(places, SIDE, path, folder=tmp_path / "made")
    assert [file.read_bytes() for file in files] == wanted
    assert [file.stat().st_ino for file in files][3:] == nodes[3:]
    bowerbird.cutouts(places, 2 * SIDE, path, folder=tmp_path / "made")
    assert all(len(file.read_bytes()) >= len(one) and file.read_bytes() != one for file, one in zip(files, wanted, strict=True))


def test_an_image_that_was_made_anew_is_cut_anew(path, tmp_path) -> None:
    (file,) = bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")["file"]
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 1
    os.utime(path, ns=(Path(file).stat().st_mtime_ns + 1,) * 2)
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")
    assert Path(file).read_bytes() == bowerbird.cutout(path, (150.0, 2.0), SIDE, as_bytes=True)


def test_an_image_in_the_place_of_a_younger_one_is_cut_anew(path, tmp_path) -> None:
    (file,) = bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")["file"]
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 1
    os.utime(path, (1, 1))
    # The clock of a disk moves on by some milliseconds at a time.
    os.utime(file, ns=(path.stat().st_ctime_ns - 1,) * 2)
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")
    assert Path(file).read_bytes() == bowerbird.cutout(path, (150.0, 2.0), SIDE, as_bytes=True)


NO_NAMES = ["../away", "/tmp/x", "", ".x", "a" * 300]


@pytest.mark.parametrize(("name", "says"), [*((name, "no name") for name in NO_NAMES), ("one", "already")])
def test_a_name_that_is_none_is_a_reason(path, tmp_path, name, says) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names=["one", name])
    assert made["reason"][0] == ""
    assert says in made["reason"][1]
    assert os.listdir(tmp_path / "made") == ["one.fits"]


def test_names_are_a_column(path, tmp_path) -> None:
    table = Table({"ra": [150.0, 150.0], "dec": [2.0, 2.001], "id": ["a", "b.fits"]})
    bowerbird.cutouts(table, SIDE, path, folder=tmp_path / "made", names="id")
    assert sorted(os.listdir(tmp_path / "made")) == ["a.fits", "b.fits"]


def test_names_that_are_no_column_are_an_error(path, tmp_path) -> None:
    with pytest.raises(ValueError, match="names is 'id'; give one for each position"):
        bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names="id")


def test_a_full_disk_ends_the_call_and_nothing_torn_is_left(path, tmp_path, monkeypatch) -> None:
    writev, calls = os.writev, iter(range(100))

    def full(descriptor, parts):
        if next(calls) < 2:
            return writev(descriptor, parts)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(OSError, match=r"no room for more cutouts.*the same call goes on"):
        bowerbird.cutouts(around((150.0, 2.0), 5), SIDE, path, folder=tmp_path / "made")
    monkeypatch.undo()
    assert len(os.listdir(tmp_path / "made")) == 2
    made = bowerbird.cutouts(around((150.0, 2.0), 5), SIDE, path, folder=tmp_path / "made")
    assert not any(made["reason"])
    assert sorted(os.listdir(tmp_path / "made")) == [f"{row:06d}.fits" for row in range(5)]


def test_an_interrupt_leaves_whole_files_and_the_next_call_goes_on(path, tmp_path) -> None:
    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bowerbird.cutouts(around((150.0, 2.0), 6), SIDE, path, folder=tmp_path / "made", progress=stop)
    assert len(os.listdir(tmp_path / "made")) <= 3
    assert not any(name.endswith(".part") for name in os.listdir(tmp_path / "made"))
    assert not any(bowerbird.cutouts(around((150.0, 2.0), 6), SIDE, path, folder=tmp_path / "made")["reason"])


def wide(tmp_path) -> Path:
    """An image whose rows lie so far apart that they are gathered one by one."""
    return Mosaic(shape=(60, 9000)).write(tmp_path / "wide.fits")


@pytest.mark.parametrize("change", ["shorter", "rewritten"])
def test_a_file_that_changes_while_it_is_cut_gives_no_more_pixels(tmp_path, monkeypatch, change) -> None:
    monkeypatch.setattr(batch, "_MOST_AHEAD", 1)
    path = wide(tmp_path)
    places = around((150.0, 2.0), 20, 15 * SCALE)

    def meddle(done, of):
        if done != 5:
            return
        if change == "shorter":
            os.truncate(path, 20_000)
        else:
            with path.open("r+b") as file:
                file.seek(20_000)
                file.write(bytes(50_000))
            os.utime(path, ns=(1, 1))

    made = bowerbird.cutouts(places, SIDE, path, progress=meddle)
    assert sum(cut is not None for cut in made["cutout"]) == 5
    reasons = {reason for reason in made["reason"] if reason}
    assert all("became shorter" in reason or "was changed while it was cut" in reason for reason in reasons)
    assert len(reasons) >= 1


def test_a_file_that_is_replaced_while_it_is_cut_gives_the_pixels_of_the_first(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batch, "_MOST_AHEAD", 1)
    path = wide(tmp_path)
    places = around((150.0, 2.0), 9, 15 * SCALE)
    expected = [cut.content() for cut in bowerbird.cutouts(places, SIDE, path)["cutout"]]

    def replace(done, of):
        if done == 4:
            Mosaic(shape=(60, 9000), dtype=">i2").write(tmp_path / "new.fits").replace(path)

    made = bowerbird.cutouts(places, SIDE, path, progress=replace)
    assert [cut.content() for cut in made["cutout"]] == expected


def test_rows_far_apart_are_gathered_as_they_are_read_one_by_one(tmp_path) -> None:
    path = wide(tmp_path)
    places = around((150.0, 2.0), 9, 15 * SCALE)
    made = bowerbird.cutouts(places, SIDE, path)
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.content() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)


def test_a_cold_file_is_asked_for_before_it_is_read(tmp_path, monkeypatch) -> None:
    path = wide(tmp_path)
    asked: list[int] = []
    advise, preadv = os.posix_fadvise, os.preadv

    def nothing_in_memory(descriptor, buffers, start, flags=0):
        if flags & os.RWF_NOWAIT:
            raise BlockingIOError(errno.EAGAIN, "not in memory")
        return preadv(descriptor, buffers, start, flags)

    def watch(descriptor, start, length, advice):
        if advice == os.POSIX_FADV_WILLNEED:
            asked.append(start)
        advise(descriptor, start, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", watch)
    monkeypatch.setattr(os, "preadv", nothing_in_memory)
    made = bowerbird.cutouts([(150.0, 2.0)], SIDE, path)
    assert len(asked) == made["cutout"][0].data.shape[0]
    asked.clear()
    again = bowerbird.cutouts(around((150.0, 2.0), 400, 15 * SCALE), SIDE, path)
    assert not any(again["reason"])
    assert 0 < len(asked) <= 400, "where pieces lie close, all between them is asked for, once"


def test_descriptors_and_maps_are_given_back(path) -> None:
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path)
    forget()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        bowerbird.cutouts([(150.0, 2.0), (10.0, 2.0)], SIDE, path)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_two_threads_cut_into_one_folder(path, tmp_path) -> None:
    places = around((150.0, 2.0), 30)
    threads = [
        threading.Thread(target=bowerbird.cutouts, args=(places, SIDE, path), kwargs={"folder": tmp_path / "made"}) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, place in enumerate(places):
        assert (tmp_path / f"made/{row:06d}.fits").read_bytes() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)


def test_more_than_memory_should_hold_is_refused(path, monkeypatch) -> None:
    monkeypatch.setattr(made_cuts, "_MOST_IN_MEMORY", 20_000)
    with pytest.raises(bowerbird.CutoutError, match="give a folder"):
        bowerbird.cutouts(around((150.0, 2.0), 30), SIDE, path)


def test_memory_is_bounded_whatever_the_number(tmp_path) -> None:
    path = Mosaic(shape=(700, 900), dtype=">f8").write(tmp_path / "large.fits")
    wanted = regions(around((150.0, 2.0), 150), 700 * PIXEL)
    tracemalloc.start()
    try:
        made = sum(sum(map(len, one.parts)) for one in batch.cut_all(wanted, [path] * 150, batch.Wish()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made > 300_000_000
    assert peak < 40_000_000
