"""ngc/dr1: the New General Catalogue and the Index Catalogues, from OpenNGC, with two images."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.tables import Column, table, write

DATABASE = Original("pyongc", "1.2.2", "pyongc/ongc.db", 5_492_736, "22143102cd4ba1cafd17041541e5f3921dc40cbd8c42a588b291fe66e6a01d0b")
M13 = Original(
    "astropy",
    "8",
    "astropy/io/fits/hdu/compressed/tests/data/m13.fits",
    184_320,
    "eb3e208edbe302cae0ea45d17ab618930d85847da3f5e6ffd53d9410ec0a5a45",
)
NGC_1316 = Original(
    "astropy",
    "8",
    "astropy/io/fits/tests/data/comp.fits",
    86_400,
    "bc675bd775cd526ba49e971e5257c302877efcc3aa89a9a893c10f43b0ce525a",
)
OBJECTS = """
    SELECT objects.*, objTypes.typedesc FROM objects JOIN objTypes USING (type)
    WHERE ra IS NOT NULL AND dec IS NOT NULL ORDER BY objects.id
"""
IDENTIFIERS = """
    SELECT objIdentifiers.name, identifier FROM objIdentifiers JOIN objects USING (name)
    WHERE ra IS NOT NULL ORDER BY objIdentifiers.id
"""
# A measured number: column of the database, our name, unit, UCD, what it is. Absent ones are NaN.
NUMBERS = (
    ("majax", "major_axis", "arcmin", "phys.angSize.smajAxis", "apparent major axis, full length"),
    ("minax", "minor_axis", "arcmin", "phys.angSize.sminAxis", "apparent minor axis, full length"),
    ("pa", "position_angle", "deg", "pos.posAng", "of the major axis, from north to east"),
    ("bmag", "b_mag", "mag", "phot.mag;em.opt.B", "apparent magnitude in B"),
    ("vmag", "v_mag", "mag", "phot.mag;em.opt.V", "apparent magnitude in V"),
    ("jmag", "j_mag", "mag", "phot.mag;em.IR.J", "apparent magnitude in J"),
    ("hmag", "h_mag", "mag", "phot.mag;em.IR.H", "apparent magnitude in H"),
    ("kmag", "k_mag", "mag", "phot.mag;em.IR.K", "apparent magnitude in K"),
    ("sbrightn", "surface_brightness", "mag arcsec-2", "phot.mag.sb;em.opt.B", "mean in B within the 25 mag arcsec-2 isophote; galaxies"),
    ("parallax", "parallax", "mas", "pos.parallax", "parallax"),
    ("pmra", "pm_ra", "mas yr-1", "pos.pm;pos.eq.ra", "proper motion in right ascension times cos(dec)"),
    ("pmdec", "pm_dec", "mas yr-1", "pos.pm;pos.eq.dec", "proper motion in declination"),
    ("radvel", "radial_velocity", "km s-1", "spect.dopplerVeloc", "heliocentric radial velocity"),
    ("redshift", "redshift", None, "src.redshift", "heliocentric redshift"),
)


def _columns(rows: list[sqlite3.Row]) -> list[Column]:
    def texts(key: str, shown: Callable[[str], str] = str) -> Any:
        return np.array([shown(row[key] or "") for row in rows])

    def numbers(key: str) -> Any:
        return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=np.float64)

    messier = np.array([int(row["messier"] or 0) for row in rows], dtype=np.int16)
    return [
        Column("name", texts("name"), "name in OpenNGC, such as NGC0224 or IC0434", ucd="meta.id;meta.main"),
        Column("ra", np.degrees(numbers("ra")), "right ascension, ICRS (J2000)", "deg", "pos.eq.ra;meta.main"),
        Column("dec", np.degrees(numbers("dec")), "declination, ICRS (J2000)", "deg", "pos.eq.dec;meta.main"),
        Column("type", texts("type"), "kind of object, the code of OpenNGC: G is a galaxy", ucd="src.class"),
        Column("type_name", texts("typedesc"), "kind of object in words", ucd="src.class"),
        Column("constellation", texts("const"), "constellation, its short name of the IAU", ucd="meta.id;obs.field"),
        Column("messier", messier, "number in Messier's catalogue", ucd="meta.id", null=0),
        Column("common_names", texts("commonnames"), "names in common use, with commas between them", ucd="meta.id"),
        Column("hubble", texts("hubble"), "Hubble type of a galaxy", ucd="src.morph.type"),
        *(Column(name, numbers(key).astype(np.float32), about, unit, ucd) for key, name, unit, ucd, about in NUMBERS),
    ]


def make_catalogue(stock: Stock, path: Path) -> None:
    """Write the objects that have a position, and every name of them, out of OpenNGC's database."""
    with closing(sqlite3.connect(f"{stock.path(DATABASE).absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        database.row_factory = sqlite3.Row
        objects = _columns(database.execute(OBJECTS).fetchall())
        names = database.execute(IDENTIFIERS).fetchall()
    aliases = [
        Column("name", np.array([row["name"] for row in names]), "name in the table NGC", ucd="meta.id;meta.main"),
        Column("alias", np.array([row["identifier"] for row in names]), "a name of the same object, without blanks", ucd="meta.id"),
    ]
    notes = ("From OpenNGC, CC BY-SA 4.0; see ATTRIBUTION.md.", "Seven entries without a position (nonexistent objects) are left out.")
    write(path, table("NGC", objects, notes), table("ALIASES", aliases, notes[:1]))


RELEASE = Release(
    collection="ngc",
    name="dr1",
    title="NGC and IC objects",
    originals=(DATABASE, M13, NGC_1316),
    products=(Product("ngc_dr1.fits", make_catalogue, 5_000_000), copy(M13, "m13.fits"), copy(NGC_1316, "ngc1316.fits")),
    credits=(
        Credit(
            "ngc_dr1.fits (derived)",
            "OpenNGC by Mattia Verga, as packaged in pyongc 1.2.2; positions turned from radians to degrees, columns renamed",
            "Creative Commons Attribution-ShareAlike 4.0, https://creativecommons.org/licenses/by-sa/4.0/; it holds for this table too",
            "M. Verga, OpenNGC, https://github.com/mattiaverga/OpenNGC",
        ),
        Credit(
            "m13.fits (original)",
            "an image of the globular cluster M 13 out of SkyView, as packaged among astropy's test data; the survey is not named in it",
            "distributed with astropy under BSD-3-Clause; SkyView asks for the survey's own terms",
            "SkyView, https://skyview.gsfc.nasa.gov; The Astropy Collaboration",
        ),
        Credit(
            "ngc1316.fits (original)",
            "an optical image of NGC 1316 (Fornax A) out of AIPS, tile-compressed, as packaged among astropy's test data; B1950",
            "distributed with astropy under BSD-3-Clause; its header names no other terms",
            "The Astropy Collaboration",
        ),
    ),
)
