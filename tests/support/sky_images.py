"""Small images of the sky, made for a test: a plane of brightness with a WCS."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS


def tangent(width: int, height: int, centre: tuple[float, float] = (150.1, 2.2), pixel: float = 1e-3, frame: str = "RA") -> WCS:
    """Return a projection whose middle pixel lies at `centre`, north up; `frame` is RA or GLON."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{frame:-<5}TAN", f"{'DEC' if frame == 'RA' else 'GLAT':-<5}TAN"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [(width + 1) / 2, (height + 1) / 2]
    wcs.wcs.cdelt = [-pixel, pixel]
    return wcs


def waves(width: int, height: int) -> Any:
    """Return a smooth brightness that differs from place to place."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return (100 + 20 * np.sin(x / 17) + 15 * np.cos(y / 23) + 0.01 * x).astype(np.float32)


def write(path: Path, values: Any, wcs: WCS, **cards: Any) -> None:
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = wcs.to_header()
    header.update(cards)
    fits.PrimaryHDU(values, header).writeto(path, overwrite=True)
