"""The HiPS of a release: its pixels are those of the images, and it is whole again after whatever cut it short."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from bowerbird_config.room import RESERVE_BYTES
from bowerbird_config.table_order import TableOrder
from bowerbird_services.ingest import hips
from bowerbird_services.ingest.hips import Room
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.store.surveys import Survey
from mocpy import MOC
from PIL import Image
from scipy.ndimage import map_coordinates

from tests.support.disk import small_disk
from tests.support.sky_images import tangent, waves, write

PLACE = ("sky", "dr1")
NAME = "field.fits"


def order(directory: Path, place: tuple[str, str] = PLACE) -> TableOrder:
    return TableOrder.model_validate({"releases": [{"collection": place[0], "release": place[1], "directory": str(directory)}]})


def made(root: Path) -> tuple[Survey, Path]:
    """Return the one survey that lies below a root, and the folder of its tiles."""
    folder = surveys.folder_of(root, *PLACE)
    (survey,) = surveys.read(folder).surveys
    return survey, folder / survey.folder


def drawn(root: Path, release: str = "dr1") -> tuple[Survey, ...]:
    """Return all surveys of a release."""
    return surveys.read(surveys.folder_of(root, "sky", release)).surveys


def tiles(folder: Path, order: int) -> dict[int, Any]:
    return {int(path.stem[4:]): fits.getdata(path) for path in folder.glob(f"Norder{order}/Dir*/Npix*.fits")}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return tmp_path / "release"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "surveys"


@pytest.mark.parametrize("frame", ["RA", "GLON"])
def test_pixels_are_those_of_the_image_at_their_place(release: Path, root: Path, frame: str) -> None:
    values, wcs = waves(300, 200), tangent(300, 200, frame=frame)
    write(release / NAME, values, wcs)
    assert run(order(release), root, print) == 0
    survey, folder = made(root)
    # The first order whose pixels are no larger than 1e-3 degrees: 58.6 / 512 / 2**7 is 8.9e-4.
    assert survey.order == 7
    seen = 0
    for number, pixels in tiles(folder, 7).items():
        path = folder / surveys.tile("fits", 7, number)
        rows, columns = np.nonzero(np.isfinite(pixels))
        # Where each pixel is by the cards of the tile, and what lies there by the image's own: no part of ours.
        places = WCS(fits.getheader(path)).pixel_to_world(columns, rows)
        x, y = wcs.world_to_pixel(places)
        within = (x >= 0) & (y >= 0) & (x <= 299) & (y <= 199)
        expected = map_coordinates(values.astype(float), [y[within], x[within]], order=1)
        np.testing.assert_allclose(pixels[rows, columns][within], expected, rtol=1e-5)
        assert (np.abs(x - 149.5) <= 150.001).all()
        assert (np.abs(y - 99.5) <= 100.001).all()
        seen += len(rows)
    # All of the image is there: its area over that of a pixel.
    assert seen == pytest.approx(300 * 200 * 1e-6 / (41_252.96 / 12 / 4**16), rel=0.01)


def test_the_finer_image_is_seen_where_two_lie_one_over_the_other(release: Path, root: Path) -> None:
    write(release / "a-coarse.fits", np.full((80, 80), 5.0, dtype="f4"), tangent(80, 80, pixel=4e-3))
    fine = np.full((40, 40), 9.0, dtype="f4")
    fine[:20] = np.nan
    write(release / "b-fine.fits", fine, tangent(40, 40))
    write(release / "z-beside.fits", np.full((30, 30), 7, dtype="i2"), tangent(30, 30, centre=(10.0, -40.0), pixel=4e-3), BLANK=-1)
    assert run(order(release), root, print) == 0
    survey, folder = made(root)
    assert survey.images == ("a-coarse.fits", "b-fine.fits", "z-beside.fits")
    values = np.concatenate([pixels[np.isfinite(pixels)] for pixels in tiles(folder, survey.order).values()])
    assert set(np.unique(values)) == {5.0, 7.0, 9.0}
    # Half of the fine one has no values: there the other is seen.
    assert (values == 9).sum() == pytest.approx(40 * 20 * 1e-6 / (41_252.96 / 12 / 4 ** (survey.order + 9)), rel=0.1)


def field(path: Path, value: float, ra: float = 150.1, pixel: float = 1e-3, **cards: str) -> None:
    """Write an image with the same value all over."""
    write(path, np.full((40, 40), value, dtype="f4"), tangent(40, 40, centre=(ra, 2.2), pixel=pixel), **cards)


def seen(root: Path) -> dict[str, set[float]]:
    """Return for each band, in the order of the surveys, the values on its finest tiles."""
    folder, found = surveys.folder_of(root, *PLACE), {}
    for survey in drawn(root):
        values = [pixels[np.isfinite(pixels)] for pixels in tiles(folder / survey.folder, survey.order).values()]
        found[survey.band] = set(np.unique(np.concatenate(values)).tolist())
    return found


def test_each_band_has_a_survey_of_its_own_first_that_which_covers_the_most(release: Path, root: Path) -> None:
    field(release / "g.fits", 5.0, FILTER="g")
    field(release / "r-1.fits", 9.0, pixel=2e-3, FILTER="r")
    field(release / "r-2.fits", 8.0, ra=160.0, pixel=2e-3, FILTER="r")
    field(release / "x.fits", 7.0, ra=160.0, pixel=9e-3)
    assert run(order(release), root, print) == 0
    assert list(seen(root).items()) == [("r", {8.0, 9.0}), ("g", {5.0}), ("", {7.0})]
    assert [survey.images for survey in drawn(root)] == [("r-1.fits", "r-2.fits"), ("g.fits",), ("x.fits",)]
    folder = surveys.folder_of(root, *PLACE)
    covered = [MOC.load(folder / survey.folder / surveys.MOC_FILE, "fits") for survey in drawn(root)]
    place = SkyCoord(160.0, 2.2, unit="deg")
    assert [bool(moc.contains_skycoords(place)) for moc in covered] == [True, False, True]


def test_a_file_with_images_of_several_bands_is_in_the_survey_of_each(release: Path, root: Path) -> None:
    bands = [fits.ImageHDU(np.full((40, 40), value, dtype="f4"), tangent(40, 40).to_header()) for value in (5, 9)]
    for hdu, band in zip(bands, "gr", strict=True):
        hdu.header["FILTER"] = band
    release.mkdir()
    fits.HDUList([fits.PrimaryHDU(), *bands]).writeto(release / "both.fits")
    assert run(order(release), root, print) == 0
    assert seen(root) == {"r": {9.0}, "g": {5.0}}


def test_of_a_band_that_comes_goes_or_changes_no_other_is_drawn_again(release: Path, root: Path) -> None:
    field(release / "g.fits", 5.0, FILTER="g")
    field(release / "r.fits", 9.0, FILTER="r")
    run(order(release), root, print)
    folder = surveys.folder_of(root, *PLACE)
    kept = {survey.band: survey for survey in drawn(root)}["g"]
    stamp = (folder / kept.folder / surveys.MOC_FILE).stat().st_mtime_ns
    for change in (
        lambda: field(release / "r.fits", 8.0, FILTER="r"),
        (release / "r.fits").unlink,
        lambda: field(release / "i.fits", 7.0, FILTER="i"),
    ):
        change()
        said: list[str] = []
        assert run(order(release), root, said.append) == 0
        assert not [line for line in said if "g.fits" in line]
        assert kept in drawn(root)
        assert (folder / kept.folder / surveys.MOC_FILE).stat().st_mtime_ns == stamp
        assert {path.name for path in folder.iterdir() if path.is_dir()} == {survey.folder for survey in drawn(root)}
    assert seen(root) == {"i": {7.0}, "g": {5.0}}


def test_a_survey_knows_the_wavelengths_that_its_images_tell(release: Path, root: Path) -> None:
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN", "WAVE"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.cunit = [150, 2, 5e-7], [10, 10, 1], [-1e-3, 1e-3, 1e-9], ["deg", "deg", "m"]
    write(release / "cube.fits", np.ones((3, 20, 20), dtype="f4"), wcs, FILTER="blue")
    field(release / "image.fits", 1.0, FILTER="r")
    run(order(release), root, print)
    found = {survey.band: survey.waves for survey in drawn(root)}
    assert found["r"] is None
    assert found["blue"] == pytest.approx((4.995e-7, 5.025e-7))


def before(root: Path) -> Path:
    """Make what lies below a root what it was before bands had surveys of their own: one that says nothing of a band."""
    folder = surveys.folder_of(root, *PLACE)
    (survey, *_) = drawn(root)
    told = {name: value for name, value in asdict(survey).items() if name not in {"band", "waves"}}
    sidecar.replace_json(folder / surveys.NAME, told | {"left_out": []})
    return folder


def test_what_was_drawn_before_of_one_band_is_taken_over_as_it_is(release: Path, root: Path) -> None:
    field(release / "g.fits", 5.0, FILTER="g")
    run(order(release), root, print)
    folder, was = before(root), made(root)[0]
    assert (was.band, was.images) == ("", ("g.fits",))
    stamp = (folder / was.folder / surveys.MOC_FILE).stat().st_mtime_ns
    said: list[str] = []
    assert run(order(release), root, said.append) == 0
    now, place = made(root)
    assert (now.band, now.folder) == ("g", was.folder)
    assert (place / surveys.MOC_FILE).stat().st_mtime_ns == stamp
    assert not [line for line in said if "g.fits" in line]


def test_what_was_drawn_before_of_several_bands_stays_until_the_first_of_them_is_drawn(release: Path, root: Path) -> None:
    field(release / "all.fits", 6.0)
    run(order(release), root, print)
    was = made(root)[0]
    folder = before(root)
    (release / "all.fits").unlink()
    field(release / "g.fits", 5.0, FILTER="g")
    field(release / "r.fits", 9.0, FILTER="r")
    there: list[tuple[str, ...]] = []

    def look(line: str) -> None:
        found = drawn(root)
        assert all((folder / survey.folder / surveys.MOC_FILE).exists() for survey in found)
        there.append(tuple(survey.band for survey in found))

    assert run(order(release), root, look) == 0
    assert list(dict.fromkeys(there)) == [("",), ("r",), ("r", "g")]
    assert seen(root) == {"r": {9.0}, "g": {5.0}}
    assert not (folder / was.folder).exists()


@pytest.mark.parametrize("band", ["g", "r.MP9601", "H-alpha 6563/75", "SDSS g'", "..", "a/../b", "no-band", "é", "x" * 68])
def test_a_band_is_called_in_addresses_what_no_other_is(band: str) -> None:
    name = surveys.name_of(band)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", name)
    assert name not in map(surveys.name_of, ("", "SDSS g", "G", "H-alpha-6563-75"))
    assert (name == band) == (band in {"g", "r.MP9601"})


def test_a_cube_is_seen_as_its_mean(release: Path, root: Path) -> None:
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN", "WAVE"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.cunit = [150, 2, 5e-7], [10, 10, 1], [-1e-3, 1e-3, 1e-9], ["deg", "deg", "m"]
    cube = np.stack([np.full((20, 20), level, dtype="f4") for level in (1, 2, 6)])
    cube[2, :, 15:] = np.nan
    write(release / NAME, cube, wcs)
    assert run(order(release), root, print) == 0
    survey, folder = made(root)
    values = np.concatenate([pixels[np.isfinite(pixels)] for pixels in tiles(folder, survey.order).values()])
    assert (values.min(), values.max()) == (1.5, 3.0)


def test_the_moc_is_what_has_values_and_no_more(release: Path, root: Path) -> None:
    values, wcs = waves(200, 200), tangent(200, 200)
    values[:, :100] = np.nan
    write(release / NAME, values, wcs)
    run(order(release), root, print)
    survey, folder = made(root)
    with fits.open(folder / surveys.MOC_FILE) as file:
        told = file[1].header
        assert (told["MOCVERS"], told["MOCDIM"], told["ORDERING"], told["COORDSYS"]) == ("2.0", "SPACE", "RANGE", "C")
        assert told["MOCORD_S"] == survey.order + 6
        file.verify("exception")
    moc = MOC.load(folder / surveys.MOC_FILE, "fits")
    y, x = np.indices((200, 200))
    places = wcs.pixel_to_world(x, y)
    assert moc.contains_skycoords(places[:, 100:]).all()
    # A cell of the MOC is eight pixels of a tile wide.
    assert not moc.contains_skycoords(places[:, :85]).any()
    assert survey.sky_fraction == pytest.approx(moc.sky_fraction)
    centre = SkyCoord(survey.ra, survey.dec, unit="deg")
    assert centre.separation(places[100, 150]) < 0.01 * units.deg
    assert 0.2 < survey.fov < 0.3


def test_each_tile_has_all_above_it_and_its_picture(release: Path, root: Path) -> None:
    write(release / NAME, waves(150, 150), tangent(150, 150))
    run(order(release), root, print)
    survey, folder = made(root)
    for each in range(survey.order + 1):
        numbers = set(tiles(folder, each))
        assert numbers == {number >> 2 * (survey.order - each) for number in tiles(folder, survey.order)}
        for number in numbers:
            assert (folder / surveys.tile("png", each, number)).read_bytes().startswith(b"\x89PNG")
    for kind in surveys.FORMATS:
        assert (folder / surveys.overview(kind, 3)).is_file()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) == survey.size_bytes


def test_a_picture_shows_its_tile_the_same_way_up_and_nothing_where_nothing_is(release: Path, root: Path) -> None:
    y, x = np.mgrid[:150, :150]
    write(release / NAME, (x + 3 * y).astype("f4"), tangent(150, 150))
    run(order(release), root, print)
    survey, folder = made(root)
    for number, values in tiles(folder, survey.order).items():
        with Image.open(folder / surveys.tile("png", survey.order, number)) as picture:
            grey, seen = (np.asarray(band)[::-1].astype(float) for band in picture.convert("LA").split())
        there = np.isfinite(values)
        np.testing.assert_array_equal(seen == 255, there)
        if np.ptp(values[there]) > 50:
            assert np.corrcoef(grey[there], np.argsort(np.argsort(values[there])))[0, 1] > 0.9


def test_what_did_not_change_is_not_drawn_again_and_what_did_is(release: Path, root: Path) -> None:
    write(release / NAME, waves(50, 50), tangent(50, 50))
    run(order(release), root, print)
    first, folder = made(root)
    stamp = (folder / surveys.MOC_FILE).stat().st_mtime_ns
    run(order(release), root, print)
    assert (folder / surveys.MOC_FILE).stat().st_mtime_ns == stamp
    write(release / NAME, waves(50, 50) + 1000, tangent(50, 50))
    run(order(release), root, print)
    second, folder = made(root)
    assert second.values[0] == pytest.approx(first.values[0] + 1000, rel=1e-3)
    run(order(release), root, print)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [second.folder]


def test_a_damaged_image_is_said_and_the_others_are_drawn(release: Path, root: Path) -> None:
    write(release / NAME, waves(50, 50), tangent(50, 50))
    write(release / "short.fits", waves(200, 200), tangent(200, 200))
    os.truncate(release / "short.fits", 20_000)
    (release / "text.fits").write_text("no FITS at all")
    said: list[str] = []
    assert run(order(release), root, said.append) == 0
    survey, _ = made(root)
    assert survey.images == (NAME,)
    assert [line for line in said if "short.fits" in line] == [
        "sky/dr1: short.fits cannot be drawn: the file ends before its pixels do: it is cut short, or is being written"
    ]


def test_a_link_out_of_the_release_is_not_drawn(release: Path, root: Path) -> None:
    secret = release.with_name("other")
    write(secret / NAME, waves(50, 50), tangent(50, 50, centre=(10.0, -40.0)))
    write(release / "own.fits", waves(50, 50), tangent(50, 50))
    (release / "file.fits").symlink_to(secret / NAME)
    (release / "folder").symlink_to(secret)
    assert run(order(release), root, print) == 0
    survey, _ = made(root)
    assert survey.images == ("own.fits",)
    # A file that became a link after it was listed.
    names = ("file.fits", f"folder/{NAME}", "own.fits")
    again = hips.make(hips.Sources(release, names), root.with_name("again"), print)
    assert [survey.images for survey in again.surveys] == [("own.fits",)]
    assert [name for name, why in again.left_out if "symbolic link" in why] == list(names[:2])


def test_a_release_without_images_has_none_and_one_that_lost_them_has_none_any_more(release: Path, root: Path) -> None:
    release.mkdir()
    assert run(order(release), root, print) == 0
    assert not drawn(root)
    write(release / NAME, waves(50, 50), tangent(50, 50))
    run(order(release), root, print)
    made(root)
    (release / NAME).unlink()
    run(order(release), root, print)
    assert not drawn(root)
    assert not list(root.rglob("*.fits"))


def test_what_was_killed_leaves_nothing_half_and_the_next_goes_on(release: Path, root: Path) -> None:
    write(release / "a.fits", waves(60, 60), tangent(60, 60))
    write(release / "b.fits", waves(900, 900), tangent(900, 900, centre=(150.1, 4.2)))
    command = [sys.executable, "-m", "bowerbird_services.ingest.run_hips", str(root)]
    folder = surveys.folder_of(root, *PLACE)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as drawing:
        assert drawing.stdin is not None
        drawing.stdin.write(order(release).model_dump_json().encode())
        drawing.stdin.close()
        # The first image is painted, the second is begun.
        while not list(folder.glob(".work-*.json")):
            assert drawing.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
        drawing.send_signal(signal.SIGKILL)
    assert not drawn(root)
    (work,) = (path for path in folder.glob(".work-*") if path.is_dir())
    before = {path: path.stat().st_mtime_ns for path in work.rglob("Npix*.fits")}
    said: list[str] = []
    assert run(order(release), root, said.append) == 0
    survey, place = made(root)
    assert not any("a.fits" in line for line in said)
    kept = place / next(iter(before)).relative_to(work)
    assert kept.stat().st_mtime_ns == next(iter(before.values()))
    assert not list(folder.glob(".work-*"))
    assert survey.images == ("a.fits", "b.fits")
    assert not list(place.glob(".*"))


class Killed(BaseException):
    """What ends a run as a signal does: nothing catches it."""


def test_one_that_goes_on_with_coarser_tiles_has_all_images(release: Path, root: Path) -> None:
    write(release / "a.fits", np.full((200, 200), 5, dtype="f4"), tangent(200, 200, centre=(10, 10), pixel=2e-3))
    write(release / "b.fits", np.full((200, 200), 9, dtype="f4"), tangent(200, 200, centre=(100, 10)))

    def kill(line: str) -> None:
        if "b.fits, 2 of 2" in line:
            raise Killed

    with pytest.raises(Killed):
        run(order(release), root, kill)
    # As where the disk has less room by now.
    assert run(order(release), root, print, Room(largest=100_000)) == 0
    survey, folder = made(root)
    assert survey.order < 7
    values = np.concatenate([pixels[np.isfinite(pixels)] for pixels in tiles(folder, survey.order).values()])
    assert set(np.unique(values)) == {5.0, 9.0}
    assert {path.name for path in folder.glob("Norder*")} == {f"Norder{each}" for each in range(survey.order + 1)}
    assert not list(folder.parent.glob(".work-*"))


@pytest.mark.parametrize(
    "cards",
    [
        {"CDELT1": -1e-200, "CDELT2": 1e-200},
        {"CDELT1": -1e-320, "CDELT2": 1e-320},
        {"CDELT1": -1e200, "CDELT2": 1e200},
        {"CD1_1": 0.0, "CD1_2": 0.01, "CD2_1": 0.0, "CD2_2": 0.01},
    ],
)
def test_a_header_of_no_sense_ends_the_survey_of_no_other_image(cards: dict[str, float], release: Path, root: Path) -> None:
    write(release / "odd.fits", waves(50, 50), tangent(50, 50))
    with fits.open(release / "odd.fits", mode="update") as file:
        file[0].header.update(cards)
    both = TableOrder(releases=(*order(release).releases, *order(release.with_name("other"), ("sky", "dr2")).releases))
    write(release.with_name("other") / NAME, waves(50, 50), tangent(50, 50))
    assert run(both, root, print) == 0
    assert not drawn(root)
    assert drawn(root, "dr2")
    # Beside another, however it was listed.
    write(release / NAME, waves(50, 50), tangent(50, 50))
    again = hips.make(hips.Sources(release, (NAME, "odd.fits")), root.with_name("again"), print)
    assert [survey.images for survey in again.surveys] == [(NAME,)]
    assert [name for name, _ in again.left_out] == ["odd.fits"]


def test_what_was_drawn_of_a_release_stays_while_its_directory_is_away(release: Path, root: Path) -> None:
    write(release / NAME, waves(50, 50), tangent(50, 50))
    run(order(release), root, print)
    before = made(root)
    release.rename(release.with_name("away"))
    said: list[str] = []
    assert run(order(release), root, said.append) == 1
    assert "survey of sky/dr1: the directory of the release is away; what was drawn stays" in said
    assert made(root) == before


def test_tiles_are_coarser_where_there_is_no_room_for_them(release: Path, root: Path) -> None:
    write(release / NAME, waves(300, 300), tangent(300, 300))
    said: list[str] = []
    assert run(order(release), root, said.append, Room(largest=100_000)) == 0
    survey, _ = made(root)
    assert survey.order < 7
    assert any("they are made of order" in line for line in said)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk with little room beside the reserve."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", tmp_path / "below", str(90 + (RESERVE_BYTES >> 20))):
        yield tmp_path / "disk"


@pytest.mark.root
def test_a_full_disk_is_said_and_the_survey_of_before_is_still_there(release: Path, full: Path) -> None:
    root = full / "surveys"
    write(release / NAME, waves(100, 100), tangent(100, 100))
    assert run(order(release), root, print) == 0
    before, place = made(root)
    lying = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    write(release / NAME, waves(400, 400), tangent(400, 400))
    with (full / "another's").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(full).free - RESERVE_BYTES - (3 << 20))
    said: list[str] = []
    # The room is there when the order is chosen, and gone while tiles are drawn.
    assert run(order(release), root, said.append, Room(share=1000)) == 1
    words = f"the disk of {root}/sky/dr1 has no more room than the 128 MiB that are kept free; make room there"
    assert f"survey of sky/dr1: {words}" in said
    assert shutil.disk_usage(full).free >= RESERVE_BYTES
    assert not list(root.rglob(".work-*"))
    assert made(root) == (before, place)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == lying
    (full / "another's").unlink()
    assert run(order(release), root, print) == 0
    after, place = made(root)
    assert after.fingerprint != before.fingerprint
    assert not list(place.rglob(".*"))


def test_a_release_at_which_one_was_killed_comes_last_in_the_next(release: Path, root: Path) -> None:
    write(release / NAME, waves(50, 50), tangent(50, 50))
    places = ("dr1", "dr2", "dr3")
    (first, second, third) = (order(release).releases[0].model_copy(update={"release": name}) for name in places)
    both = TableOrder(releases=(first, second, third))
    with pytest.raises(KeyboardInterrupt):
        run(both, root, killing("sky/dr1"))
    said: list[str] = []
    assert run(both, root, said.append) == 0
    assert list(dict.fromkeys(line.split(":")[0] for line in said if line.startswith("sky/"))) == ["sky/dr2", "sky/dr3", "sky/dr1"]
    assert not list(root.glob(".begun*"))


def killing(name: str) -> Callable[[str], None]:
    """Return what ends an ingest, as a signal does, when it says something of a release."""

    def say(line: str) -> None:
        if line.startswith(name):
            raise KeyboardInterrupt

    return say


def test_a_survey_is_for_the_service_alone(release: Path, root: Path) -> None:
    write(release / NAME, waves(50, 50), tangent(50, 50))
    command = [sys.executable, "-m", "bowerbird_services.ingest.run_hips", str(root)]
    told = subprocess.run(command, input=order(release).model_dump_json().encode(), capture_output=True, check=True)
    assert told.stdout.decode().splitlines()[-1] == "surveys: done, 1 survey is there"
    assert {oct(path.stat().st_mode & 0o077) for path in root.rglob("*")} == {"0o0"}
