"""The cutouts of one call: each in memory, or in a file of its own; opened when it is looked at."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from bowerbird.batch import Made
from bowerbird.errors import NotCuttable
from bowerbird.fits_cards import BLOCK, CARD, END, Cards
from bowerbird.spaced import spaced

if TYPE_CHECKING:
    from bowerbird.stamp import Limits, Stamp

# Cutouts without a folder stay in memory (bytes).
MOST_IN_MEMORY = 1 << 32
# BITPIX of numbers that are what the pixels measure, unless BSCALE or BZERO says otherwise.
_REAL = {-32: ">f4", -64: ">f8"}


class Cut:
    """A cutout as a FITS file, in memory or in a folder.

    Attributes
    ----------
    file : pathlib.Path or None
        Where it lies; None for one in memory.

    """

    def __init__(self, parts: Sequence[Any] = (), file: Path | None = None) -> None:
        # Bytes after bytes: to join them would copy what most never look at.
        self._parts = parts
        self.file = file

    def hdus(self) -> fits.HDUList:
        """Return the HDUs, as `bowerbird.cutout` does: the image, its primary header, and tables its coordinates need."""
        return fits.open(io.BytesIO(self.content()), memmap=False)

    def content(self) -> bytes:
        """Return the bytes of the FITS file."""
        return b"".join(self._parts) if self.file is None else self.file.read_bytes()

    @property
    def hdu(self) -> Any:
        """The HDU with the image."""
        hdus = self.hdus()
        return hdus[0] if hdus[0].header["NAXIS"] else hdus[1]

    @property
    def data(self) -> Any:
        """The pixels as an array, scaled by BSCALE and BZERO; shape (rows, columns), with further axes before."""
        return self.hdu.data

    def plane(self) -> Any:
        """Return the pixels of a plain image of real numbers (rows, columns); None for any other.

        An HDU is not made of them, which takes ten times as long as all else that a stamp needs.
        """
        content = self.content()
        cards, start = _first_header(content)
        dtype = _REAL.get(cards.integer("BITPIX"))
        if cards.integer("NAXIS") != 2 or dtype is None or "BSCALE" in cards or "BZERO" in cards:  # noqa: PLR2004  # rows and columns
            return None
        rows, columns = cards.integer("NAXIS2"), cards.integer("NAXIS1")
        return np.frombuffer(content, dtype, rows * columns, start).reshape(rows, columns)

    @property
    def header(self) -> fits.Header:
        """The header of the image."""
        return self.hdu.header

    def stamp(self, stretch: str = "asinh", limits: "Limits" = 99.5, colour: str = "grey", *, invert: bool = False) -> "Stamp":
        """Return a picture: `stretch` "asinh", "linear", "sqrt" or "log"; `colour` "grey", "inverted", "heat", "viridis" or "magma".

        `limits` says how many percent of the pixels are neither black nor white, or the values of black and white, in
        the image's unit; "zscale" finds them as IRAF does. With `invert` bright is dark.
        """
        from bowerbird.stamp import Look, stamp  # noqa: PLC0415  # stamps know cutouts

        return stamp(self, Look(stretch, limits, colour, invert))

    def _repr_png_(self) -> bytes:
        return self.stamp().content

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the FITS file; one of that name is replaced."""
        Path(path).write_bytes(self.content())

    def __repr__(self) -> str:
        return f"<Cut {self.file}>" if self.file is not None else f"<Cut of {spaced(sum(map(len, self._parts)))} bytes>"


def _first_header(content: bytes) -> tuple[Cards, int]:
    """Return the cards of a file's first header, and where what follows it begins."""
    for start in range(BLOCK, len(content) + 1, BLOCK):
        if any(content[at : at + CARD] == END for at in range(start - BLOCK, start, CARD)):
            return Cards.from_block(content[:start]), start
    return Cards([]), 0


class Cuts:
    """What became of the sources of one call, by row: a cutout or a reason; `files` are where cutouts went, if they went to files.

    NotCuttable where those in memory are more than `most_bytes`.
    """

    def __init__(self, count: int, files: Sequence[Path | None] = (), most_bytes: int = MOST_IN_MEMORY) -> None:
        self.all: list[Cut | None] = [None] * count
        self.reasons = [""] * count
        self._files, self._most_bytes = files, most_bytes
        self._held = 0

    def take(self, made: Made) -> None:
        """Keep one."""
        self.reasons[made.row] = made.reason
        if made.reason:
            return
        file = self._files[made.row] if self._files else None
        self.all[made.row] = Cut(self._held_parts(made.parts)) if file is None else Cut(file=file)

    def _held_parts(self, parts: Sequence[Any]) -> Sequence[Any]:
        self._held += sum(map(len, parts))
        if self._held > self._most_bytes:
            raise NotCuttable(f"these cutouts are more than {self._most_bytes / 1e9:g} GB, too much for memory; give a folder for them")
        return parts
