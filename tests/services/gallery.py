"""Images and cubes in releases, with the whole service over them, really served: for SIA, DataLink and all that follow from these."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from bowerbird_config.platform import Platform
from bowerbird_services import adql
from bowerbird_services.app import create
from bowerbird_services.archive import Archive
from bowerbird_services.identity import Identities
from bowerbird_services.ingest.product_files import products
from bowerbird_services.listening import listening
from bowerbird_services.main import translate
from bowerbird_services.release_files import Directories, NoFile
from bowerbird_services.site import Site
from bowerbird_services.slots import Slots
from bowerbird_services.store import shelf, sidecar
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.cones_first import ConesFirst
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.obscore import Doors
from bowerbird_services.store.products import NAME
from bowerbird_services.streams import Threads
from bowerbird_services.tables_engine import TablesEngine
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.vosi import Feature

from tests.services.people import identities
from tests.services.serving import address_of, served
from tests.services.signing import SignedIn
from tests.support.platforms import described

CRAFT = {"craft": {"title": "Craft", "contact": "craft@example.org", "members": ["member"]}}
# `dr1` is public, `dr2` a team's and hidden, `dr3` a team's and announced.
RELEASES: Mapping[str, Mapping[str, Any]] = {
    "dr1": {"title": "First", "public": True},
    "dr2": {"title": "Second", "teams": ["craft"]},
    "dr3": {"title": "Third", "teams": ["craft"], "announced": True, "public_on": "2100-01-01T00:00:00Z"},
}


def features() -> tuple[Feature, ...]:
    """Return what the real ADQL can do, as the capabilities say it."""
    return tuple(Feature(known.type, known.form, known.description) for known in adql.features())


def directories(root: Path) -> Directories:
    """Return what opens the directories of releases below a root, as the hub does."""

    def directory(collection: str, release: str) -> int:
        try:
            return os.open(root / collection / release, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise NoFile from error

    return directory


def image(path: Path, ra: float, dec: float, *, pixels: int = 60, step: float = 0.01, **cards: Any) -> Path:
    """Write an image of the sky around a place, north up, with a scale in degrees a pixel."""
    header = fits.Header(cards)
    header.update(_plane(ra, dec, pixels, step))
    values = np.random.default_rng(pixels).normal(10, 2, (pixels, pixels)).astype("f4")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(values, header).writeto(path, overwrite=True)
    return path


def _plane(ra: float, dec: float, pixels: int, step: float) -> fits.Header:
    middle = (pixels + 1) / 2
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS"})
    header.update({"CRVAL1": ra, "CRVAL2": dec, "CRPIX1": middle, "CRPIX2": middle, "CDELT1": -step, "CDELT2": step})
    return header


def cube(path: Path, ra: float, dec: float, *, pixels: int = 20, planes: int = 8, step: float = 0.01, **cards: Any) -> Path:
    """Write a cube from 500 nm in steps of 10 nm, in the middles of its planes."""
    wavelengths = {"CTYPE": "WAVE", "CUNIT": "m", "CRVAL": 500e-9, "CRPIX": 1.0, "CDELT": 10e-9}
    return hypercube(path, (ra, dec), {planes: wavelengths}, pixels=pixels, step=step, **cards)


def hypercube(
    path: Path, place: tuple[float, float], axes: Mapping[int, Mapping[str, Any]], *, pixels: int = 20, step: float = 0.01, **cards: Any
) -> Path:
    """Write a cube with further axes behind those of the sky: by their length, what stands of each before the number of the axis."""
    header = fits.Header(cards)
    header.update(_plane(*place, pixels, step))
    header.update({f"{keyword}{number}": value for number, axis in enumerate(axes.values(), start=3) for keyword, value in axis.items()})
    values = np.random.default_rng(sum(axes)).normal(10, 2, (*list(axes)[::-1], pixels, pixels)).astype("f4")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(values, header).writeto(path, overwrite=True)
    return path


def layers(path: Path, ra: float, dec: float) -> Path:
    """Write an image as MUSE has them: values, variances in the same sky, and flags that say nothing of the sky."""
    image(path, ra, dec)
    with fits.open(path, memmap=False) as plain:
        values, header = plain[0].data, plain[0].header
    flags = (values.astype("i4") % 5).astype("i2")
    hdus = [fits.ImageHDU(values, header, name="DATA"), fits.ImageHDU(values / 7, header, name="STAT"), fits.ImageHDU(flags, name="DQ")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def spectrum(path: Path) -> Path:
    """Write a spectrum of one dimension."""
    header = fits.Header({"CRVAL1": 4000.0, "CDELT1": 1.0, "CRPIX1": 1.0, "CUNIT1": "Angstrom", "RA": 10.0, "DEC": 20.0, "OBJECT": "line"})
    fits.PrimaryHDU(np.ones(100, "f4"), header).writeto(path, overwrite=True)
    return path


def fill(root: Path) -> None:
    """Lay the files of the three releases."""
    first, second, third = (root / "demo" / release for release in RELEASES)
    seen: dict[str, Any] = {"OBJECT": "M 13", "TELESCOP": "Long", "INSTRUME": "Camera", "DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 86.4}
    later: dict[str, Any] = {"OBJECT": "zero", "TELESCOP": "Short", "DATE-OBS": "2021-06-01T00:00:00", "EXPTIME": 10.0}
    image(first / "m13.fits", 250.4, 36.46, **seen)
    image(first / "images" / "a b+c.fits", 0.1, -5.0, **later)
    image(first / "pole.fits", 30.0, 90.0, OBJECT="pole")
    cube(first / "cube.fits", 53.1, -27.8, OBJECT="HDF", TELESCOP="Long")
    spectrum(first / "line.fits")
    (first / "notes.txt").write_text("what the observers said\n")
    image(second / "secret.fits", 250.4, 36.46, OBJECT="M 13", TELESCOP="Long")
    image(third / "next.fits", 250.4, 36.46, OBJECT="M 13", TELESCOP="Long")


def fill_with_axes(root: Path) -> None:
    """Lay the same, and in the first release cubes of air, of a radio telescope and of time, and an image in layers."""
    fill(root)
    first, counted = root / "demo" / "dr1", {"CRPIX": 1.0}
    air = {"CTYPE": "AWAV", "CUNIT": "Angstrom", "CRVAL": 4800.0, "CDELT": 1.25}
    frequency = {"CTYPE": "FREQ", "CUNIT": "Hz", "CRVAL": 1.4e9, "CDELT": 1e6}
    hypercube(first / "air.fits", (85.0, -2.0), {400: air | counted}, pixels=6, SKY_RES=0.7, SPEC_RES=2988.0, EXPTIME=600.0)
    stokes = {"CTYPE": "STOKES", "CRVAL": 1.0, "CDELT": 1.0}
    hypercube(first / "radio.fits", (201.4, -43.0), {5: frequency | counted, 4: stokes | counted}, BMAJ=0.0025)
    hypercube(
        first / "movie.fits", (299.9, 40.7), {6: {"CTYPE": "UTC", "CUNIT": "d", "CRVAL": 0.5, "CDELT": 1.0} | counted}, MJDREF=59000.0
    )
    layers(first / "layers.fits", 150.0, 2.0)


def ingest(root: Path, tables: Path) -> None:
    """Put the products of each release on a shelf, as an ingest does."""
    places = []
    for release in sorted(root.glob("*/*")):
        place = (release.parent.name, release.name)
        folder = tables.joinpath(*place)
        folder.mkdir(parents=True, exist_ok=True)
        sidecar.replace_json(folder / NAME, {"products": [product.to_json() for product in products(release, set())]})
        places.append(place)
    shelf.write_index(tables, places)


def gallery_platform(**releases: Mapping[str, Any]) -> Platform:
    """Return the platform of the gallery, with what is said of some of its releases changed."""
    told = {name: {**about, **releases.get(name, {})} for name, about in RELEASES.items()}
    return Platform.model_validate(described(teams=CRAFT, collections={"demo": {"title": "Demo", "releases": told}}))


@dataclass(frozen=True)
class Gallery:
    """A served gallery; `releases` has the files, and `known` who is who."""

    address: str
    site: Site
    releases: Path
    known: Identities


@contextmanager
def gallery(
    place: Path,
    platform: Platform | None = None,
    token: str | None = None,
    before: Callable[[Path], None] = fill,
    door: Callable[[Path], Directories] = directories,
    beside: Callable[[Path], object] = lambda _: None,
) -> Iterator[Gallery]:
    """Serve the gallery from a directory, with the HiPS in its `surveys`, to everybody or to whom that token is.

    `door` gives what opens the directories of releases below a root; `beside` lays tables on the shelf of their products.
    """
    root = place / "releases"
    before(root)
    ingest(root, place / "tables")
    beside(place / "tables")
    at = listening("127.0.0.1", 0)
    with hung(place, address_of(at), platform, door) as site:
        jobs = JobStore(place / "jobs")
        app = create(site, jobs, features(), directories=door(root))
        with served(SignedIn(app, token) if token else app, at) as address:
            yield Gallery(address, site, root, site.identities)
        jobs.close()


@contextmanager
def hung(
    place: Path,
    address: str,
    platform: Platform | None = None,
    door: Callable[[Path], Directories] = directories,
    slots: Slots | None = None,
) -> Iterator[Site]:
    """Have the site of a gallery that is laid and ingested; it spills and spools into directories of this process."""
    own = place / f"of-{os.getpid()}"
    for name in ("spill", "spool"):
        (own / name).mkdir(parents=True)
    tables = place / "tables"
    known = identities(known=platform or gallery_platform())
    computing = ConesFirst(DuckDBBackend(Room(tables, own / "spill"), prepare=adql.register))
    lying = shelf.Shelf(tables)
    store = TableStore(lying, Doors.below(address))
    site = Site(TablesEngine(known.records, store, computing, translate), known, Threads(4), own / "spool", address, slots=slots)
    site.surveys = place / "surveys"
    site.archive = Archive(known.records, lying, door(place / "releases"), store.observations)
    yield site
    computing.close()
