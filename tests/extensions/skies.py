"""FITS files for the tests: real formats, small, with pixels that say where they were."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

SCALE = 0.2 / 3600  # degrees a pixel
PIXEL = SCALE * u.deg
SIDE = 9 * PIXEL  # of most cutouts
SIP = {
    "A_ORDER": 2,
    "A_2_0": 2.0e-6,
    "A_1_1": -1.2e-6,
    "A_0_2": 7e-7,
    "B_ORDER": 2,
    "B_2_0": -6e-7,
    "B_1_1": 1.5e-6,
    "B_0_2": 2.5e-6,
}
TPV = {"PV1_0": 0.0, "PV1_1": 1.0, "PV1_4": 2e-3, "PV1_5": -1e-3, "PV2_1": 1.0, "PV2_4": -3e-3, "PV2_6": 1e-3}


@dataclass(frozen=True)
class Mosaic:
    """How a test image is made."""

    shape: tuple[int, int] = (170, 230)
    centre: tuple[float, float] = (150.0, 2.0)
    turn: float = 0.0
    projection: str = "TAN"
    dtype: str = ">f4"
    swapped: bool = False
    cards: dict[str, Any] = field(default_factory=dict)

    def header(self) -> fits.Header:
        """Return the celestial header."""
        header = fits.Header()
        columns, rows = self.shape[1], self.shape[0]
        cosine, sine = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        right: dict[str, Any] = {"CTYPE": f"RA---{self.projection}", "CRVAL": self.centre[0], "CD": (-SCALE * cosine, SCALE * sine)}
        up: dict[str, Any] = {"CTYPE": f"DEC--{self.projection}", "CRVAL": self.centre[1], "CD": (SCALE * sine, SCALE * cosine)}
        for number, axis in enumerate((up, right) if self.swapped else (right, up), start=1):
            header[f"CTYPE{number}"] = axis["CTYPE"]
            header[f"CRVAL{number}"] = axis["CRVAL"]
            header[f"CUNIT{number}"] = "deg"
            header[f"CD{number}_1"], header[f"CD{number}_2"] = axis["CD"]
        header["CRPIX1"], header["CRPIX2"] = columns / 2 + 0.25, rows / 2 - 0.125
        header["RADESYS"] = "ICRS"
        header.update(self.cards)
        return header

    def pixels(self) -> Any:
        """Return pixels that are all different where their type has room for it."""
        return (np.arange(np.prod(self.shape)).reshape(self.shape) % 30_000).astype(self.dtype)

    def write(self, path: Path, *, extension: bool = False) -> Path:
        """Write the image as primary HDU, or as the extension SCI under a bare primary header."""
        if extension:
            top = fits.PrimaryHDU()
            top.header["OBJECT"] = "A field"
            hdus = fits.HDUList([top, fits.ImageHDU(self.pixels(), self.header(), name="SCI")])
        else:
            hdus = fits.HDUList([fits.PrimaryHDU(self.pixels(), self.header())])
        hdus.writeto(path, checksum=True)
        return path


def around(centre: tuple[float, float], count: int, spread: float = 60 * SCALE) -> Any:
    """Positions near the centre of a mosaic."""
    dice = np.random.default_rng(4)
    stretch = np.cos(np.radians(centre[1]))
    return np.stack([centre[0] + dice.uniform(-spread, spread, count) / stretch, centre[1] + dice.uniform(-spread, spread, count)], axis=-1)


def sky_of(header: fits.Header, hdus: fits.HDUList | None = None) -> WCS:
    """Return the celestial part of a header's WCS, as astropy reads it."""
    return WCS(header, hdus).celestial


def offset_of(header: fits.Header) -> tuple[int, int]:
    """Return where a cutout begins in its original, by the history that it carries: (x, y) from 0."""
    text = "".join(str(line) for line in header["HISTORY"])
    section = text[text.index("[") + 1 : text.index("]")].split(",")
    first, second = (int(part.split(":")[0]) - 1 for part in section if ":" in part)
    return first, second


def with_lookups(path: Path, kind: str = "cpdis") -> Path:
    """Write an image with a lookup table for each axis, `cpdis` or `det2im`, that shifts its places by some pixels."""
    mosaic = Mosaic()
    world = WCS(mosaic.header())
    table = np.random.default_rng(3).normal(0, 0.8, (18, 24)).astype("f4")
    for number, sign in ((1, 1), (2, -1)):
        setattr(world, f"{kind}{number}", DistortionLookupTable(table * sign, (1.0, 1.0), (1.0, 1.0), (10.0, 10.0)))
    hdus = world.to_fits(relax=True)
    hdus[0].data = mosaic.pixels()
    hdus.writeto(path)
    return path


def with_listed_wavelengths(path: Path, metres: Any) -> Path:
    """Write a cube whose wavelengths stand one by one in a table of the file (`WAVE-TAB`)."""
    mosaic = Mosaic()
    header = mosaic.header()
    header["CD3_3"] = 1.0
    header.update({"CTYPE3": "WAVE-TAB", "CUNIT3": "m", "CRVAL3": 1.0, "CRPIX3": 1.0})
    header.update({"PS3_0": "WCS-TABLE", "PS3_1": "WAVELENGTHS", "PV3_1": 1, "PV3_2": 1, "PV3_3": 1})
    column = fits.Column("WAVELENGTHS", f"{len(metres)}D", unit="m", dim=f"(1,{len(metres)})", array=[np.reshape(metres, (-1, 1))])
    table = fits.BinTableHDU.from_columns([column], name="WCS-TABLE")
    table.header["EXTVER"] = 1
    fits.HDUList([fits.PrimaryHDU(np.stack([mosaic.pixels()] * len(metres)), header), table]).writeto(path)
    return path
