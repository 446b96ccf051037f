"""a478/ifs-dr1: the central galaxy of Abell 478 as a MUSE data cube, with HST's image and spectra of its regions."""

from pathlib import Path
from typing import Any

import numpy as np
from photutils.detection import find_peaks

from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.sources import Detection, find, read_image
from demo_releases.sources import columns as source_columns
from demo_releases.spectra import Cube, Region, read_cube
from demo_releases.spectra import columns as spectrum_columns
from demo_releases.tables import table, write

CUBE = Original(
    "mpdaf", "3.6", "mpdaf/data/sdetect/minicube.fits", 53_127_360, "d7be532d2e294c1c5ae5a4d83a55c5bf18b3e865ada839b20f5294022bf2c36c"
)
HST = Original(
    "mpdaf", "3.6", "mpdaf/data/sdetect/a478hst-cutout.fits", 4_383_360, "1a3a15c4c9dfef439e9ca8b06e1aa749f04a0d33c98f7744cabe30f382d329ba"
)
# As FITS allows it: the factor is a power of ten.
CUBE_UNIT = "10**-20 erg s-1 cm-2 Angstrom-1"
# H alpha with [N II] at the galaxy's redshift of 0.0859, and the continuum on both sides of it; Angstrom in air.
LINE = (7110.0, 7170.0)
CONTINUUM = ((6900.0, 7080.0), (7200.0, 7270.0))
RING_PIXELS = 3.0
RINGS = 4
KNOT_PIXELS = 3.0
KNOTS = 4


def make_sources(stock: Stock, path: Path) -> None:
    """Write the sources of HST's image."""
    image = read_image(stock.path(HST), "SCI", no_data=0.0, flux_unit="ct s-1")
    notes = (
        "Found by photutils in hst_wfpc2.fits; blends are one row.",
        "The image is one exposure of 600 s: many of the faint sources are cosmic rays.",
    )
    detection = Detection(mesh=50, fwhm=2.0, threshold_sigma=3.0, least_pixels=9)
    write(path, table("SOURCES", source_columns(image, find(image, detection)), notes))


def make_spectra(stock: Stock, path: Path) -> None:
    """Write the spectra of rings around the galaxy's nucleus and of the knots of its ionised gas."""
    cube = read_cube(stock.path(CUBE), CUBE_UNIT)
    notes = (
        "Extracted from muse_cube.fits: circles and rings around the brightest pixel of the stars' light,",
        "and circles on the peaks of H alpha with [N II]. Sums over the region; the error knows no correlation of pixels.",
    )
    write(path, table("SPECTRA", spectrum_columns(cube, regions(cube)), notes))


def regions(cube: Cube) -> list[Region]:
    """Return the nucleus, the rings around it, and the knots, brightest first."""
    y, x = np.unravel_index(np.nanargmax(continuum_map(cube)), cube.flux.shape[1:])
    around = [
        Region("nucleus" if ring == 0 else f"ring {ring}", float(x), float(y), (ring + 1) * RING_PIXELS, ring * RING_PIXELS)
        for ring in range(RINGS)
    ]
    lines = line_map(cube)
    peaks = find_peaks(lines, threshold=3 * np.nanmedian(lines), box_size=7, border_width=3, n_peaks=KNOTS)
    peaks.sort("peak_value", reverse=True)
    knots = [
        Region(f"knot {number}", float(peak["x_peak"]), float(peak["y_peak"]), KNOT_PIXELS) for number, peak in enumerate(peaks, start=1)
    ]
    return around + knots


def continuum_map(cube: Cube) -> Any:
    """Return the median flux density beside the lines, which is the light of the stars."""
    beside = np.zeros(len(cube.wavelength), dtype=bool)
    for low, high in CONTINUUM:
        beside |= (cube.wavelength >= low) & (cube.wavelength <= high)
    return np.nanmedian(cube.flux[beside], axis=0)


def line_map(cube: Cube) -> Any:
    """Return the sum over the lines' planes above the continuum, which is the light of the ionised gas."""
    inside = (cube.wavelength >= LINE[0]) & (cube.wavelength <= LINE[1])
    return np.nansum(cube.flux[inside] - continuum_map(cube), axis=0)


RELEASE = Release(
    collection="a478",
    name="ifs-dr1",
    title="Abell 478, integral-field spectroscopy",
    originals=(CUBE, HST),
    products=(
        copy(CUBE, "muse_cube.fits"),
        copy(HST, "hst_wfpc2.fits"),
        Product("sources.fits", make_sources, 300_000),
        Product("spectra.fits", make_spectra, 1_000_000),
    ),
    credits=(
        Credit(
            "muse_cube.fits (original)",
            "a part of a MUSE data cube, VLT UT4, 2014-12-08, 900 s, programme 094.A-0859(A) by its header, as packaged among the test "
            "data of mpdaf 3.6",
            "distributed with mpdaf under BSD-3-Clause; based on observations of ESO, whose archive's terms ask for the credit below. "
            "The proprietary period that the demonstration gives it is pretended: the data are public",
            "Bacon et al. 2016, MPDAF, ASCL:1611.003. Based on observations collected at the European Southern Observatory under ESO "
            "programme 094.A-0859(A).",
        ),
        Credit(
            "hst_wfpc2.fits (original)",
            "HST/WFPC2 F814W, 1999-08-18, 600 s, as packaged among the test data of mpdaf 3.6",
            "NASA/ESA/STScI data, free to use with credit; distributed with mpdaf under BSD-3-Clause",
            "Based on observations made with the NASA/ESA Hubble Space Telescope.",
        ),
        Credit(
            "sources.fits, spectra.fits (derived)",
            "photutils on HST's image, and sums over regions of the cube",
            "as the image and the cube",
            "as the image and the cube, and photutils",
        ),
    ),
)
