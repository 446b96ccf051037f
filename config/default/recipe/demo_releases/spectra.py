"""Spectra out of a data cube: the sum over circles and rings, pixels at the edge by the part that lies inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from photutils.aperture import CircularAperture

from demo_releases.sources import read_wcs
from demo_releases.tables import Column


@dataclass(frozen=True, slots=True)
class Cube:
    """A data cube: flux density and its variance by wavelength, row and column; pixels without data are NaN in both."""

    flux: Any
    variance: Any
    wavelength: Any
    wcs: WCS
    unit: str

    @property
    def arcsec_per_pixel(self) -> float:
        """The side of a pixel."""
        return float(proj_plane_pixel_scales(self.wcs)[0]) * 3600


@dataclass(frozen=True, slots=True)
class Region:
    """A circle, or a ring where `inner` is not 0, around a pixel counted from 0; radii in pixels."""

    name: str
    x: float
    y: float
    outer: float
    inner: float = 0.0

    def weights(self, shape: tuple[int, int]) -> Any:
        """Return the part of each pixel that lies in the region."""
        circle = CircularAperture((self.x, self.y), self.outer).to_mask(method="exact").to_image(shape)
        hole = CircularAperture((self.x, self.y), self.inner).to_mask(method="exact").to_image(shape) if self.inner else 0.0
        return circle - hole


def read_cube(path: Path, unit: str) -> Cube:
    """Read a cube as MUSE writes them: DATA, STAT (variance) and DQ, wavelengths in air in Angstrom."""
    with fits.open(path) as hdus:
        good = hdus["DQ"].data == 0
        wcs = read_wcs(hdus["DATA"].header)
        planes = np.arange(good.shape[0])
        wavelength = wcs.spectral.pixel_to_world_values(planes) * 1e10
        return Cube(np.where(good, hdus["DATA"].data, np.nan), np.where(good, hdus["STAT"].data, np.nan), wavelength, wcs.celestial, unit)


def extract(cube: Cube, region: Region) -> tuple[Any, Any]:
    """Return flux and error of a region by wavelength; NaN where no pixel of it has data."""
    weights = region.weights(cube.flux.shape[1:])
    rows, columns = np.nonzero(weights)
    parts = weights[rows, columns]
    flux, variance = cube.flux[:, rows, columns], cube.variance[:, rows, columns]
    known = np.isfinite(flux).any(axis=1)
    total = np.where(known, np.nansum(flux * parts, axis=1), np.nan)
    error = np.where(known, np.sqrt(np.nansum(variance * parts**2, axis=1)), np.nan)
    return total, error


def columns(cube: Cube, regions: Sequence[Region]) -> list[Column]:
    """Return a table with a row for each region: where it is, and its spectrum."""
    sky = cube.wcs.pixel_to_world([region.x for region in regions], [region.y for region in regions]).icrs
    scale = cube.arcsec_per_pixel
    spectra = [extract(cube, region) for region in regions]
    inner, outer = (np.array([radius * scale for radius in radii]) for radii in zip(*((r.inner, r.outer) for r in regions), strict=True))
    area = [region.weights(cube.flux.shape[1:]).sum() * scale**2 for region in regions]
    return [
        Column("id", np.arange(1, len(regions) + 1, dtype=np.int32), "number in this table", ucd="meta.id;meta.main"),
        Column("name", np.array([region.name for region in regions]), "what the region is", ucd="meta.title"),
        Column("ra", sky.ra.deg, "right ascension of the centre, ICRS", "deg", "pos.eq.ra;meta.main"),
        Column("dec", sky.dec.deg, "declination of the centre, ICRS", "deg", "pos.eq.dec;meta.main"),
        Column("inner_radius", inner, "0 for a circle", "arcsec", "phys.angSize"),
        Column("outer_radius", outer, "radius of the circle or ring", "arcsec", "phys.angSize"),
        Column("area", np.array(area), "sky that the region covers within the cube", "arcsec2", "phys.angArea"),
        Column("wavelength", np.tile(cube.wavelength, (len(regions), 1)), "wavelength in air", "Angstrom", "em.wl"),
        Column("flux", np.array([flux for flux, _ in spectra]), "flux density", cube.unit, "phot.flux.density;em.wl"),
        Column("error", np.array([error for _, error in spectra]), "1 sigma", cube.unit, "stat.error;phot.flux.density;em.wl"),
    ]
