"""Bowerbird in a notebook: what you may read, how to cite it, pieces of images cut exactly, and rows of tables.

>>> import bowerbird
>>> bowerbird.releases()
>>> cut = bowerbird.cutout("/data/releases/a370/dr1/a370_i.fits", "02h39m53s -01d34m50s", "1 arcmin")
>>> stars = bowerbird.query("SELECT TOP 10 * FROM gaia_bright_dr3.stars")
>>> bowerbird.stamps(sources, "10 arcsec", "/data/releases/a370/dr1/a370_i.fits")

The names below are all there is for a researcher; a module is imported when it is first needed.
"""

from bowerbird.about import About, about
from bowerbird.archive import images, links
from bowerbird.bands import rgb
from bowerbird.catalogues import cone, jobs, match, query
from bowerbird.cutout import cutout
from bowerbird.cutouts import cutouts
from bowerbird.errors import CutoutError, NotCuttable, OutsideImage, Overflow, QueryRefused, Refused, ServiceError
from bowerbird.releases import Release, Releases, releases
from bowerbird.views import linked, show, skymap, stamps

__all__ = [
    "About",
    "CutoutError",
    "NotCuttable",
    "OutsideImage",
    "Overflow",
    "QueryRefused",
    "Refused",
    "Release",
    "Releases",
    "ServiceError",
    "about",
    "cone",
    "cutout",
    "cutouts",
    "images",
    "jobs",
    "linked",
    "links",
    "match",
    "query",
    "releases",
    "rgb",
    "show",
    "skymap",
    "stamps",
]
