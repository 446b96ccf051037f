"""qso/dr1: spectra of quasars from five instruments, each in the form in which its makers left it, and an index of them."""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from demo_releases.errors import BadInput
from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.tables import Column, table, write

FOLDER = "linetools/spectra/tests/files"
# How a name says where: JHHMMSS.ss+DDMMSS.s
POSITION = re.compile(r"J(\d\d)(\d\d)(\d\d\.\d+)([+-]\d\d)(\d\d)(\d\d\.\d+)")


def _original(name: str, size: int, sha256: str) -> Original:
    return Original("linetools", "0.3.2", f"{FOLDER}/{name}", size, sha256)


UVES = _original("q0002m422.txt.gz", 2_918_415, "7c9a58a1549a3dc5c1a5c3be44d142c3598f7500e242803bac8a90b19420aacc")
XSHOOTER = _original("XShooter_XQ100.fits.gz", 203_800, "d8e72c2821e536cdf543327911bd4c8b1f36b4afebca48dd5239cf5507227b71")
ESI_FLUX = _original("PH957_f.fits", 115_200, "b1b0d0b131a470154637327bb91db9cd5713ddb5c15c5ea8bace6b54f908e2c1")
ESI_ERROR = _original("PH957_e.fits", 115_200, "bf689688759d5fd62348a5d6fc6a115517efb4861e60b52622aa3e88f6d9a1ca")
MAGE_FLUX = _original("UM184_nF.fits", 77_760, "e844868366dd841bcdff8863e614327d61f249007c6840487d3c7e74949c3ec7")
MAGE_ERROR = _original("UM184_nE.fits", 77_760, "5d5f20aa0c18cd134b80f6252cf606a65948953f88c7e6982d8be13f6ab23327")
MAGE_TEXT = _original("UM184.dat.gz", 197_517, "e3979a54e59680ee75de23959f10ba7ce9df575ff99490d9eeba16e35849e5c5")
SDSS = _original("SDSSJ220248.31+123656.3.fits", 109_440, "2adb320913dfc2606055cae012826b09032da687a9d54929094c1fb11673cf25")
SDSS_CONTINUUM = _original("SDSSJ220248.31+123656.3_c.fits", 23_040, "095a5f254ae904e7286fbd50eab78ab2f51d99951c7805603fa5f397add6f7bb")


def _log_axis(path: Path) -> Any:
    header = fits.getheader(path)
    step = header.get("CDELT1", header.get("CD1_1"))
    return 10 ** (header["CRVAL1"] + step * (np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"]))


def _table_axis(path: Path) -> Any:
    # The table is in nm.
    return fits.getdata(path, "SPECTRUM")["WAVE"][0].astype(np.float64) * 10


def _first_column(path: Path) -> Any:
    with gzip.open(path, "rt") as lines:
        return np.array([float(line.split(None, 1)[0]) for line in lines])


def _header_position(path: Path) -> SkyCoord:
    header = fits.getheader(path)
    frame = "fk4" if header["EQUINOX"] == 1950 else "fk5"  # noqa: PLR2004 - the two equinoxes that headers of that time know
    units = ("deg", "deg") if isinstance(header["RA"], float) else ("hourangle", "deg")
    return SkyCoord(header["RA"], header["DEC"], unit=units, frame=frame).icrs


def _mage_position(path: Path) -> SkyCoord:
    return _header_position(path.with_name(MAGE_FLUX.name))


def _position_in_name(path: Path) -> SkyCoord:
    parts = POSITION.search(path.name)
    if parts is None:
        raise BadInput(f"the name of {path} has no position in it")
    return SkyCoord("{}:{}:{} {}:{}:{}".format(*parts.groups()), unit=("hourangle", "deg"), frame="icrs")


def _no_position(_path: Path) -> SkyCoord:
    return SkyCoord(np.nan, np.nan, unit="deg")


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One spectrum of the index: its file, and how position and wavelengths are read from it."""

    original: Original
    source: str
    telescope: str
    instrument: str
    axis: Callable[[Path], Any]
    position: Callable[[Path], SkyCoord]
    position_from: str
    layout: str
    error_file: str = ""

    @property
    def file(self) -> str:
        """The name of its file in the release."""
        return self.original.name


LOG_IMAGE = "image of 1 axis; wavelength in Angstrom is 10**(CRVAL1 + step (i - CRPIX1)), step in CDELT1 or CD1_1"
SPECTRA = (
    Spectrum(UVES, "Q0002-422", "VLT", "UVES", _first_column, _no_position, "", "text: wavelength in Angstrom, flux, error, continuum"),
    Spectrum(
        XSHOOTER,
        "BR J2349-3712",
        "VLT",
        "X-shooter",
        _table_axis,
        _header_position,
        "header",
        "table SPECTRUM of 1 row, vectors WAVE in nm, FLUX, ERR_FLUX",
    ),
    Spectrum(ESI_FLUX, "PH 957", "Keck II", "ESI", _log_axis, _header_position, "header, B1950", LOG_IMAGE, ESI_ERROR.name),
    Spectrum(
        MAGE_FLUX, "UM 184", "Magellan Clay", "MagE", _log_axis, _mage_position, "header, the telescope's", LOG_IMAGE, MAGE_ERROR.name
    ),
    Spectrum(
        MAGE_TEXT,
        "UM 184",
        "Magellan Clay",
        "MagE",
        _first_column,
        _mage_position,
        f"header of {MAGE_FLUX.name}, the telescope's",
        "text: wavelength in Angstrom, flux, error",
    ),
    Spectrum(
        SDSS,
        "SDSS J220248.31+123656.3",
        "SDSS 2.5 m",
        "BOSS",
        _log_axis,
        _position_in_name,
        "name",
        f"{LOG_IMAGE}; errors in extension 1; continuum beside it",
    ),
)


def make_index(stock: Stock, path: Path) -> None:
    """Write a row for each spectrum: what, where, by what, and how to read it."""
    files = [stock.path(spectrum.original) for spectrum in SPECTRA]
    axes = [spectrum.axis(file) for spectrum, file in zip(SPECTRA, files, strict=True)]
    places = [spectrum.position(file) for spectrum, file in zip(SPECTRA, files, strict=True)]
    columns = [
        Column("file", _texts("file"), "file in this release", ucd="meta.id;meta.file;meta.main"),
        Column("source", _texts("source"), "the quasar", ucd="meta.id;src"),
        Column("ra", np.array([place.ra.deg for place in places]), "right ascension, ICRS; NaN where no file gives it", "deg", "pos.eq.ra"),
        Column("dec", np.array([place.dec.deg for place in places]), "declination, ICRS; NaN where no file gives it", "deg", "pos.eq.dec"),
        Column("position_from", _texts("position_from"), "where the position was read", ucd="meta.note"),
        Column("telescope", _texts("telescope"), "telescope", ucd="instr.tel"),
        Column("instrument", _texts("instrument"), "instrument", ucd="instr"),
        Column("wavelength_min", np.array([axis.min() for axis in axes]), "shortest wavelength", "Angstrom", "em.wl;stat.min"),
        Column("wavelength_max", np.array([axis.max() for axis in axes]), "longest wavelength", "Angstrom", "em.wl;stat.max"),
        Column("pixels", np.array([len(axis) for axis in axes], dtype=np.int32), "number of wavelengths", ucd="meta.number"),
        Column("layout", _texts("layout"), "how to read the file", ucd="meta.note"),
        Column("error_file", _texts("error_file"), "the file of the errors where they lie apart", ucd="meta.id;meta.file"),
    ]
    write(path, table("SPECTRA", columns))


def _texts(field: str) -> Any:
    return np.array([getattr(spectrum, field) for spectrum in SPECTRA])


ORIGINALS = (UVES, XSHOOTER, ESI_FLUX, ESI_ERROR, MAGE_FLUX, MAGE_ERROR, MAGE_TEXT, SDSS, SDSS_CONTINUUM)
BY_LINETOOLS = "distributed with linetools under BSD-3-Clause"
RELEASE = Release(
    collection="qso",
    name="dr1",
    title="Quasar spectra of five instruments",
    originals=ORIGINALS,
    products=(*map(copy, ORIGINALS), Product("index.fits", make_index, 30_000)),
    credits=(
        Credit(
            UVES.name + " (original)",
            "VLT/UVES, as packaged among the test data of linetools 0.3.2",
            f"{BY_LINETOOLS}; based on observations of ESO",
            "Crighton et al. 2015, MNRAS, 446, 18 (asked for by the package's README)",
        ),
        Credit(
            XSHOOTER.name + " (original)",
            "VLT/X-shooter, the NIR arm, large programme XQ-100, 189.A-0424(B) by its header, as packaged in linetools 0.3.2",
            f"{BY_LINETOOLS}; based on observations of ESO",
            "Lopez et al. 2016, A&A, 594, A91 (doi:10.1051/0004-6361/201628161). Based on observations collected at the European "
            "Southern Observatory.",
        ),
        Credit(
            "PH957_f.fits, PH957_e.fits (originals)",
            "Keck/ESI, 2000-08-04, as packaged in linetools 0.3.2",
            f"{BY_LINETOOLS}; the header names no other terms",
            "linetools (Prochaska et al.)",
        ),
        Credit(
            "UM184_nF.fits, UM184_nE.fits, UM184.dat.gz (originals)",
            "Magellan/MagE, courtesy of M. Fumagalli and J. O'Meara, as packaged in linetools 0.3.2",
            BY_LINETOOLS,
            "Fumagalli et al. 2013, ApJ, 775, 78 (asked for by the package's README)",
        ),
        Credit(
            "SDSSJ220248.31+123656.3.fits and _c.fits (originals)",
            "SDSS-III/BOSS, plate 5063, MJD 55831, with a continuum, as packaged in linetools 0.3.2",
            f"{BY_LINETOOLS}; SDSS data are free to use with credit",
            "Sloan Digital Sky Survey III, https://www.sdss3.org",
        ),
        Credit("index.fits (derived)", "read from the files of this release", "as the files", "as the files"),
    ),
)
