"""Images of a real DaCHS, another's SIA2, DataLink and SODA: found, linked, and cut with the pixels of the file."""

from collections.abc import Iterator
from pathlib import Path

import bowerbird
import numpy as np
import pyarrow as pa
import pytest

from tests.extensions.skies import SCALE, Mosaic
from tests.support.dachs import dachs
from tests.support.dachs_images import publish

# The first test of a run pays for the database, and where they are missing for the packages.
pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.timeout(900)]
CENTRE = (150.0, 2.0)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Mosaic(turn=20.0).write(tmp_path_factory.mktemp("peer") / "mosaic.fits")


@pytest.fixture(scope="module")
def service(image: Path) -> Iterator[str]:
    star = pa.table({"id": [1], "ra": [1.0], "dec": [1.0], "mag": pa.array([1.0], pa.float32())})
    with dachs(star) as peer:
        yield publish(peer, [image])


def test_an_image_is_found_where_it_is_and_nowhere_else(service: str) -> None:
    found = bowerbird.images(CENTRE, "1 arcmin", service)
    assert len(found) == 1
    assert found["s_ra"].to_value("deg")[0] == pytest.approx(150, abs=0.01)
    assert len(bowerbird.images((10, 2), "1 arcmin", service)) == 0


def test_its_links_have_the_file_and_a_way_to_cut_it(service: str) -> None:
    found = bowerbird.links(bowerbird.images(CENTRE, "1 arcmin", service)[0])
    # It speaks of DataLink 1.0, which had no word for cutouts.
    assert {"#this", "#proc"} <= set(found["semantics"])
    assert not any(found["reason"])


def test_its_cutouts_have_the_pixels_of_the_file(service: str, image: Path) -> None:
    address = str(bowerbird.images(CENTRE, "1 arcmin", service)["access_url"][0])
    dice = np.random.default_rng(3)
    at = np.stack([150 + dice.uniform(-50, 50, 12) * SCALE, 2 + dice.uniform(-50, 50, 12) * SCALE], axis=-1)
    at[-1] = (151, 2)
    here, there = (bowerbird.cutouts(at, f"{15 * SCALE} deg", where) for where in (image, address))
    assert [bool(cut) for cut in there["cutout"]] == [True] * 11 + [False], there["reason"][0]
    for one, other in zip(here["cutout"][:11], there["cutout"][:11], strict=True):
        np.testing.assert_array_equal(other.data, one.data)
        assert other.header["CRPIX1"] == pytest.approx(one.header["CRPIX1"])
    assert there["reason"][-1]
