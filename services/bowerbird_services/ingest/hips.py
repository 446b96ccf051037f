"""The HiPS of one release: its images painted on tiles, the coarser tiles, their pictures, and the MOC of what was painted.

Where images lie one over the other, one of them is seen, by the rule of `_as_painted`. All is made in a folder of its own
that the next run goes on with, and takes its place by one rename.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix, neighbours

from bowerbird_services.ingest import hips_tiles
from bowerbird_services.ingest.hips_finish import finish
from bowerbird_services.ingest.hips_tiles import DEPTH, FINEST, OVERVIEW, WIDTH
from bowerbird_services.ingest.sky_image import NoImage, SkyImage, sky_images
from bowerbird_services.ingest.tile_files import TileFiles
from bowerbird_services.regular_files import opened, stat_of
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.store.surveys import Survey

# Grows when the same images would become other tiles.
VERSION = 2
# The tiles of one release are no larger; coarser ones are made instead.
LARGEST = 20 << 30
# And at most this part of what the disk has left.
_SHARE_OF_DISK = 0.5
# A tile as FITS and PNG, with its part of the coarser ones.
_TILE_BYTES = int((4 + 1) * WIDTH * WIDTH * 4 / 3)
_WORK = ".work-"
# The side of a square as large as a twelfth of the sky, in degrees.
_FACE = 58.6323
# A tile is looked at in so many pixels' steps before all of it is computed.
_GLANCE = 32


@dataclass(frozen=True, slots=True)
class Seen:
    """What an image file has for a HiPS: the size of its finest pixel (degrees), how much of the sky it covers, and its filter."""

    file: str
    pixel: float
    area: float
    band: str


def fingerprint(directory: Path, files: list[str]) -> str:
    """Return what changes with the images; a file that is gone counts as one that says nothing."""
    told: list[object] = [VERSION]
    for name in files:
        try:
            stat = stat_of(directory, name)
        except OSError:
            continue
        told.append((name, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def make(directory: Path, files: list[str], folder: Path, say: Callable[[str], None]) -> Survey | None:
    """Make the HiPS of the images in `files`, unless it is there; None where none of them can be drawn.

    OSError where the disk is full: then what was there still is.
    """
    mark = fingerprint(directory, files)
    known = surveys.read(folder)
    kept, begun = {mark, *([known.folder] if known else [])}, f"{_WORK}{mark}-"
    _tidy(folder, kept, begun)
    if known and known.fingerprint == mark and (folder / known.folder).is_dir():
        return known
    left_out: dict[str, str] = {}
    seen = list(_seen(directory, files, left_out))
    for name, why in left_out.items():
        say(f"{name} {why}")
    if not seen:
        _forget(folder)
        return None
    # What a run before this one painted takes no room from its own going on.
    order = _order(seen, shutil.disk_usage(folder).free + _size(folder.glob(f"{begun}*/**/*")), say)
    # Tiles of another order are of no use, and would be taken for whole: each order has a folder of its own.
    work = folder / f"{begun}{order:02}"
    _tidy(folder, kept, work.name)
    _paint_all(directory, seen, order, work, say)
    if fingerprint(directory, files) != mark:
        raise NoImage("changed while they were read; they are read again soon")
    finished = finish(work, order)
    if finished is None:
        _forget(folder)
        return None
    shutil.rmtree(folder / mark, ignore_errors=True)
    work.replace(folder / mark)
    made = Survey(
        folder=mark,
        fingerprint=mark,
        order=order,
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        images=tuple(sorted(one.file for one in seen)),
        left_out=tuple(left_out.items()),
        **finished,
    )
    sidecar.replace_json(folder / surveys.NAME, made.to_json())
    _painted(work).unlink(missing_ok=True)
    return made


def _seen(directory: Path, files: list[str], left_out: dict[str, str]) -> Iterator[Seen]:
    for name in files:
        try:
            with opened(directory, name) as file, sky_images(file) as found:
                yield Seen(name, min(one.pixel for one in found), sum(one.area for one in found), found[0].band)
        except (NoImage, OSError) as error:
            left_out[name] = str(error) if isinstance(error, NoImage) else f"cannot be read ({error.strerror or error})"


def _order(seen: list[Seen], free: int, say: Callable[[str], None]) -> int:
    """Return the order of the finest tiles: the first whose pixels are no larger than the images', as far as there is room."""
    finest = math.ceil(math.log2(_FACE / min(one.pixel for one in seen))) - DEPTH
    order = wanted = min(max(finest, OVERVIEW), FINEST)
    area, room = sum(one.area for one in seen), min(LARGEST, free * _SHARE_OF_DISK)
    while order > OVERVIEW and area / (_FACE / (1 << order)) ** 2 * _TILE_BYTES > room:
        order -= 1
    if order < wanted:
        say(f"tiles of order {wanted} would need more than {room / 1e9:.1f} GB; they are made of order {order}, with larger pixels")
    return order


def _paint_all(directory: Path, seen: list[Seen], order: int, work: Path, say: Callable[[str], None]) -> None:
    """Paint the images; those that a run before this one had painted are passed over."""
    work.mkdir(parents=True, exist_ok=True)
    done: list[str] = list(sidecar.read_json(_painted(work)) or [])
    files = TileFiles(work)
    for number, one in enumerate(_as_painted(seen), start=1):
        if one.file in done:
            continue
        say(f"{one.file}, {number} of {len(seen)}, order {order} …")
        try:
            with opened(directory, one.file) as file, sky_images(file) as found:
                for image in found:
                    _paint(image, order, files)
        except NoImage as error:
            say(f"{one.file} {error}; what was drawn of it before stays")
        done.append(one.file)
        sidecar.replace_json(_painted(work), done)


def _as_painted(seen: list[Seen]) -> list[Seen]:
    """Return the images as they are painted, each over those before it.

    So that one band is seen, and no patchwork of all: first those that name none, then band by band, that which covers the
    most of the sky last; within a band the finest pixels last. Of equal ones the last is the last by name.
    """
    covered = dict.fromkeys((one.band for one in seen), 0.0)
    for one in seen:
        covered[one.band] += one.area
    # Bands of one camera differ by an edge here and there.
    about = {band: float(f"{area:.2g}") for band, area in covered.items()}
    return sorted(seen, key=lambda one: (bool(one.band), about[one.band], one.band, -one.pixel, one.file))


def _painted(work: Path) -> Path:
    """Return what names the images that are on the tiles of a folder."""
    return work.with_name(f"{work.name}.json")


def _paint(image: SkyImage, order: int, files: TileFiles) -> None:
    for number in _touched(image, order):
        if not _is_near(image, order, number):
            continue
        values = image.values_at(*hips_tiles.positions(order, number))
        if values is None or not np.isfinite(values).any():
            continue
        before = files.read(order, number)
        if before is not None:
            values = np.where(np.isfinite(values), values, before)
        files.write(order, number, values)


def _touched(image: SkyImage, order: int) -> list[int]:
    """Return the tiles that the image may touch, and those beside them."""
    # A quarter of a tile: no tile within the image lies between two points without a neighbour that has one.
    ra, dec = image.outline(_FACE / (1 << order) / image.pixel / 4)
    found = np.unique(lonlat_to_healpix(Longitude(ra % 360, "deg"), Latitude(dec, "deg"), order, num_threads=1))
    around = neighbours(found, order, num_threads=1).astype(np.int64).ravel()
    return [int(number) for number in np.unique(around) if number >= 0]


def _is_near(image: SkyImage, order: int, number: int) -> bool:
    """Tell by a few of its pixels whether a tile may touch the image."""
    for pixels, length in zip(image.pixels_at(*hips_tiles.positions(order, number, _GLANCE)), image.shape, strict=True):
        there = pixels[np.isfinite(pixels)]
        if not there.size:
            return False
        steps = [np.abs(np.diff(pixels, axis=axis)) for axis in (0, 1)]
        margin = max(float(np.nanmax(step)) for step in steps) + 1
        if there.max() < -margin or there.min() > length + margin:
            return False
    return True


def _tidy(folder: Path, kept: set[str], begun: str) -> None:
    """Take away tiles that are named no more, and what runs had begun under names that begin otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name in kept or path.name.startswith(begun):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(_WORK):
            path.unlink(missing_ok=True)


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _forget(folder: Path) -> None:
    (folder / surveys.NAME).unlink(missing_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
