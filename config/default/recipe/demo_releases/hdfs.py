"""hdfs/dr1: a part of the Hubble Deep Field South, seen by HST and by MUSE."""

from pathlib import Path

from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.sources import Detection, columns, find, read_image
from demo_releases.tables import table, write

HST = Original(
    "mpdaf", "3.6", "mpdaf/data/obj/HST-HDFS.fits", 1_846_080, "85ddcd27931ccebe1c2a28e233c10a1a11ee2a5d656f4077009e32ef7a6bdfe2"
)
MUSE = Original(
    "mpdaf", "3.6", "mpdaf/data/obj/IMAGE-HDFS-1.34.fits", 984_960, "3d9e56dbbfe02be84e0ab76d5cc5c269d5db3549060f4fb85e128b95f909238a"
)


def make_sources(stock: Stock, path: Path) -> None:
    """Write the sources of both images, a table each; the same source has a row in each."""
    hst = read_image(stock.path(HST), "DATA")
    muse = read_image(stock.path(MUSE), "DATA", no_data=0.0)
    notes = ("Found by photutils in the images of this release; blends are one row. Neither image gives a unit for its flux.",)
    write(
        path,
        table("HST_F606W", columns(hst, find(hst, Detection(mesh=50, fwhm=3.0))), notes),
        table("MUSE_WHITE", columns(muse, find(muse, Detection(mesh=32, fwhm=3.0))), notes),
    )


RELEASE = Release(
    collection="hdfs",
    name="dr1",
    title="Hubble Deep Field South, HST and MUSE",
    originals=(HST, MUSE),
    products=(copy(HST, "hst_f606w.fits"), copy(MUSE, "muse_white.fits"), Product("sources.fits", make_sources, 200_000)),
    credits=(
        Credit(
            "hst_f606w.fits (original)",
            "HST/WFPC2 F606W, a part of the Hubble Deep Field South, as packaged among the test data of mpdaf 3.6",
            "NASA/ESA/STScI data, free to use with credit; distributed with mpdaf under BSD-3-Clause",
            "Casertano et al. 2000, AJ 120, 2747 (doi:10.1086/316851). Based on observations made with the NASA/ESA Hubble Space "
            "Telescope.",
        ),
        Credit(
            "muse_white.fits (original)",
            "the white-light image of the MUSE data cube of the field, as packaged among the test data of mpdaf 3.6",
            "distributed with mpdaf under BSD-3-Clause; based on observations of ESO, whose archive's terms ask for the credit below",
            "Bacon et al. 2015, A&A 575, A75 (doi:10.1051/0004-6361/201425419). Based on observations collected at the European Southern "
            "Observatory.",
        ),
        Credit("sources.fits (derived)", "photutils on the two images", "as the images", "as the images, and photutils"),
    ),
)
