"""Cutouts as extensions of one file: what was a primary HDU, and what was none."""

import io
from pathlib import Path

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from bowerbird.extension import extension, primary

from tests.extensions.skies import SIDE, Mosaic
from tests.extensions.test_fitsverify import faults, needs_fitsverify, several

CENTRES = [(150.0, 2.0), (150.001, 2.001)]


def together(file: Path, choice: int | str | None) -> bytes:
    """Cut twice, and put both cutouts into one file."""
    made, top = [], None
    for number, place in enumerate(CENTRES, start=1):
        with fits.open(io.BytesIO(bowerbird.cutout(file, place, SIDE, hdu=choice, as_bytes=True))) as hdus:
            image = hdus[-1]
            header, content = image.header.tostring().encode(), bytes(image.data.tobytes())
            top = hdus[0].header.tostring().encode() if len(hdus) > 1 else None
            content += bytes(-len(content) % 2880)
            made += [extension(header, "CUTOUT", number, content), content]
    return b"".join([primary(top, len(CENTRES)), *made])


@pytest.fixture(params=["primary", "extension"])
def joined(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, str | None]:
    """The file that was cut, the cutouts in one file, and the HDU that was cut."""
    choice = "STAT" if request.param == "extension" else None
    source = several(tmp_path / "source.fits") if choice else Mosaic().write(tmp_path / "source.fits")
    (tmp_path / "joined.fits").write_bytes(together(source, choice))
    return source, tmp_path / "joined.fits", choice


def test_pixels_and_coordinates_are_those_of_the_cutouts(joined: tuple[Path, Path, str | None]) -> None:
    source, file, choice = joined
    with fits.open(file, checksum=True) as hdus:
        assert [(hdu.name, hdu.ver) for hdu in hdus[1:]] == [(choice or "CUTOUT", 1), (choice or "CUTOUT", 2)]
        for hdu, place in zip(hdus[1:], CENTRES, strict=True):
            hdu.verify("exception")
            alone = bowerbird.cutout(source, place, SIDE, hdu=choice)[-1]
            np.testing.assert_array_equal(hdu.data, alone.data)
            assert {card: hdu.header[card] for card in ("CRPIX1", "CRPIX2", "CRVAL1", "CTYPE2")} == {
                card: alone.header[card] for card in ("CRPIX1", "CRPIX2", "CRVAL1", "CTYPE2")
            }


@needs_fitsverify
def test_fitsverify_finds_no_fault(joined: tuple[Path, Path, str | None]) -> None:
    assert faults(joined[1]) == set()
