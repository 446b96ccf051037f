"""a370/dr1: the cluster of galaxies Abell 370 with its giant arc, in the I band."""

from pathlib import Path

from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.sources import Detection, columns, find, read_image
from demo_releases.tables import table, write

IMAGE = Original(
    "mpdaf", "3.6", "mpdaf/data/obj/a370II.fits", 6_871_680, "a7d833769b3c0e53f9de1de02af58d772258f3391753c87e81a47dcc7ad4edaf"
)


def make_sources(stock: Stock, path: Path) -> None:
    """Write the sources of the image."""
    image = read_image(stock.path(IMAGE), flux_unit="adu")
    notes = (
        "Found by photutils in the image of this release; blends are one row.",
        "Bright stars are saturated, and their trails make them long.",
    )
    write(path, table("SOURCES", columns(image, find(image, Detection(mesh=64, fwhm=4.0))), notes))


RELEASE = Release(
    collection="a370",
    name="dr1",
    title="Abell 370, I band",
    originals=(IMAGE,),
    products=(copy(IMAGE, "a370_i.fits"), Product("sources.fits", make_sources, 300_000)),
    credits=(
        Credit(
            "a370_i.fits (original)",
            "the median of five exposures of 1,800 s with FOCAM at the Canada-France-Hawaii Telescope, 1991, observers Fort and Cailloux "
            "by its header, as packaged among the test data of mpdaf 3.6",
            "distributed with mpdaf under BSD-3-Clause; its header names no other terms",
            "Bacon et al. 2016, MPDAF, ASCL:1611.003. Based on observations obtained at the Canada-France-Hawaii Telescope.",
        ),
        Credit("sources.fits (derived)", "photutils on the image", "as the image", "as the image, and photutils"),
    ),
)
