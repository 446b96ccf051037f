"""A cube whose wavelengths stand in a table of its file: found by them, offered with them, and cut by them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.wcs import WCS

from tests.extensions.skies import with_listed_wavelengths
from tests.services.gallery import gallery
from tests.services.soda.calls import cut, hdus

LISTED = "ivo://x-bowerbird/demo/dr1?listed.fits"
METRES = np.array([5.0, 5.1, 5.3, 5.8, 6.9]) * 1e-7


def lay(releases: Path) -> None:
    (releases / "demo/dr1").mkdir(parents=True)
    with_listed_wavelengths(releases / "demo/dr1/listed.fits", METRES)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with gallery(tmp_path_factory.mktemp("listed"), before=lay) as shown, httpx.Client(base_url=shown.address, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("band", "count"), [("4.96e-7 5e-7", 1), ("7.3e-7 7.4e-7", 1), ("7.5e-7 8e-7", 0), ("1e-7 4.9e-7", 0)])
def test_it_is_found_by_its_wavelengths(client: httpx.Client, band: str, count: int) -> None:
    found = client.get("/sia2/query", params={"BAND": band, "RESPONSEFORMAT": "csv"}).raise_for_status().text
    assert len(found.splitlines()) == 1 + count


def test_it_is_offered_with_them_and_cut_by_them(client: httpx.Client) -> None:
    links = client.get("/datalink/links", params={"ID": LISTED}).raise_for_status().text
    assert 'name="BAND"' in links
    made = hdus(cut(client, LISTED, CIRCLE="150 2 0.001", BAND="5.06e-7 5.54e-7"))
    assert [hdu.name for hdu in made] == ["PRIMARY", "WCS-TABLE"]
    assert made[0].shape[0] == 2
    kept = WCS(made[0].header, made).wcs_pix2world([[0, 0, plane] for plane in range(2)], 0)[:, 2]
    assert kept == pytest.approx(METRES[1:3])
    assert cut(client, LISTED, CIRCLE="150 2 0.001", BAND="8e-7 9e-7").status_code == 204
