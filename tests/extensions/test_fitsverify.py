"""HEASARC's fitsverify finds no fault with cutouts, of whatever kind."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import bowerbird
import numpy as np
import pytest
from astropy.io import fits

from tests.extensions.skies import PIXEL, SIP, TPV, Mosaic, with_listed_wavelengths, with_lookups

needs_fitsverify = pytest.mark.skipif(shutil.which("fitsverify") is None, reason="needs fitsverify: apt-get install fitsverify")
CENTRE, SIDE = (150.0, 2.0), 21.5 * PIXEL
EDGE = (150.0 + 112 * PIXEL.value, 2.0)


def faults(file: Path) -> set[str]:
    """Return what fitsverify has to say against a file, but for the numbers of cards."""
    done = subprocess.run(["fitsverify", str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert "Verification found" in done.stdout, done.stdout + done.stderr
    return {re.sub(r"#\d+", "#", line.strip()) for line in done.stdout.splitlines() if re.match(r"\*\*\* (?:Warning|Error)", line)}


def several(path: Path, **more: object) -> Path:
    """Three images of one field in a file, with checksums and keywords that count extensions."""
    mosaic = Mosaic(**more)  # type: ignore[arg-type]  # fields of a Mosaic
    top = fits.PrimaryHDU()
    top.header["NEXTEND"] = 3
    images = [fits.ImageHDU(mosaic.pixels(), mosaic.header(), name=name) for name in ("DATA", "STAT", "DQ")]
    fits.HDUList([top, *images]).writeto(path, checksum=True)
    return path


def tiled(path: Path) -> Path:
    """A tile-compressed image."""
    mosaic = Mosaic(dtype=">i2")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(mosaic.pixels(), mosaic.header(), name="SCI")]).writeto(path, checksum=True)
    return path


def cube(path: Path) -> Path:
    """Four axes: sky, frequency, Stokes."""
    header = Mosaic().header()
    for axis, kind, step in ((3, "FREQ", 1e6), (4, "STOKES", 1.0)):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"], header[f"CRPIX{axis}"] = kind, 1.0, step, 1.0
    fits.PrimaryHDU(np.zeros((1, 3, 170, 230), dtype=">f4"), header).writeto(path, checksum=True)
    return path


def scaled(path: Path) -> Path:
    """Real numbers as scaled integers."""
    mosaic = Mosaic()
    hdu = fits.PrimaryHDU(mosaic.pixels() * np.float32(0.25), mosaic.header())
    hdu.scale("int16", bscale=0.25, bzero=4000.0)
    hdu.writeto(path, checksum=True)
    return path


def unsigned(path: Path) -> Path:
    """Integers without a sign, which FITS keeps as shifted ones."""
    mosaic = Mosaic()
    fits.PrimaryHDU(mosaic.pixels().astype("u2"), mosaic.header()).writeto(path, checksum=True)
    return path


def zipped(path: Path) -> Path:
    """A file that is gzipped as a whole."""
    whole = Mosaic().write(path.with_name("whole.fits"))
    path = path.with_suffix(".fits.gz")
    path.write_bytes(gzip.compress(whole.read_bytes()))
    return path


KINDS = {
    "plain": (lambda path: Mosaic().write(path), None),
    "distorted": (lambda path: Mosaic(projection="TAN-SIP", cards=SIP).write(path), None),
    "polynomial": (lambda path: Mosaic(projection="TPV", cards=TPV).write(path), None),
    "extension": (lambda path: Mosaic(dtype=">i2").write(path, extension=True), None),
    "several": (several, ["DATA", "STAT", "DQ"]),
    "every": (lambda path: several(path, dtype=">i4"), "*"),
    "tiled": (tiled, None),
    "cube": (cube, None),
    "lookup tables": (with_lookups, None),
    "detector's lookup tables": (lambda path: with_lookups(path, "det2im"), None),
    "listed wavelengths": (lambda path: with_listed_wavelengths(path, np.array([5.0, 5.2, 6.0]) * 1e-7), None),
    "scaled": (scaled, None),
    "unsigned": (unsigned, None),
    "gzipped": (zipped, None),
}


@needs_fitsverify
@pytest.mark.parametrize("mode", ["trim", "partial"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_cutout_has_a_fault(tmp_path, kind, mode) -> None:
    make, hdu = KINDS[kind]
    path = make(tmp_path / "original.fits")
    # The convention of lookup tables writes one keyword several times, which fitsverify does not know.
    known = faults(path)
    assert not known or "lookup" in kind, "the original is to blame"
    made = bowerbird.cutouts([CENTRE, EDGE], SIDE, path, hdu=hdu, mode=mode, folder=tmp_path / "made")
    assert not any(made["reason"])
    for file in made["file"]:
        assert faults(Path(file)) <= known
        with fits.open(file, checksum=True) as hdus:
            hdus.verify("exception")
