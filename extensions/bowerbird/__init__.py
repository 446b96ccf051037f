"""Bowerbird in a notebook: what you may read, how to cite it, and pieces of images cut exactly.

>>> import bowerbird
>>> bowerbird.releases()
>>> cut = bowerbird.cutout("/data/releases/a370/dr1/a370_i.fits", "02h39m53s -01d34m50s", "1 arcmin")

The names below are all there is for a researcher; a module is imported when it is first needed.
"""

from bowerbird.about import About, about
from bowerbird.cutout import cutout
from bowerbird.errors import CutoutError, NotCuttable, OutsideImage, Refused
from bowerbird.releases import Release, Releases, releases

__all__ = [
    "About",
    "CutoutError",
    "NotCuttable",
    "OutsideImage",
    "Refused",
    "Release",
    "Releases",
    "about",
    "cutout",
    "releases",
]
