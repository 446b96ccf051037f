"""Which images of a folder, or of a release, hold each of many squares on the sky."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bowerbird.errors import BadArgument, CutoutError
from bowerbird.image import Choices, Image, file_descriptor, images, plain
from bowerbird.manifest import manifest
from bowerbird.regions import Regions

ENDINGS = (".fits", ".fit", ".fits.fz", ".fits.gz", ".fz")


def folders(name: Any) -> list[Path]:
    """Return the folders that a name means: those of a release or of all open ones of a collection, or one that is there.

    So "a370" is the collection wherever a notebook lies, and "./a370" a folder beside it. None of these gives an empty list;
    PermissionError says why a release is closed.
    """
    if not isinstance(name, str | os.PathLike):
        return []
    with suppress(FileNotFoundError):
        known = manifest()
        if entries := known.opened(os.fspath(name)):
            return [known.root / "releases" / one["collection"] / one["release"] for one in entries]
    return [Path(name)] if os.path.isdir(name) else []


@dataclass(frozen=True, slots=True)
class Spread:
    """Squares, each as often as there are images that hold a part of it: the row it was in, and the image ("" where none does)."""

    rows: list[int]
    images: list[str]
    wanted: Regions

    def names(self, given: Sequence[Any]) -> list[str]:
        """Return names of files, of a name for each row that there was."""
        if self.rows and len(given) != self.rows[-1] + 1:
            raise BadArgument(f"there are {len(given)} names for {self.rows[-1] + 1} positions; give one name each")
        return [f"{given[row]}-{_stem(image)}" if image else str(given[row]) for row, image in zip(self.rows, self.images, strict=True)]


def spread(where: Sequence[Path], wanted: Regions, hdu: Choices) -> Spread:
    """Find the images in folders that hold squares, in the order of their names; ValueError where there is no image at all."""
    found: list[tuple[int, str]] = []
    good = np.array([row for row, trouble in enumerate(wanted.troubles) if not trouble], dtype=int)
    seen = [file for folder in where for file in _files(folder) if _hold(file, good, wanted, hdu, found)]
    if not seen:
        raise BadArgument(f"there is no image of the sky in {', '.join(map(str, where))}; name a file, or a folder with images")
    missed = set(range(len(wanted))).difference(row for row, _ in found)
    every = sorted([*found, *((row, "") for row in missed)])
    rows = [row for row, _ in every]
    none = f"none of the images in {', '.join(folder.name for folder in where)} holds this place"
    troubles = [wanted.troubles[row] or ("" if image else none) for row, image in every]
    return Spread(rows, [image for _, image in every], Regions(wanted.of(np.array(rows, dtype=int)), troubles))


def _stem(image: str) -> str:
    name = Path(image).name
    return name[: name.lower().find(".fit")] if ".fit" in name.lower() else Path(name).stem


def _files(folder: Path) -> Iterator[Path]:
    for here, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if name.lower().endswith(ENDINGS) and not name.startswith("."))


def _hold(file: Path, rows: Any, wanted: Regions, hdu: Choices, found: list[tuple[int, str]]) -> bool:
    """Add the rows that a file holds; return whether it can be cut at all."""
    try:
        with file_descriptor(file) as descriptor, plain(descriptor) as content:
            held = np.zeros(len(rows), dtype=bool)
            for image in images(content, hdu):
                held |= _within(image, wanted, rows)
    except (CutoutError, OSError):
        return False
    found += [(row, str(file)) for row in rows[held].tolist()]
    return True


def _within(image: Image, wanted: Regions, rows: Any) -> Any:
    """Return which squares have a pixel in an image."""
    starts, stops, there = image.sky.boxes(wanted.of(rows))
    lengths = np.array([image.shape[axis] for axis in image.sky.axes])
    return there & (stops > 0).all(axis=1) & (starts < lengths).all(axis=1)
