"""FITS tables whose columns say what they are: unit, UCD, one line, and the same bytes at every making."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

# A checksum card carries the time of its making unless it is told another text; a table made twice must not differ.
CHECKSUM_COMMENT = "checksum of this HDU"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its values, and what a reader has to know of them; `null` is the integer that stands for none."""

    name: str
    values: Any
    about: str
    unit: str | None = None
    ucd: str | None = None
    null: int | None = None

    @property
    def format(self) -> str:
        """The FITS format of the values: one letter, with a count before it for texts and vectors."""
        array = np.asarray(self.values)
        if array.dtype.kind in "SU":
            return f"{max(1, np.strings.str_len(array).max(initial=1))}A"
        letter = {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D", "b1": "L"}[array.dtype.str[1:]]
        return letter if array.ndim == 1 else f"{array.shape[1]}{letter}"


def table(name: str, columns: Sequence[Column], notes: Sequence[str] = ()) -> fits.BinTableHDU:
    """Return a binary table of these columns; the notes become its COMMENT cards."""
    made = [
        fits.Column(name=column.name, format=column.format, unit=column.unit, null=column.null, array=np.asarray(column.values))
        for column in columns
    ]
    hdu = fits.BinTableHDU.from_columns(made, name=name)
    for number, column in enumerate(columns, start=1):
        hdu.header[f"TCOMM{number}"] = column.about
        if column.ucd is not None:
            hdu.header[f"TUCD{number}"] = column.ucd
    for note in notes:
        hdu.header["COMMENT"] = note
    return hdu


def write(path: Path, *hdus: fits.BinTableHDU) -> None:
    """Write tables to a new file, with checksums and without the time of day."""
    everything = fits.HDUList([fits.PrimaryHDU(), *hdus])
    for hdu in everything:
        hdu.add_datasum(when=CHECKSUM_COMMENT)
        hdu.add_checksum(when=CHECKSUM_COMMENT, override_datasum=True)
    with path.open("wb") as file:
        everything.writeto(file)
