"""Three cutouts of one place as one picture in colour."""

from typing import TYPE_CHECKING

from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from bowerbird.cut import Cut
    from bowerbird.stamp import Limits, Stamp


def rgb(red: "Cut", green: "Cut", blue: "Cut", *, stretch: str = "asinh", limits: "Limits" = 99.5) -> "Stamp":
    """Return the picture of three cutouts of one place in three bands, on the pixels of the first.

    Parameters
    ----------
    red, green, blue : Cut
        What `cutouts` made of three images; their pixels need not be the same.
    stretch : {"asinh", "linear", "sqrt", "log"}
        How the brightness grows.
    limits : float, "zscale" or (float, float)
        How many percent of each band's pixels are neither black nor white; IRAF's limits; or the values of black and white, in the
        images' unit, for all three.

    Returns
    -------
    Stamp
        A PNG picture that a notebook shows; ``write(path)`` makes a file of it. What a band lacks is transparent.

    Raises
    ------
    ValueError
        A band that is no cutout; a stretch or limits that cannot be understood.

    """
    from bowerbird.stamp import Look, in_colour  # noqa: PLC0415  # `import bowerbird` stays light

    for band, given in (("red", red), ("green", green), ("blue", blue)):
        if given is None:
            raise BadArgument(f"{band} is None, a cutout that could not be made; its row's 'reason' says why")
        if not hasattr(given, "hdu"):
            raise BadArgument(f"{band} is what bowerbird.cutouts made, like made['cutout'][0], not {type(given).__name__}")
    return in_colour(red, green, blue, Look(stretch, limits))
