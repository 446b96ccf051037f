"""Which images of a folder, or of a release, hold each of many squares on the sky."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bowerbird.axes import cuts
from bowerbird.errors import BadArgument, CutoutError
from bowerbird.image import Choices, Image, file_descriptor, images, plain
from bowerbird.manifest import manifest
from bowerbird.regions import Regions
from bowerbird.slab import WHOLE, Slab

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


def spread(where: Sequence[Path], wanted: Regions, hdu: Choices, along: Slab = WHOLE) -> Spread:
    """Find the images in folders that hold squares and have some of a slab, by their names; ValueError where none could be cut at all."""
    search = _Search(wanted, hdu, along)
    for folder in where:
        for file in _files(folder):
            search.look(file)
    search.expect_some(", ".join(map(str, where)))
    missed = set(range(len(wanted))).difference(row for row, _ in search.found)
    every = sorted([*search.found, *((row, "") for row in missed)])
    rows = [row for row, _ in every]
    holds = "holds this place" if along == WHOLE else "has that band of this place"
    none = f"none of the images in {', '.join(folder.name for folder in where)} {holds}"
    troubles = [wanted.troubles[row] or ("" if image else none) for row, image in every]
    return Spread(rows, [image for _, image in every], Regions(wanted.of(np.array(rows, dtype=int)), troubles))


def _stem(image: str) -> str:
    name = Path(image).name
    return name[: name.lower().find(".fit")] if ".fit" in name.lower() else Path(name).stem


def _files(folder: Path) -> Iterator[Path]:
    for here, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if name.lower().endswith(ENDINGS) and not name.startswith("."))


class _Search:
    """A search for the images that hold squares; `found` are the row and the file of each."""

    def __init__(self, wanted: Regions, hdu: Choices, along: Slab) -> None:
        self._wanted, self._hdu, self._along = wanted, hdu, along
        self._rows = np.array([row for row, trouble in enumerate(wanted.troubles) if not trouble], dtype=int)
        self.found: list[tuple[int, str]] = []
        # Of each image that can be cut at all.
        self._filters: list[str] = []

    def look(self, file: Path) -> None:
        """Find what a file holds; nothing where it cannot be cut."""
        held = np.zeros(len(self._rows), dtype=bool)
        try:
            with file_descriptor(file) as descriptor, plain(descriptor) as content:
                chosen = images(content, self._hdu)
                for image in chosen:
                    within = _within(image, self._wanted, self._rows)
                    # As `Layers` has it: an image without a sky of its own goes by the first.
                    if _has_some(image if image.has_own_sky else chosen[0], self._along):
                        held |= within
        except (CutoutError, OSError):
            return
        self._filters += [image.filter for image in chosen]
        self.found += [(row, str(file)) for row in self._rows[held].tolist()]

    def expect_some(self, where: str) -> None:
        """Raise where nothing can be cut: there is no image, or none of a filter that is asked for."""
        if not self._filters:
            raise BadArgument(f"there is no image of the sky in {where}; name a file, or a folder with images")
        if self._along.filter and self._along.filter not in self._filters:
            there = ", ".join(sorted({one for one in self._filters if one})) or "none that is named"
            raise BadArgument(f"no image in {where} is of the filter {self._along.filter!r}; FILTER in the headers there: {there}")


def _has_some(image: Image, along: Slab) -> bool:
    try:
        cuts(image, along)
    except CutoutError:
        return False
    return True


def _within(image: Image, wanted: Regions, rows: Any) -> Any:
    """Return which squares have a pixel in an image."""
    starts, stops, there = image.sky.boxes(wanted.of(rows))
    lengths = np.array([image.shape[axis] for axis in image.sky.axes])
    return there & (stops > 0).all(axis=1) & (starts < lengths).all(axis=1)
