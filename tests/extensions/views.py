"""A small `/data` in a temporary folder: the files that the tutorial reads, in their real formats, and the manifest."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

SENTENCE = (
    "Reading release a478/ifs-dr1 is refused: it is proprietary to team craft, until 2027-12-01 00:00 UTC. "
    "Who can change that: the owners of team craft (the owner of the team Craft)."
)
PUBLIC = {
    "ngc/dr1": "NGC and IC objects",
    "gaia-bright/dr3": "Bright stars of Gaia DR3",
    "hdfs/dr1": "Hubble Deep Field South, HST and MUSE",
    "a370/dr1": "Abell 370, I band",
}
PROPRIETARY = "a478/ifs-dr1"


def make_view(root: Path, *, member: bool = True) -> Path:
    """Make a view for one of the team that owns the proprietary release, or for somebody of another team."""
    for name in (*PUBLIC, PROPRIETARY):
        (root / "releases" / name).mkdir(parents=True)
    _catalogues(root / "releases")
    _images(root / "releases")
    if member:
        _cube(root / "releases" / PROPRIETARY)
    (root / "releases" / PROPRIETARY / "README").write_text("what, whose, until when\n")
    (root / "teams" / ("craft" if member else "eso")).mkdir(parents=True)
    (root / "home").mkdir()
    _checksums(root / "releases/a370/dr1")
    (root / "private").mkdir()
    if member:
        (root / "private" / "a478-ifs-dr1").symlink_to(root / "releases" / PROPRIETARY)
    (root / ".view.json").write_text(json.dumps(manifest(member)))
    return root


def manifest(member: bool) -> dict[str, Any]:
    """Return what the platform writes into the view."""
    name = "craft" if member else "eso"
    team = {"name": name, "role": "member", "path": f"/data/teams/{name}", "until": None}
    public = [_entry(name, title, standing="public", path=f"/data/releases/{name}") for name, title in PUBLIC.items()]
    title = "Abell 478, integral-field spectroscopy"
    own = _entry(PROPRIETARY, title, standing="proprietary", path=f"/data/releases/{PROPRIETARY}")
    closed = _entry(PROPRIETARY, title, standing="announced", path=None, sentence=SENTENCE)
    proprietary = {**(own if member else closed), "public_on": "2027-12-01T00:00:00+00:00", "teams": ["craft"]}
    return {"version": 1, "user": "researcher" if member else "visitor", "releases": [*public, proprietary], "teams": [team]}


def _entry(name: str, title: str, **more: Any) -> dict[str, Any]:
    collection, release = name.split("/")
    entry: dict[str, Any] = {"collection": collection, "release": release, "title": title, "description": "Some <b>words</b>."}
    entry |= {"public_on": None, "teams": []}
    entry |= {"contact": "the administrator", "cite": "Bacon et al. 2016", "doi": "10.1/x", "licence": "CC BY 4.0", "source": "a package"}
    return entry | more


def _catalogues(releases: Path) -> None:
    dice = np.random.default_rng(5)
    ra, dec = dice.uniform(0, 360, 500), np.degrees(np.arcsin(dice.uniform(-1, 1, 500)))
    Table({"ra": ra, "dec": dec}).write(releases / "gaia-bright/dr3/gaia_bright_dr3.fits")
    Table({"name": [f"NGC{number}" for number in range(500)], "ra": ra, "dec": dec, "type": ["G", "PN"] * 250}).write(
        releases / "ngc/dr1/ngc_dr1.fits"
    )
    number = np.arange(20)
    sources = Table({"id": number, "ra": 338.2424 + number * 1e-4, "dec": np.full(20, -60.5588), "flux": 1.0 / (number + 1)})
    sources.meta["EXTNAME"] = "HST_F606W"
    sources.write(releases / "hdfs/dr1/sources.fits")


def field(centre: tuple[float, float], scale: float, side: int) -> fits.Header:
    """Return the header of a square image: its centre, its arcseconds a pixel, its pixels a side."""
    header = fits.Header()
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": centre[0], "CRVAL2": centre[1], "CUNIT1": "deg", "CUNIT2": "deg"})
    header.update({"CDELT1": -scale / 3600, "CDELT2": scale / 3600, "CRPIX1": side / 2, "CRPIX2": side / 2, "RADESYS": "ICRS"})
    return header


def _images(releases: Path) -> None:
    dice = np.random.default_rng(6)
    arc = dice.normal(2000, 20, (400, 400)).astype("i2")
    fits.PrimaryHDU(arc, field((39.9708, -1.5822), 0.2, 400)).writeto(releases / "a370/dr1/a370_i.fits")
    for name, scale, side in (("hst_f606w", 0.04, 300), ("muse_white", 0.2, 80)):
        image = fits.ImageHDU(dice.normal(0, 1, (side, side)).astype("f4"), field((338.2424, -60.5588), scale, side), name="DATA")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(releases / f"hdfs/dr1/{name}.fits")


def _cube(release: Path) -> None:
    header = field((63.3554, 10.4656), 0.2, 40)
    header.update({"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4750.0, "CRPIX3": 1.0, "CDELT3": 25.0})
    header["BUNIT"] = "erg/s/cm**2/Angstrom"
    cube = fits.ImageHDU(np.random.default_rng(7).normal(5, 1, (180, 40, 40)).astype("f4"), header, name="DATA")
    fits.HDUList([fits.PrimaryHDU(), cube]).writeto(release / "muse_cube.fits")


def _checksums(release: Path) -> None:
    for file in release.iterdir():
        os.setxattr(file, "user.bowerbird.sha256", hashlib.sha256(file.read_bytes()).hexdigest().encode())
