"""What was learnt of a file serves the next call, and never another file, nor what that file has become."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from bowerbird.image import image, images
from bowerbird.kept import Kept, forget, identity
from bowerbird.tile_index import tiles

from tests.extensions.skies import PIXEL, Mosaic, around, offset_of
from tests.services.waiting import is_open

SIDE = 30 * PIXEL
CENTRE = (150.0, 2.0)


def tiled(path: Path, seed: int = 0, **more: Any) -> Path:
    """Noise, compressed by tiles without loss, and no file that was written a moment ago."""
    values = np.random.default_rng(seed).integers(0, 30_000, Mosaic().shape).astype(">i2")
    fits.CompImageHDU(values, Mosaic().header(), tile_shape=(16, 230), **more).writeto(path, overwrite=True)
    settle(path)
    return path


def settle(path: Path) -> None:
    """Wait until the file can be told from what it may become."""
    with path.open("rb") as file:
        while identity(file.fileno()) is None:
            pass


def right(path: Path) -> bool:
    """Cut, and compare with what astropy reads."""
    cut = bowerbird.cutout(path, CENTRE, SIDE)[1]
    x, y = offset_of(cut.header)
    with fits.open(path) as whole:
        return bool(np.array_equal(whole[1].data[y : y + cut.shape[0], x : x + cut.shape[1]], cut.data))


def test_tiles_are_found_by_what_the_call_before_read(tmp_path) -> None:
    path = tiled(tmp_path / "one.fits")
    seen = []
    for _ in range(3):
        with path.open("rb") as file, tiles(file.fileno(), 1) as hdu:
            seen.append(hdu)
            assert hdu.section[0:3, 0:3].shape == (3, 3)
    assert seen[0] is seen[1] is seen[2]
    forget()
    with path.open("rb") as file, tiles(file.fileno(), 1) as hdu:
        assert hdu is not seen[0]


def test_the_file_itself_is_let_go(tmp_path) -> None:
    paths = [tiled(tmp_path / f"{number}.fits", number) for number in range(40)]
    assert all(right(path) for path in paths)
    assert not [path for path in paths if is_open(path)]
    assert all(right(path) for path in paths[::-1])


def test_a_file_in_the_place_of_another_is_another(tmp_path) -> None:
    path = tiled(tmp_path / "one.fits", 1)
    assert right(path)
    os.replace(tiled(tmp_path / "two.fits", 2), path)
    assert right(path)


def test_a_file_that_is_written_anew_with_the_same_length_and_time_is_another(tmp_path) -> None:
    path = tiled(tmp_path / "one.fits", 1)
    assert right(path)
    status = path.stat()
    with path.open("r+b") as file:
        file.write(tiled(tmp_path / "two.fits", 2).read_bytes())
        file.truncate(status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    settle(path)
    assert right(path)


def test_a_file_that_lost_its_end_is_refused_and_whole_again_is_cut(tmp_path) -> None:
    path = tiled(tmp_path / "one.fits")
    assert right(path)
    content = path.read_bytes()
    os.truncate(path, len(content) // 2)
    made = bowerbird.cutouts([CENTRE], SIDE, path)
    assert "one.fits" in made["reason"][0]
    path.write_bytes(content)
    settle(path)
    assert right(path)


def test_many_threads_have_one_each(tmp_path) -> None:
    path = tiled(tmp_path / "one.fits")
    places = around(CENTRE, 8)
    alone = [bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True) for place in places]
    together = threading.Barrier(8)

    def cut(number: int) -> bool:
        together.wait(30)
        return all(bowerbird.cutout(path, tuple(places[number]), SIDE, as_bytes=True) == alone[number] for _ in range(10))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(cut, range(8)))


def test_images_of_one_file_are_kept_beside_each_other(tmp_path) -> None:
    path = tmp_path / "many.fits"
    hdus = [fits.ImageHDU(Mosaic().pixels(), Mosaic().header()), fits.ImageHDU(np.zeros((4, 4)))]
    fits.HDUList([fits.PrimaryHDU(), *hdus, *hdus]).writeto(path)
    settle(path)
    with path.open("rb") as file:
        found = images(file.fileno(), "*")
        assert [one.number for one in found] == [1, 3]
        assert all(one is other for one, other in zip(found, images(file.fileno(), "*"), strict=True))
        assert image(file.fileno(), 3) is found[1]


def test_what_was_written_a_moment_ago_is_not_kept(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "one.fits")
    with path.open("rb+") as file:
        os.utime(file.fileno())
        assert identity(file.fileno()) is None
    settle(path)
    with path.open("rb") as file:
        assert identity(file.fileno()) == identity(file.fileno())


@pytest.mark.parametrize("key", [None, ("a",)])
def test_the_oldest_goes_first_and_what_has_no_key_is_not_there(key) -> None:
    some: Kept[int] = Kept(2)
    for number, name in enumerate("bcd"):
        some.keep((name,), number)
        some.find(("b",))
    assert [some.find((name,)) for name in "bcd"] == [0, None, 2]
    some.keep(key, 9)
    assert some.take(key) == (None if key is None else 9)
    assert some.take(key) is None
