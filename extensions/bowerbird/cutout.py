"""Cut a piece out of an image: the stored values bit for bit, under a header that is true of them."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from bowerbird.errors import BadArgument, CutoutError
from bowerbird.refusals import explained

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from bowerbird.image import Choices
    from bowerbird.slab import Band
    from bowerbird.stencil import Position, Size


@overload
def cutout(
    path: str | os.PathLike[str],
    position: "Position",
    size: "Size",
    *,
    hdu: "Choices" = None,
    mode: str = "trim",
    band: "Band | None" = None,
    as_bytes: Literal[False] = False,
) -> "HDUList": ...
@overload
def cutout(
    path: str | os.PathLike[str],
    position: "Position",
    size: "Size",
    *,
    hdu: "Choices" = None,
    mode: str = "trim",
    band: "Band | None" = None,
    as_bytes: Literal[True],
) -> bytes: ...
def cutout(  # noqa: PLR0913  # most are named when they are given
    path: str | os.PathLike[str],
    position: "Position",
    size: "Size",
    *,
    hdu: "Choices" = None,
    mode: str = "trim",
    band: "Band | None" = None,
    as_bytes: bool = False,
) -> "HDUList | bytes":
    """Return a piece of an image, as large as asked or a fraction of a pixel larger.

    The region is a square on the sky around `position` whose sides run as the image's rows and columns do there.
    Axes that are not the sky (wavelength, Stokes) are kept whole but for `band`. Stored values are copied bit for bit, BSCALE and
    BZERO with them; the header is the original one, with its coordinates moved.

    Parameters
    ----------
    path : str or path-like
        A FITS file: plain, tile-compressed or gzipped.
    position : SkyCoord, str or tuple
        The centre: a SkyCoord in any frame, a text such as ``"10h00m00s +02d12m00s"``, or (ra, dec) in degrees, ICRS.
    size : Quantity, Angle, str or pair of them
        The side of the square, such as ``"1 arcmin"``, or (height, width) as for `astropy.nddata.Cutout2D`.
    hdu : int, str, (str, int) or list of them, optional
        Which HDU, by number or name; without it the first that holds an image. A list, such as ``["DATA", "STAT"]``, cuts
        several into one file; ``"*"`` cuts every image of the file that the region meets.
    mode : {"trim", "partial", "strict"}
        Where the region reaches beyond the image: leave that part out, fill it with NaN (BLANK for integers), or raise.
    band : pair of Quantities, str or numbers, or the name of a filter, optional
        Of a cube, the lowest and the highest wavelength, in vacuum; or frequencies or energies: ``(480, 520) * u.nm``,
        ``("1.41 GHz", "1.43 GHz")``. Numbers alone are metres; None leaves the end of that wavelength open. Whole pixels that the band
        touches are taken. An axis in air is read as such. A name, such as ``"r"``, is the filter that the image must be of
        (``FILTER`` in its header).
    as_bytes : bool
        Return the bytes of a FITS file instead of HDUs.

    Returns
    -------
    astropy.io.fits.HDUList or bytes
        The image is HDU 0 when it was the file's primary HDU; otherwise it is HDU 1, under the original primary header.
        Further images of a list follow.

    Raises
    ------
    OutsideImage
        The region or the band has no pixel in the image.
    NotCuttable
        The file or HDU is no image of the sky.
    Refused
        The file belongs to an announced release that is not open to you.

    """
    from bowerbird.image import file_descriptor, plain  # noqa: PLC0415  # astropy's FITS and WCS: a third of a second
    from bowerbird.layers import layers  # noqa: PLC0415  # as above
    from bowerbird.slab import slab  # noqa: PLC0415  # as above
    from bowerbird.stencil import ORDER, stencil  # noqa: PLC0415  # as above
    from bowerbird.window import mode_of  # noqa: PLC0415  # as above

    if not isinstance(path, str | os.PathLike):
        raise BadArgument(f"path is the name of a FITS file, not {type(path).__name__}; {ORDER}")
    region = stencil(position, size)
    beyond, along = mode_of(mode), slab(band)
    name = Path(path).name
    with explained(path), file_descriptor(path) as file, _named(path), plain(file) as descriptor, layers(descriptor, hdu) as chosen:
        (boxes,) = chosen.plans(region.alone())
        product = chosen.product(boxes, beyond, name, along)
        made = b"".join(product.parts(chosen.sources, product.ask(chosen.sources)))
    return made if as_bytes else _hdus(made)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except CutoutError as error:
        error.args = (f"{os.fspath(path)}: {error}",)
        raise


def _hdus(made: bytes) -> "HDUList":
    from astropy.io import fits  # noqa: PLC0415  # as above

    return fits.open(io.BytesIO(made), memmap=False)
