"""Cut a piece out of an image: the stored values bit for bit, under a header that is true of them."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from bowerbird.errors import BadArgument, CutoutError, NotCuttable, OutsideImage
from bowerbird.refusals import explained

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from bowerbird.image import Choice, Image
    from bowerbird.product import Window
    from bowerbird.sky import Box
    from bowerbird.stencil import Position, Size

# A cutout is made in memory (bytes).
_LARGEST = 1 << 33


class Mode(StrEnum):
    """What happens where the region reaches beyond the image: the words of astropy's Cutout2D."""

    TRIM = "trim"
    PARTIAL = "partial"
    STRICT = "strict"


@overload
def cutout(
    path: str | os.PathLike[str],
    position: "Position",
    size: "Size",
    *,
    hdu: "Choice" = None,
    mode: str = "trim",
    as_bytes: Literal[False] = False,
) -> "HDUList": ...
@overload
def cutout(
    path: str | os.PathLike[str], position: "Position", size: "Size", *, hdu: "Choice" = None, mode: str = "trim", as_bytes: Literal[True]
) -> bytes: ...
def cutout(
    path: str | os.PathLike[str],
    position: "Position",
    size: "Size",
    *,
    hdu: "Choice" = None,
    mode: str = "trim",
    as_bytes: bool = False,
) -> "HDUList | bytes":
    """Return a piece of an image, as large as asked or a fraction of a pixel larger.

    The region is a square on the sky around `position` whose sides run as the image's rows and columns do there.
    Axes that are not the sky (wavelength, Stokes) are kept whole. Stored values are copied bit for bit, BSCALE and
    BZERO with them; the header is the original one, with its coordinates moved.

    Parameters
    ----------
    path : str or path-like
        A FITS file: plain, tile-compressed or gzipped.
    position : SkyCoord, str or tuple
        The centre: a SkyCoord in any frame, a text such as ``"10h00m00s +02d12m00s"``, or (ra, dec) in degrees, ICRS.
    size : Quantity, Angle, str or pair of them
        The side of the square, such as ``"1 arcmin"``, or (height, width) as for `astropy.nddata.Cutout2D`.
    hdu : int, str or (str, int), optional
        Which HDU, by number or name; without it the first that holds an image.
    mode : {"trim", "partial", "strict"}
        Where the region reaches beyond the image: leave that part out, fill it with NaN (BLANK for integers), or raise.
    as_bytes : bool
        Return the bytes of a FITS file instead of HDUs.

    Returns
    -------
    astropy.io.fits.HDUList or bytes
        The image is HDU 0 when it was the file's primary HDU; otherwise it is HDU 1, under the original primary header.

    Raises
    ------
    OutsideImage
        The region has no pixel in the image.
    NotCuttable
        The file or HDU is no image of the sky.
    Refused
        The file belongs to an announced release that is not open to you.

    """
    from bowerbird.image import image, plain  # noqa: PLC0415  # astropy's FITS and WCS: a third of a second
    from bowerbird.product import product  # noqa: PLC0415  # as above
    from bowerbird.stencil import stencil  # noqa: PLC0415  # as above

    region = stencil(position, size)
    beyond = _mode(mode)
    name = Path(path).name
    with explained(path), _opened(path) as opened, _named(path), plain(opened) as descriptor:
        original = image(descriptor, hdu)
        window = _window(original, original.sky.box(region), beyond)
        made = product(original, window, descriptor, name)
    return made if as_bytes else _hdus(made)


def _mode(mode: str) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise BadArgument(f"mode is 'trim', 'partial' or 'strict', not {mode!r}") from None


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except CutoutError as error:
        error.args = (f"{os.fspath(path)}: {error}",)
        raise


def _window(image: "Image", box: "Box", mode: Mode) -> "Window":
    from bowerbird.product import Window  # noqa: PLC0415  # as above

    wanted = [slice(0, length) for length in image.shape]
    for axis, start, stop in zip(image.sky.axes, box.start, box.stop, strict=True):
        wanted[axis] = slice(start, stop)
    present = [slice(max(0, part.start), min(length, part.stop)) for part, length in zip(wanted, image.shape, strict=True)]
    if any(part.stop <= part.start for part in present):
        raise OutsideImage(_outside(image, box))
    window = Window(tuple(wanted if mode is Mode.PARTIAL else present), tuple(present))
    if mode is Mode.STRICT and wanted != present:
        raise OutsideImage("the region reaches beyond the image; mode='trim' or 'partial' would cut it all the same")
    _check_length(image, window)
    return window


def _outside(image: "Image", box: "Box") -> str:
    across, along = image.sky.axes
    asked = f"[{box.start[0] + 1}:{box.stop[0]}, {box.start[1] + 1}:{box.stop[1]}]"
    return f"the region is outside the image: it would be pixels {asked} of {image.shape[across]} × {image.shape[along]}"


def _check_length(image: "Image", window: "Window") -> None:
    length = image.dtype.itemsize
    for count in window.shape:
        length *= count
    if length > _LARGEST:
        raise NotCuttable(f"this cutout would be {length / 1e9:.0f} GB; ask for a smaller piece")


def _hdus(made: bytes) -> "HDUList":
    from astropy.io import fits  # noqa: PLC0415  # as above

    return fits.open(io.BytesIO(made), memmap=False)
