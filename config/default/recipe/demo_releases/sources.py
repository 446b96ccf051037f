"""Sources of an image: found by photutils above the sky's noise, with positions in ICRS by the image's own WCS."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.convolution import convolve
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales
from photutils.background import Background2D
from photutils.segmentation import SourceCatalog, detect_sources, make_2dgaussian_kernel

from demo_releases.tables import Column


@dataclass(frozen=True, slots=True)
class Detection:
    """How sources are looked for: the sky's mesh, the smoothing, and what counts as one; lengths in pixels."""

    mesh: int
    fwhm: float
    threshold_sigma: float = 2.0
    least_pixels: int = 5


@dataclass(frozen=True, slots=True)
class Image:
    """Pixels with their WCS; what is not finite, or masked, is no data."""

    pixels: Any
    wcs: WCS
    mask: Any
    flux_unit: str | None = None


def read_wcs(header: fits.Header) -> WCS:
    """Return the WCS of a header, repaired in silence where its dates or units are spelt in an old way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def read_image(path: Path, extension: int | str = 0, *, no_data: float | None = None, flux_unit: str | None = None) -> Image:
    """Read one image of a FITS file; pixels that equal `no_data` are masked, as those that are not finite are."""
    with fits.open(path) as hdus:
        pixels = hdus[extension].data.astype(np.float64)
        wcs = read_wcs(hdus[extension].header)
    mask = ~np.isfinite(pixels)
    if no_data is not None:
        mask |= pixels == no_data
    return Image(pixels, wcs, mask, flux_unit)


def find(image: Image, detection: Detection) -> SourceCatalog:
    """Return the sources of an image, their pixels measured above the sky; blends are not taken apart."""
    sky = Background2D(image.pixels, detection.mesh, filter_size=3, mask=image.mask, exclude_percentile=50)
    above = np.where(image.mask, 0.0, image.pixels - sky.background)
    kernel = make_2dgaussian_kernel(detection.fwhm, size=2 * round(detection.fwhm) + 1)
    smooth = convolve(above, kernel)
    threshold = detection.threshold_sigma * sky.background_rms
    segments = detect_sources(smooth, threshold, n_pixels=detection.least_pixels, mask=image.mask)
    return SourceCatalog(above, segments, error=sky.background_rms, mask=image.mask, wcs=image.wcs)


def columns(image: Image, found: SourceCatalog) -> list[Column]:
    """Return the table of the sources, brightest first; positions in ICRS degrees, pixels counted from 1 as FITS does."""
    order = np.argsort(-found.segment_flux, kind="stable")
    sky = found.sky_centroid_icrs[order]
    arcsec = float(np.sqrt(np.prod(proj_plane_pixel_scales(image.wcs.celestial)))) * 3600
    flux, error = found.segment_flux[order], found.segment_flux_err[order]
    return [
        Column("id", np.arange(1, len(order) + 1, dtype=np.int32), "number in this table, by flux", ucd="meta.id;meta.main"),
        Column("ra", sky.ra.deg, "right ascension of the centroid, ICRS", "deg", "pos.eq.ra;meta.main"),
        Column("dec", sky.dec.deg, "declination of the centroid, ICRS", "deg", "pos.eq.dec;meta.main"),
        Column("x", found.x_centroid[order] + 1, "centroid along the first axis; the first pixel is 1", "pix", "pos.cartesian.x"),
        Column("y", found.y_centroid[order] + 1, "centroid along the second axis; the first pixel is 1", "pix", "pos.cartesian.y"),
        Column("flux", flux, "sum of the pixels above the sky, in the image's unit", image.flux_unit, "phot.flux"),
        Column("flux_error", error, "error of flux from the noise of the sky alone", image.flux_unit, "stat.error;phot.flux"),
        Column("snr", flux / error, "flux over flux_error", None, "stat.snr;phot.flux"),
        Column("peak", found.max_value[order], "brightest pixel above the sky", image.flux_unit, "phot.flux;stat.max"),
        Column("semimajor", found.semimajor_axis.value[order] * arcsec, "1 sigma along the long axis", "arcsec", "phys.angSize.smajAxis"),
        Column("semiminor", found.semiminor_axis.value[order] * arcsec, "1 sigma along the short axis", "arcsec", "phys.angSize.sminAxis"),
        Column("position_angle", position_angles(image, found)[order], "of the long axis, from north to east", "deg", "pos.posAng"),
        Column("area", found.area.value[order] * arcsec**2, "sky covered by the pixels of the source", "arcsec2", "phys.angArea"),
    ]


def position_angles(image: Image, found: SourceCatalog) -> Any:
    """Return the position angles of the long axes in [0, 180) degrees, through the WCS: images are turned and mirrored."""
    angle = found.orientation.to_value("rad")
    ahead = image.wcs.celestial.pixel_to_world(found.x_centroid + np.cos(angle), found.y_centroid + np.sin(angle)).icrs
    return found.sky_centroid_icrs.position_angle(ahead).deg % 180
