"""Pieces around many positions in one call: a table with a column of them, and a reason where there is none."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.errors import BadArgument
from bowerbird.refusals import writable

if TYPE_CHECKING:
    from astropy.table import Table

    from bowerbird.covering import Spread
    from bowerbird.cut import Cuts
    from bowerbird.image import Choices
    from bowerbird.regions import Positions, Regions
    from bowerbird.slab import Band, Slab
    from bowerbird.stencil import Size


def cutouts(  # noqa: PLR0913  # most are named when they are given
    positions: "Positions",
    size: "Size | Any",
    image: "str | os.PathLike[str] | Sequence[Any]",
    *,
    hdu: "Choices" = None,
    mode: str = "trim",
    band: "Band | None" = None,
    folder: str | os.PathLike[str] | None = None,
    names: str | Sequence[Any] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> "Table":
    """Return pieces around many positions, each as `cutout` makes it, in one table.

    Images are opened once each, and their pixels are read in the order in which they lie. A source that cannot be cut
    is a row with a reason, and fails no other.

    Parameters
    ----------
    positions : Table, SkyCoord, array or list
        A table with a SkyCoord column, or with columns such as ``ra`` and ``dec`` (or their UCDs); a SkyCoord of many
        positions; an array of n × 2 degrees, ICRS; or a list of positions as `cutout` takes them.
    size : Quantity, Angle, str, pair of them, column, or name of a column
        As for `cutout`, the same for all; or a column with a unit: n sides, or n × 2 (height, width).
    image : path, list of paths, or name of a column
        The FITS file, or one for each position: a list, or the name of the table's column that holds them. One that is
        not here is named by its publisher DID (``ivo://…``) or by its address of DataLink, as `images` finds them: the
        service that has it cuts it (SODA), and the pixels are the same. Or a folder, a release (``"a370/dr1"``) or a
        collection: every image there that holds a part of the square is cut.
    hdu : int, str, (str, int) or list of them, optional
        Which HDU or HDUs, as for `cutout`.
    mode : {"trim", "partial", "strict"}
        What happens at an edge, as for `cutout`.
    band : pair of Quantities, str or numbers, or the name of a filter, optional
        Of cubes, which wavelengths, as for `cutout`; or of which filter (``FILTER`` in the header) an image must be, such as ``"r"``. Of
        a folder, release or collection only the images are cut that have some of the band; any other has the reason.
    folder : path, optional
        Where to write one FITS file for each source; it is made if need be. Each file appears when it is whole, and
        one that is there already is not cut again. Memory is bounded then, whatever the number of sources; without a
        folder all cutouts are held in memory, 4 GB of them at most.
    names : list of str, or name of a column, optional
        What the files are called; without it, by their row: ``000000.fits`` and so on. Where images are of a folder or
        release, the image's name follows each.
    progress : callable, optional
        Called as ``progress(done, of)`` after each source.

    Returns
    -------
    astropy.table.Table
        The table that was given, or one with the columns ``ra`` and ``dec`` (degrees, ICRS), with two more columns:
        ``cutout``, with a `Cut` each (None where there is none), and ``reason``, why there is none. With a folder also
        ``file``. Where images are of a folder or release, each row is there once for every image, in the column
        ``image``, that holds a part of its square.

    Raises
    ------
    ValueError
        An argument as a whole cannot be understood.
    OSError
        The folder cannot be made or written, or there is no room left in it. What is written stays, and the same call goes on there.

    """
    from bowerbird.batch import Wish  # noqa: PLC0415  # astropy's FITS and WCS: a third of a second
    from bowerbird.cut import Cuts  # noqa: PLC0415  # as above
    from bowerbird.folder import Folder, files_in  # noqa: PLC0415  # as above
    from bowerbird.remote import cut_each  # noqa: PLC0415  # as above
    from bowerbird.slab import slab  # noqa: PLC0415  # as above
    from bowerbird.window import mode_of  # noqa: PLC0415  # as above

    if progress is not None and not callable(progress):
        raise BadArgument(f"progress is {progress!r}; give a function, like print, that is called as progress(done, of)")
    along = slab(band)
    wanted, images, held = sources(positions, size, image, hdu, along)
    count = len(wanted)
    files: Sequence[Path | None] = ()
    if folder is not None:
        files, troubles = files_in(Path(folder), _names(names, positions, held), count)
        with writable(folder):
            Path(folder).mkdir(parents=True, exist_ok=True)
        wanted.troubles[:] = [first or second for first, second in zip(wanted.troubles, troubles, strict=True)]
    cuts = Cuts(count, files)
    with closing(Folder(Path(folder))) if folder is not None else nullcontext() as into:
        wish = Wish(hdu, mode_of(mode), files, into, slab=along)
        for done, made in enumerate(cut_each(wanted, images, wish), start=1):
            cuts.take(made)
            if progress is not None:
                progress(done, count)
    return _table(positions, held, wanted, cuts, with_files=folder is not None)


def sources(
    positions: "Positions", size: "Size | Any", image: Any, hdu: "Choices", along: "Slab | None" = None
) -> "tuple[Regions, Sequence[str | os.PathLike[str]], Spread | None]":
    """Return squares and the file of each, of arguments as `cutouts` takes them; of a folder or release, how they were spread too."""
    from bowerbird.covering import folders, spread  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.regions import regions  # noqa: PLC0415  # as above
    from bowerbird.slab import WHOLE  # noqa: PLC0415  # as above

    wanted, where = regions(positions, _size(size, positions)), folders(_column(image, positions))
    if not where:
        return wanted, _each(image, positions, len(wanted)), None
    held = spread(where, wanted, hdu, along or WHOLE)
    return held.wanted, held.images, held


def _column(names: Any, positions: Any) -> Any:
    """Return the column of that name where the positions are a table that has it."""
    return positions[names] if isinstance(names, str) and names in getattr(positions, "colnames", ()) else names


def _size(size: Any, positions: Any) -> Any:
    found = _column(size, positions)
    if isinstance(found, str) and found.isidentifier():
        _refuse(found, "neither an angle, like '5 arcsec', nor a column", positions)
    return found


def _names(names: Any, positions: Any, held: "Spread | None") -> Any:
    found = _column(names, positions)
    if isinstance(found, str):
        _refuse(found, "no column, and names are one for each position", positions)
        raise BadArgument(f"names is {found!r}; give one for each position, in a list")
    return found if held is None or found is None else held.names(found)


def _each(image: Any, positions: Any, count: int) -> Sequence[str | os.PathLike[str]]:
    import numpy as np  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.stencil import ORDER  # noqa: PLC0415  # as above

    image = _column(image, positions)
    if isinstance(image, str | os.PathLike):
        if isinstance(image, str) and image.isidentifier() and not os.path.exists(image):
            _refuse(image, "neither a file that is there nor a column", positions)
        _expect_release(image)
        return [image] * count
    # A row may lack its image, and then has a reason; what is no name at all is a mistake of the call.
    each = image if hasattr(image, "__len__") else [image]
    if image is None or not all(isinstance(one, str | os.PathLike | None) or np.ma.is_masked(one) for one in each):
        raise BadArgument(f"image is the name of a FITS file, or a list of names, not this {type(image).__name__}; {ORDER}")
    if len(image) != count:
        raise BadArgument(f"there are {len(image)} images for {count} positions; give one for all, or one each")
    return [one if isinstance(one, os.PathLike) else str(one) for one in image]


def _expect_release(image: "str | os.PathLike[str]") -> None:
    """Raise NoRelease where a name is written as a release is and there is none, nor a file: else each row would say so."""
    from bowerbird.covering import ENDINGS  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.releases import NAME, expect  # noqa: PLC0415  # as above

    if isinstance(image, str) and NAME.fullmatch(image) and not image.endswith(ENDINGS) and not os.path.exists(image):
        expect(image)


def _refuse(name: str, told: str, positions: Any) -> None:
    """Raise where a name may be meant for a column of the table; ValueError says which it has."""
    if hasattr(positions, "colnames"):
        raise BadArgument(f"{name!r} is {told}; the table has {', '.join(positions.colnames)}")


def _table(positions: Any, held: "Spread | None", wanted: "Regions", cuts: "Cuts", *, with_files: bool) -> "Table":
    import numpy as np  # noqa: PLC0415  # `import bowerbird` stays light
    from astropy.table import Column, Table  # noqa: PLC0415  # as above

    if isinstance(positions, Table):
        table = positions.copy() if held is None else positions[held.rows]
    else:
        squares = wanted.squares
        table = Table({"ra": Column(squares.longitude, unit="deg"), "dec": Column(squares.latitude, unit="deg")})
    if held is not None:
        table["image"] = Column(held.images, dtype=str)
    column = np.empty(len(cuts.all), dtype=object)
    column[:] = cuts.all
    table["cutout"] = Column(column, dtype=object)
    if with_files:
        table["file"] = Column([str(cut.file) if cut else "" for cut in cuts.all], dtype=str)
    table["reason"] = Column(cuts.reasons, dtype=str)
    return table
