"""Large cutouts: refused, streamed, or handed out by pieces alone; and many at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.io import fits
from bowerbird_services import cutting
from bowerbird_services.allowances import Allowance
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, fill, gallery, gallery_platform, image
from tests.services.soda.calls import CIRCLE, M13, cut, hdus, refused, sky_of
from tests.services.waiting import is_open, until


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Gallery]:
    def lay(root: Path) -> None:
        fill(root)
        header = fits.getheader(root / "demo/dr1/m13.fits")
        header["NAXIS1"], header["NAXIS2"], header["CDELT1"], header["CDELT2"] = 10_000, 10_000, -1e-4, 1e-4
        with (root / "demo/dr1/large.fits").open("wb") as file:  # 400 MB of nothing, on no disk
            file.write(header.tostring().encode())
            file.truncate(file.tell() + 400_000_000 + 2880 - 400_000_000 % 2880)

    with gallery(tmp_path, before=lay) as found:
        yield found


LARGE = str(DID("demo", "dr1", "large.fits"))


def test_cutout_that_is_too_large_is_refused_with_the_limit_before_the_first_byte(large: Gallery) -> None:
    with httpx.Client(base_url=large.address, timeout=60) as client:
        refused(cut(client, LARGE), 413, "UsageError", "256 MB", "this one would have 382", "smaller region")
        assert client.head("/soda/sync", params={"ID": LARGE}).status_code == 413
        several = [("POS", "RANGE 0 360 -90 90")] * 2
        refused(cut(client, LARGE, *several, FORM="tar"), 413, "UsageError", "256 MB")


def test_large_cutout_is_streamed_and_a_client_that_goes_away_lets_the_file_go(large: Gallery) -> None:
    large.site.limits = lambda _platform, _identity: replace(Allowance(), at_once=1)
    with httpx.Client(base_url=large.address, timeout=60) as client:
        box = {"ID": LARGE, "CIRCLE": "249.78 36.96 0.15"}
        told = client.head("/soda/sync", params=box)
        assert int(told.headers["content-length"]) > cutting.SMALL
        whole = client.get("/soda/sync", params=box)
        assert len(whole.content) == int(told.headers["content-length"])
        assert hdus(whole)[0].data.any() is np.False_
        with client.stream("GET", "/soda/sync", params=box) as answer:
            assert next(answer.iter_raw())
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(httpx.get, f"{large.address}/soda/sync", params={"ID": M13, "CIRCLE": CIRCLE}, timeout=30)
                answer.close()
                assert waiting.result().status_code == 200
        until(lambda: not is_open(large.releases / "demo/dr1/large.fits"))
        until(lambda: not is_open(large.releases / "demo/dr1/m13.fits"))


def test_release_that_is_cut_only_hands_out_pieces_of_large_images_and_small_ones_whole(tmp_path: Path) -> None:
    def lay(root: Path) -> None:
        fill(root)
        image(root / "demo/dr1/mosaic.fits", 30.0, 10.0, pixels=2200, step=1e-4)

    mosaic, whole = str(DID("demo", "dr1", "mosaic.fits")), ("CIRCLE", "30 10 0.5")
    with (
        gallery(tmp_path, gallery_platform(dr1={"serve": "cutouts"}), before=lay) as found,
        httpx.Client(base_url=found.address, timeout=60) as client,
    ):
        for asked in ((), (whole,), (whole, ("FORM", "tar"))):
            refused(cut(client, mosaic, *asked), 400, "UsageError", "hands out pieces", "16 MB", "name a region")
            assert client.head("/soda/sync", params=[("ID", mosaic), *asked]).status_code == 400
        assert hdus(cut(client, mosaic, CIRCLE="30 10 0.01"))[0].data.shape == (202, 202)
        assert hdus(cut(client))[0].data.shape == (60, 60)
    until(lambda: not is_open(found.releases / "demo/dr1/mosaic.fits"))


def test_many_at_once_get_what_each_asked_for(client: httpx.Client) -> None:
    places = [(250.3 + 0.02 * k, 36.4 + 0.01 * k) for k in range(10)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda place: cut(client, CIRCLE=f"{place[0]} {place[1]} 0.03"), places * 5))
    for answer, (ra, dec) in zip(made, places * 5, strict=True):
        x, y = sky_of(hdus(answer)[0].header).wcs_world2pix([[ra, dec]], 0)[0]
        assert 0 <= x <= hdus(answer)[0].shape[1]
        assert 0 <= y <= hdus(answer)[0].shape[0]
