"""Cutouts of images that are not here: each is cut out where it is, with room to spare, and then exactly, as one that is here."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from bowerbird.archive import links_address
from bowerbird.batch import Made, Wish, cut_all
from bowerbird.errors import BadArgument, CutoutError, ServiceError
from bowerbird.image import EVERY, Choices, each_of, file_descriptor, layers_of
from bowerbird.manifest import data_root
from bowerbird.origins import Origins
from bowerbird.refusals import FULL
from bowerbird.regions import Regions
from bowerbird.vo import datalink, soda
from bowerbird.vo.datalink import Descriptor
from bowerbird.vo.loop import LOOP
from bowerbird.vo.session import Session, session

_FAR = ("ivo://", "http://", "https://")
_OWN = "x-bowerbird"
# So many are asked for at a time; and what one may take.
_AT_ONCE = 8
_SECONDS = 120.0
# The circle around a square, and a little for the pixels that the square's own edge only touches.
_SPARE = 1.02


def cut_each(regions: Regions, images: Sequence[Any], wish: Wish) -> Iterator[Made]:
    """Yield what becomes of each source: first of those whose image is a file here, then of the others."""
    there = [_here(image) for image in images]
    far = [row for row, image in enumerate(there) if str(image).startswith(_FAR)]
    if not far:
        yield from cut_all(regions, there, wish)
        return
    known = set(far)
    yield from _some([row for row in range(len(there)) if row not in known], there, regions, wish)
    work = _Far(regions, there, wish, Origins.read(next((file.parent for file in wish.files if file), None)))
    for first in range(0, len(far), _AT_ONCE):
        with tempfile.TemporaryDirectory(prefix="bowerbird-cuts-") as folder:
            rows = far[first : first + _AT_ONCE]
            for row, brought in zip(rows, LOOP.run(work.brought(rows, Path(folder))), strict=True):
                yield from work.made(row, brought)


def _some(rows: Sequence[int], images: Any, regions: Regions, wish: Wish) -> Iterator[Made]:
    """Yield what becomes of some of the sources."""
    part = Regions(regions.of(np.array(rows, dtype=int)), [regions.troubles[row] for row in rows])
    files = [wish.files[row] for row in rows] if wish.files else ()
    for made in cut_all(part, [images[row] for row in rows], replace(wish, files=files)):
        yield Made(rows[made.row], made.parts, made.reason)


def _here(image: Any) -> Any:
    """Return the file below /data that a publisher DID of the platform, or a file address, names; else what was given."""
    parts = urlsplit(str(image)) if str(image).startswith(("ivo://", "file://")) else None
    if parts is None:
        return image
    if parts.scheme == "file":
        return unquote(parts.path)
    if parts.netloc != _OWN:
        return image
    file = data_root() / "releases" / parts.path.strip("/") / unquote(parts.query)
    with suppress(OSError, ValueError):
        if ".." not in file.parts and file.is_file():
            return str(file)
    return image


@dataclass(frozen=True, slots=True)
class _Brought:
    """A file with the pixels of a source and some around them, its ETag, and whether it has the wanted HDUs alone."""

    file: Path
    etag: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class _Far:
    """Sources whose images are elsewhere, what holds for all, and what of them is here; what cuts each image, or why nothing does."""

    regions: Regions
    images: Sequence[Any]
    wish: Wish
    origins: Origins
    cutters: dict[str, Descriptor | str] = field(default_factory=dict)

    async def brought(self, rows: list[int], folder: Path) -> list[_Brought | str | None]:
        """Return for each row a file with its pixels, or the reason why there is none; None where its cutout is here and still good."""
        held = session()
        unknown = {str(self.images[row]) for row in rows if not self.regions.troubles[row]} - set(self.cutters)
        self.cutters.update(zip(unknown, await asyncio.gather(*(_cutter(held, image) for image in unknown)), strict=True))
        return await asyncio.gather(*(self._cut(held, row, folder) for row in rows))

    async def _cut(self, held: Session, row: int, folder: Path) -> _Brought | str | None:
        cutter = self.cutters.get(str(self.images[row]), "")
        if self.regions.troubles[row] or isinstance(cutter, str):
            return self.regions.troubles[row] or str(cutter)
        if soda.HDU in cutter.takes and _is_mixed(self.wish.hdu):
            return "hdu has None, for the first image, beside others; where the image is not here, name that HDU too, or give its number"
        # No name of the archive's: what that sent may be no name of a file at all.
        file = folder / str(row) / "image.fits"
        piece = soda.Piece(_circle(self.regions, row), self.wish.slab.band, _named(self.wish.hdu))
        try:
            os.mkdir(file.parent)
            known = self.origins.etag(self._file(row), self._question(row))
            etag = await soda.cut(held.http, cutter, piece, file, known=known, seconds=_SECONDS)
        except (ServiceError, CutoutError) as error:
            return str(error)
        except OSError as error:
            # Others may fit in the room that half of it took.
            file.unlink(missing_ok=True)
            return _no_room(error, folder)
        return None if etag is None else _Brought(file, etag, soda.HDU in cutter.takes)

    def made(self, row: int, brought: _Brought | str | None) -> Iterator[Made]:
        """Yield what becomes of a row."""
        if not isinstance(brought, _Brought):
            yield Made(row, reason=brought or "")
            return
        wish = replace(self.wish, hdu=_chosen(brought, self.wish.hdu))
        for made in _some([row], {row: brought.file}, self.regions, wish):
            if not made.reason:
                self.origins.keep(self._file(row), self._question(row), brought.etag)
            yield made

    def _file(self, row: int) -> Path | None:
        return self.wish.files[row] if self.wish.files else None

    def _question(self, row: int) -> str:
        """Return all on which the cutout of a row depends, but for the image's pixels."""
        square, wish = self.regions.squares, self.wish
        sides = [float(side[row]) for side in (square.longitude, square.latitude, square.height, square.width)]
        told = (str(self.images[row]), sides, str(wish.mode), each_of(wish.hdu), wish.slab.band, wish.slab.filter)
        return hashlib.sha256(repr(told).encode()).hexdigest()


async def _cutter(held: Session, image: str) -> Descriptor | str:
    try:
        found = await datalink.ask(held.http, links_address(image, held), seconds=_SECONDS)
        with found.answer.file:
            return found.cutter()
    except (ServiceError, BadArgument) as error:
        return str(error)


def _named(choices: Choices) -> tuple[str, ...]:
    """Return HDUs as our own SODA service takes them; none is the first image."""
    wanted = [choice for choice in each_of(choices) if choice is not None]
    return tuple(",".join(map(str, choice)) if isinstance(choice, tuple) else str(choice) for choice in wanted)


def _is_mixed(choices: Choices) -> bool:
    """Tell whether the first image is wanted with others, which the service has no words for."""
    wanted = each_of(choices)
    return None in wanted and any(choice is not None for choice in wanted)


def _chosen(brought: _Brought, choices: Choices) -> Choices:
    """Return which HDUs of what was brought are those wanted: where it has no others, all that it has."""
    if not brought.is_chosen or choices == EVERY:
        return choices
    if len(each_of(choices)) > 1:
        with suppress(CutoutError, OSError), file_descriptor(brought.file) as descriptor:
            return layers_of(descriptor)
    return None


def _no_room(error: OSError, folder: Path) -> str:
    """Return why pixels could not be brought to the folder for what is soon gone again."""
    if error.errno not in FULL:
        return f"{folder.parent}: {error.strerror or error}"
    told = f"there is no room in {folder.parent} for the pixels that the service sends"
    return f"{told}; make room there, or name another folder in the environment variable TMPDIR"


def _circle(regions: Regions, row: int) -> soda.Circle:
    square = regions.squares
    radius = float(np.hypot(square.width[row], square.height[row])) / 2 * _SPARE
    return soda.Circle(float(square.longitude[row]), float(square.latitude[row]), min(radius, 180.0))
