"""The header of a cutout: what a cut changes, and nothing else."""

import io
import warnings

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.extensions.cut_checks import assert_same_sky_and_pixels
from tests.extensions.skies import Mosaic, offset_of


def test_alternate_coordinates_move_too(tmp_path) -> None:
    cards = {
        "CTYPE1P": "PHYSX",
        "CTYPE2P": "PHYSY",
        "CRVAL1P": 1.0,
        "CRVAL2P": 1.0,
        "CRPIX1P": 1.0,
        "CDELT1P": 2.0,
        "CDELT2P": 2.0,
        "LTV1": 3.5,
    }
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    header = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0].header
    x, y = offset_of(header)
    with fits.open(path) as hdus:
        there = WCS(hdus[0].header, key="P").wcs_pix2world([[x + 4.0, y + 5.0]], 0)
    assert np.array_equal(WCS(header, key="P").wcs_pix2world([[4.0, 5.0]], 0), there)
    assert (header["CRPIX1P"], header["CRPIX2P"], header["LTV1"], header["LTV2"]) == (1 - x, -y, 3.5 - x, -y)


def test_what_only_the_whole_image_can_say_is_dropped_and_its_own_sections_move(tmp_path) -> None:
    cards = {"DATASEC": "[1:230,1:170]", "BIASSEC": "[1:5,1:170]", "CCDSEC": "[1:230,1:170]", "DATAMAX": 29999.0, "NEXTEND": 3}
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0]
    assert cut.header["DATASEC"] == f"[1:{cut.shape[1]},1:{cut.shape[0]}]"
    assert not {"BIASSEC", "CCDSEC", "DATAMAX"} & set(cut.header)
    assert cut.header["NEXTEND"] == 0


def test_every_other_card_is_the_original_one(tmp_path) -> None:
    cards = {"OBSERVER": ("O'Neill", "who"), "EXPTIME": (1200.0, "[s] long"), "HIERARCH ESO DET NAME": "A detector", "ORIGIN": "x" * 90}
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    made = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0].header
    with fits.open(path) as hdus:
        changed = {"NAXIS1", "NAXIS2", "CRPIX1", "CRPIX2", "LTV1", "LTV2", "HISTORY", "CHECKSUM", "DATASUM"}
        before = [card.image for card in hdus[0].header.cards if card.keyword not in changed]
    assert [card.image for card in made.cards if card.keyword not in changed] == before


def test_checksums_are_made_anew(tmp_path) -> None:
    for extension in (False, True):
        path = Mosaic().write(tmp_path / f"mosaic{extension}.fits", extension=extension)
        file = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", as_bytes=True)
        with warnings.catch_warnings(), fits.open(io.BytesIO(file), checksum=True) as hdus:
            warnings.simplefilter("error")
            assert [bool(hdu.verify_checksum() and hdu.verify_datasum()) for hdu in hdus] == [True] * (1 + extension)
            assert "CHECKSUM" in hdus[-1].header


def test_an_image_without_checksums_gets_none(tmp_path) -> None:
    mosaic = Mosaic()
    fits.PrimaryHDU(mosaic.pixels(), mosaic.header()).writeto(tmp_path / "bare.fits")
    header = bowerbird.cutout(tmp_path / "bare.fits", (150.0, 2.0), "5 arcsec")[0].header
    assert not {"CHECKSUM", "DATASUM"} & set(header)


def test_an_extension_keeps_the_primary_header(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits", extension=True)
    for choice in (None, 1, "SCI", "sci", ("SCI", 1)):
        cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", hdu=choice)
        assert [hdu.name for hdu in cut] == ["PRIMARY", "SCI"]
        assert cut[0].header["OBJECT"] == "A field"
        assert_same_sky_and_pixels(path, cut, hdu=1)


@pytest.mark.parametrize(
    ("hdu", "says"),
    [(0, "holds no image"), (5, "no HDU 5"), ("ERR", r"no HDU 'ERR' in this file; it has 2: 0, 1 \(SCI\)"), (("SCI", 2), "no HDU")],
)
def test_an_hdu_that_is_not_there(tmp_path, hdu, says) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits", extension=True)
    with pytest.raises(bowerbird.NotCuttable, match=says):
        bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", hdu=hdu)
