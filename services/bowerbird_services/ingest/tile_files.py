"""The tiles of a HiPS in a folder, read and written whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from bowerbird_services.ingest import hips_tiles, room
from bowerbird_services.store import surveys

_BLOCK = 2880


class TileFiles:
    """FITS tiles below a folder; any other content stands beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, order: int, number: int) -> Any | None:
        """Return the values of a tile; None where there is none that is whole."""
        try:
            with fits.open(self.folder / surveys.tile("fits", order, number), memmap=False) as file:
                return np.asarray(file[0].data, dtype=np.float32)
        except (OSError, TypeError, ValueError):
            return None

    def write(self, order: int, number: int, values: Any) -> None:
        """Write a tile."""
        self.put(surveys.tile("fits", order, number), fitted(values, hips_tiles.header(order, number)))

    def numbers(self, order: int) -> Iterator[int]:
        """Yield which tiles of an order there are, sorted."""
        found = (int(path.stem.removeprefix("Npix")) for path in self.folder.glob(f"Norder{order}/Dir*/Npix*.fits"))
        yield from sorted(found)

    def put(self, name: str, content: bytes) -> None:
        """Write any file, whole or not at all; NoRoom where it would take of the reserve of the disk."""
        path = self.folder / name
        room.check(self.folder, len(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_bytes(content)
        draft.replace(path)


def fitted(values: Any, header: fits.Header) -> bytes:
    """Return a FITS file of float32 values; its first row is that of the array."""
    content: bytes = np.asarray(values, dtype=">f4").tobytes()
    cards: str = fits.PrimaryHDU(np.asarray(values, dtype=np.float32), header).header.tostring()
    return cards.encode("ascii") + content + b"\0" * (-len(content) % _BLOCK)
