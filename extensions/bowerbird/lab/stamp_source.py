"""Where the stamps of a strip come from: cutouts that are made already, or images that are cut when a stamp comes into view."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from bowerbird.batch import Wish
from bowerbird.cut import Cut
from bowerbird.cutouts import sources
from bowerbird.errors import BadArgument
from bowerbird.image import Choices
from bowerbird.lab.as_python import as_python
from bowerbird.regions import Regions
from bowerbird.remote import cut_each
from bowerbird.slab import slab

if TYPE_CHECKING:
    from bowerbird.slab import Band

# A row, its cutout, and why there is none.
Piece: TypeAlias = tuple[int, Cut | None, str]

# A picture is a hundred pixels a side: what is larger than this is no stamp (bytes).
MOST_BYTES = 1 << 26


class Source(Protocol):
    """Gives the cutouts of rows."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def cuts(self, rows: Sequence[int]) -> Iterator[Piece]:
        """Yield what becomes of each of some rows, in any order."""

    def sources(self, positions: Any) -> Any:
        """Return of what was given the source of each row."""

    def arguments(self) -> list[str]:
        """Return, as Python, what follows the positions in a call that makes the same strip."""


@dataclass(frozen=True, slots=True)
class Held:
    """The cutouts in a table that `bowerbird.cutouts` made."""

    table: Any

    def __len__(self) -> int:
        """Return how many rows the table has."""
        return len(self.table)

    def cuts(self, rows: Sequence[int]) -> Iterator[Piece]:
        """Yield the cutouts of some rows."""
        reasons = self.table["reason"] if "reason" in self.table.colnames else None
        for row in rows:
            cut = self.table["cutout"][row]
            yield row, cut, "" if cut is not None else str(reasons[row] if reasons is not None else "there is no cutout")

    def sources(self, positions: Any) -> Any:
        """Return the table as it is."""
        return positions

    def arguments(self) -> list[str]:
        """Return nothing: the table has all."""
        return []


@dataclass(frozen=True, slots=True)
class Cutting:
    """Images that are cut around positions; each time anew, so that no number of them fills the memory."""

    regions: Regions
    images: Sequence[str | os.PathLike[str]]
    wish: Wish
    said: tuple[str, ...]
    spread: Sequence[int] | None = None

    def __len__(self) -> int:
        """Return how many positions there are."""
        return len(self.regions)

    def cuts(self, rows: Sequence[int]) -> Iterator[Piece]:
        """Yield the cutouts of some rows, file by file."""
        some = Regions(self.regions.of(np.asarray(rows, dtype=int)), [self.regions.troubles[row] for row in rows])
        for made in cut_each(some, [self.images[row] for row in rows], self.wish):
            yield rows[made.row], None if made.reason else Cut(made.parts), made.reason

    def sources(self, positions: Any) -> Any:
        """Return what was given, each source as often as there are images that hold it."""
        if self.spread is None:
            return positions
        return [positions[row] for row in self.spread] if isinstance(positions, list | tuple) else positions[list(self.spread)]

    def arguments(self) -> list[str]:
        """Return size, image, HDU and band as they were given."""
        return list(self.said)


def source(positions: Any, size: Any, image: Any, hdu: Choices = None, band: "Band | None" = None) -> Source:
    """Return where the stamps of these arguments come from; ValueError says what is missing."""
    along = slab(band)
    if size is None and image is None:
        if "cutout" in getattr(positions, "colnames", ()):
            if band is not None:
                raise BadArgument("the cutouts of a table are made; give the band to bowerbird.cutouts, which makes them")
            return Held(positions)
        told = "stamps need a size and an image, as in bowerbird.stamps(positions, '5 arcsec', '/data/…/image.fits')"
        raise BadArgument(f"{told}; only a table that bowerbird.cutouts made has its pixels")
    if size is None or image is None:
        raise BadArgument(f"{'size' if size is None else 'image'} is missing; stamps of positions need both a size and an image")
    wanted, images, held = sources(positions, size, image, hdu, along)
    more = [f"{name}={as_python(given, name)}" for name, given in (("hdu", hdu), ("band", band)) if given is not None]
    said = (as_python(size, "size"), as_python(image, "image"), *more)
    return Cutting(wanted, images, Wish(hdu, most_bytes=MOST_BYTES, slab=along), said, held.rows if held else None)
