"""Cutouts of images that are not here: each is cut out where it is, with room to spare, and then exactly, as one that is here."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from bowerbird.archive import links_address
from bowerbird.batch import Made, Wish, cut_all
from bowerbird.errors import BadArgument, CutoutError, ServiceError
from bowerbird.manifest import data_root
from bowerbird.regions import Regions
from bowerbird.slab import Slab
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
    cutters: dict[str, Descriptor | str] = {}
    for first in range(0, len(far), _AT_ONCE):
        with tempfile.TemporaryDirectory(prefix="bowerbird-cuts-") as folder:
            rows = far[first : first + _AT_ONCE]
            for row, brought in zip(rows, LOOP.run(_brought(rows, there, regions, _Far(cutters, Path(folder), wish.slab))), strict=True):
                if isinstance(brought, str):
                    yield Made(row, reason=brought)
                else:
                    yield from _some([row], {row: brought}, regions, wish)


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
class _Far:
    """What cuts each image, or why nothing does, as far as known; where pixels are brought to; and what is wanted beside the sky."""

    cutters: dict[str, Descriptor | str]
    folder: Path
    slab: Slab


async def _brought(rows: list[int], images: Sequence[Any], regions: Regions, far: _Far) -> list[Path | str]:
    """Return for each row a file with its pixels, or the reason why there is none."""
    held = session()
    unknown = {str(images[row]) for row in rows if not regions.troubles[row]} - set(far.cutters)
    far.cutters.update(zip(unknown, await asyncio.gather(*(_cutter(held, image) for image in unknown)), strict=True))
    return await asyncio.gather(*(_cut(held, row, str(images[row]), regions, far) for row in rows))


async def _cutter(held: Session, image: str) -> Descriptor | str:
    try:
        found = await datalink.ask(held.http, links_address(image, held), seconds=_SECONDS)
        with found.answer.file:
            return found.cutter()
    except (ServiceError, BadArgument) as error:
        return str(error)


async def _cut(held: Session, row: int, image: str, regions: Regions, far: _Far) -> Path | str:
    cutter = far.cutters.get(image, "")
    if regions.troubles[row] or isinstance(cutter, str):
        return regions.troubles[row] or str(cutter)
    place = far.folder / str(row)
    place.mkdir()
    # No name of the archive's: what that sent may be no name of a file at all.
    file = place / "image.fits"
    try:
        await soda.cut(held.http, cutter, _circle(regions, row), file, band=far.slab.band, seconds=_SECONDS)
    except (ServiceError, CutoutError) as error:
        return str(error)
    return file


def _circle(regions: Regions, row: int) -> soda.Circle:
    square = regions.squares
    radius = float(np.hypot(square.width[row], square.height[row])) / 2 * _SPARE
    return soda.Circle(float(square.longitude[row]), float(square.latitude[row]), min(radius, 180.0))
