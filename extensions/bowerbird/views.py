"""What a notebook looks at a table with: its rows, stamps of its sources, and the sky around them, linked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from bowerbird.image import Choices
    from bowerbird.lab.result_table import ResultTable
    from bowerbird.lab.sky_view import SkyView
    from bowerbird.lab.stamp_strip import StampStrip
    from bowerbird.regions import Positions
    from bowerbird.slab import Band
    from bowerbird.stamp import Limits
    from bowerbird.stencil import Size


def show(table: Any, *, name: str | None = None) -> "ResultTable":
    """Return a table as one looks at it: of any length, sorted, filtered and selected in the notebook.

    Parameters
    ----------
    table : Table or QTable
        The rows.
    name : str, optional
        What "Copy as Python" calls it; without it, the name of its variable.

    Returns
    -------
    ResultTable
        Shows itself; ``selected`` has the numbers of the selected rows, and ``chosen()`` is a table of them.

    """
    from astropy.table import Table  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.lab.result_table import ResultTable  # noqa: PLC0415  # as above
    from bowerbird.lab.variables import name_of  # noqa: PLC0415  # as above

    if not isinstance(table, Table):
        raise BadArgument(f"show takes a table of astropy, such as query returns, not {type(table).__name__}")
    return ResultTable(table, name or name_of(table))


def stamps(  # noqa: PLR0913  # most are named when they are given
    positions: "Positions",
    size: "Size | Any" = None,
    image: Any = None,
    *,
    hdu: "Choices" = None,
    band: "Band | None" = None,
    label: str | Sequence[Any] | None = None,
    stretch: str = "asinh",
    limits: "Limits" = 99.5,
    colour: str = "grey",
    invert: bool = False,
    name: str | None = None,
) -> "StampStrip":
    """Return stamps of many sources, which are cut as they come into view.

    Parameters
    ----------
    positions : Table, SkyCoord, array or list
        The sources, as for `cutouts`; or a table that `cutouts` made, which needs no more.
    size : Quantity, Angle, str, pair of them, column, or name of a column
        The side of a stamp, as for `cutouts`.
    image : path, list of paths, or name of a column
        The FITS file, or one for each source, here or of an archive, as for `cutouts`; or a folder, a release or a
        collection: then there is a stamp for each image that holds a source, and ``chosen()`` has a row for each.
    hdu : int, str or (str, int), optional
        Which HDU, as for `cutout`.
    band : pair of Quantities, str or numbers, or the name of a filter, optional
        Which wavelengths of cubes, or of which filter an image must be, as for `cutouts`.
    label : name of a column, or list, optional
        What stands below each stamp; without it, the number of its row.
    stretch : {"asinh", "linear", "sqrt", "log"}
        How the brightness grows.
    limits : float, "zscale" or (float, float)
        How many percent of a stamp's pixels are neither black nor white; IRAF's limits; or the values of black and
        white, in the image's unit, for all.
    colour : {"grey", "heat", "viridis", "magma"}
        The colours from faint to bright.
    invert : bool
        Whether bright is dark.
    name : str, optional
        What "Copy as Python" calls the positions; without it, the name of their variable.

    Returns
    -------
    StampStrip
        Shows itself; ``selected`` has the numbers of the selected rows, and ``chosen()`` is a table of them. A source
        that cannot be cut has the reason in place of its stamp.

    """
    from bowerbird.lab.stamp_labels import labels  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.lab.stamp_source import source  # noqa: PLC0415  # as above
    from bowerbird.lab.stamp_strip import StampStrip  # noqa: PLC0415  # as above
    from bowerbird.lab.variables import name_of  # noqa: PLC0415  # as above
    from bowerbird.stamp import Look  # noqa: PLC0415  # as above

    look = Look(stretch, limits, colour, invert)
    found = source(positions, size, image, hdu, band)
    called, each = name or name_of(positions), found.sources(positions)
    return StampStrip(found, each, look, labels(label, each, len(found)), called)


def skymap(  # noqa: PLR0913  # most are named when they are given
    table: "Positions | None" = None,
    *,
    survey: str | None = None,
    band: "Band | None" = None,
    image: Any = None,
    footprints: Any = None,
    moc: Any = None,
    position: Any = None,
    width: Any = None,
    name: str | None = None,
) -> "SkyView":
    """Return a map of the sky around sources.

    Parameters
    ----------
    table : Table, SkyCoord, array or list, optional
        The sources, as for `cutouts`; of many thousands every second or third is drawn.
    survey : str, optional
        A release whose images are the sky behind, such as ``"a370/dr1"``; its HiPS is shown to those who may read it.
        Without it, the release of the image, or of the tables that `query` had the sources from; ``""`` is none.
    band : pair of Quantities, str or numbers, or the name of a filter, optional
        In which band, as for `cutouts`: that of a filter, such as ``"r"``, or the first that has some of the wavelengths.
        Without it, the band that covers the most of the sky; the map offers the others.
    image : path, optional
        A FITS image to show, of which a small copy is made; its outline is drawn.
    footprints : Table, or list, optional
        Outlines to draw: a table with a column ``s_region``, such as an answer of ObsTAP; or a list of such texts, or of
        FITS files.
    moc : mocpy.MOC or dict, optional
        A coverage to draw.
    position : SkyCoord, str or (ra, dec), optional
        The centre, as for `cone`; without it, that of what is shown.
    width : Quantity or str, optional
        How much is shown, such as ``"10 arcmin"``.
    name : str, optional
        What "Copy as Python" calls the sources; without it, the name of their variable.

    Returns
    -------
    SkyView
        Shows itself; ``selected`` has the numbers of the selected rows, and ``chosen()`` is a table of them.

    """
    from bowerbird.lab.sky_scene import Asked, scene  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.lab.sky_view import SkyView  # noqa: PLC0415  # as above
    from bowerbird.lab.variables import name_of  # noqa: PLC0415  # as above

    asked = Asked(survey, band, image, footprints, moc, position, width)
    return SkyView(scene(table, asked), table, asked.arguments(), name or name_of(table))


def linked(*views: Any) -> Any:
    """Return views of one table below each other: what is selected in one is selected in all, and stamps follow sort and filter.

    Parameters
    ----------
    *views
        What `stamps`, `skymap` and `show` return, or a table, which is shown as by `show`; row 5 is the same source in all.

    Returns
    -------
    ipywidgets.VBox
        All of them; its ``children`` are the views.

    """
    from ipywidgets import VBox  # noqa: PLC0415  # `import bowerbird` stays light
    from traitlets import dlink, link  # noqa: PLC0415  # as above

    made = [show(view) if hasattr(view, "colnames") else view for view in views]
    for number, view in enumerate(made, start=1):
        if not hasattr(view, "selected"):
            raise BadArgument(f"view {number} is a {type(view).__name__}; link what bowerbird.stamps, skymap and show return, or a table")
    for other in made[1:]:
        link((made[0], "selected"), (other, "selected"))
    rows = next((view for view in made if hasattr(view, "view")), None)
    for view in made:
        if rows is not None and view is not rows and hasattr(view, "look"):
            dlink((rows, "order"), (view, "order"))
    return VBox(made)


def shown_cutouts(table: Any) -> Any:
    """Return how a notebook shows a table that `cutouts` made: its stamps above its rows, linked; without scripts, the stamps."""
    strip = stamps(table)
    rows = table.copy(copy_data=False)
    del rows["cutout"]
    both = linked(strip, show(rows, name=strip.name))
    return {**both._repr_mimebundle_(), **strip.still()}
