"""The curves of many cutouts: what is measured is what is there, each figure has its curve, and memory does not grow with the sources."""

from pathlib import Path

import bowerbird

from tests.bench import images_curves
from tests.bench.images_curves import Steps, places, sparse


def test_a_sparse_mosaic_of_twenty_gigabytes_takes_no_room_and_is_cut(tmp_path: Path) -> None:
    mosaic = tmp_path / "mosaic.fits"
    at = places(sparse(mosaic, 20.0), 3)
    status = mosaic.stat()
    assert status.st_size > 19.9e9
    assert status.st_blocks * 512 < 1e6
    assert not any(bowerbird.cutouts(at, "10 arcsec", mosaic)["reason"])


def test_every_figure_has_its_curve(tmp_path: Path) -> None:
    images_curves.draw(tmp_path / "some.svg", 1, Steps((5, 20), (0.01, 0.02), 1))
    picture = (tmp_path / "some.svg").read_text(encoding="utf-8")
    assert picture.count("<polyline") == 5
    assert all(name in picture for name in images_curves._COLOURS)


def test_ten_times_the_sources_need_no_ten_times_the_memory(tmp_path: Path) -> None:
    mosaic = tmp_path / "mosaic.fits"
    sky = sparse(mosaic, 0.1)
    images_curves.ours(mosaic, places(sky, 500), tmp_path / "first")
    _, most = images_curves.ours(mosaic, places(sky, 5000), tmp_path / "more")
    assert most < 64  # all of them are 65 MiB of files
