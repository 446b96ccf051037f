"""The HiPS of one release, one for each band: images painted on tiles, the coarser tiles, their pictures, and the MOC of what was painted.

Where images of a band lie one over the other, the finer one is seen. Each survey is made in a folder of its own that the next
run goes on with, and takes its place by one rename.
"""

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix, neighbours

from bowerbird_services.ingest import hips_tiles, room
from bowerbird_services.ingest.hips_finish import finish
from bowerbird_services.ingest.hips_tiles import DEPTH, FINEST, OVERVIEW, WIDTH
from bowerbird_services.ingest.sky_image import NoImage, SkyImage, sky_images
from bowerbird_services.ingest.tile_files import TileFiles
from bowerbird_services.regular_files import opened, stat_of
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.store.surveys import Drawn, Survey

# Grows when the same images of one band would become other tiles.
VERSION = 2
# A tile as FITS and PNG, with its part of the coarser ones.
_TILE_BYTES = int((4 + 1) * WIDTH * WIDTH * 4 / 3)
_WORK = ".work-"
# The side of a square as large as a twelfth of the sky, in degrees.
_FACE = 58.6323
# A tile is looked at in so many pixels' steps before all of it is computed.
_GLANCE = 32


@dataclass(frozen=True, slots=True)
class Room:
    """How large the tiles of one survey become: so many bytes, and at most that part of what the disk can give; else they are coarser."""

    largest: int = 20 << 30
    share: float = 0.5


ROOM: Final = Room()


@dataclass(frozen=True, slots=True)
class Seen:
    """What an image file has for the HiPS of a band: the size of its finest pixel (degrees), and how much of the sky it covers."""

    file: str
    pixel: float
    area: float
    band: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The image files of a release below its directory, and the wavelengths of those that tell them (metres of vacuum)."""

    directory: Path
    files: tuple[str, ...]
    waves: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def fingerprint(self, files: Collection[str] | None = None, band: str = "") -> str:
        """Return what changes with the files, or with some of them; one that is gone counts as one that says nothing."""
        told: list[object] = [VERSION, *([band] if band else [])]
        for name in self.files:
            if files is not None and name not in files:
                continue
            try:
                stat = stat_of(self.directory, name)
            except OSError:
                continue
            told.append((name, stat.st_size, stat.st_mtime_ns))
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def reach(self, files: Iterable[str]) -> tuple[float, float] | None:
        """Return the wavelengths from the shortest to the longest that some of the files have; None where none tells them."""
        told = [self.waves[name] for name in files if name in self.waves]
        return (min(low for low, _ in told), max(high for _, high in told)) if told else None


@dataclass(frozen=True, slots=True)
class _Band:
    """The images of a release in one band, as they are painted, each over those before it; `mark` changes with them."""

    sources: Sources
    name: str
    seen: tuple[Seen, ...]
    mark: str
    # Its name where one of its files has images of other bands too, and so does not tell which of them a survey is of.
    told: str

    @property
    def files(self) -> tuple[str, ...]:
        """Their files, by name."""
        return tuple(sorted(one.file for one in self.seen))

    @property
    def begun(self) -> str:
        """How the name of a folder begins that a run is at work in."""
        return f"{_WORK}{self.mark}-"


def make(sources: Sources, folder: Path, say: Callable[[str], None], size: Room = ROOM) -> Drawn:
    """Make the HiPS of the images, one for each band, unless they are there; none of a band no image of which can be drawn.

    NoRoom where the disk has no more to give: then what was there still is, and what was half made is gone.
    """
    mark = sources.fingerprint()
    folder.mkdir(parents=True, exist_ok=True)
    known = surveys.read(folder)
    if known.surveys and known.fingerprint == mark and all((folder / one.folder).is_dir() for one in known.surveys):
        _tidy(folder, known, ())
        return known
    left_out: dict[str, str] = {}
    bands = _bands(sources, list(_seen(sources, left_out)))
    for name, why in left_out.items():
        say(f"{name} {why}")
    _tidy(folder, known, bands)
    made: list[Survey] = []
    for number, band in enumerate(bands, start=1):
        survey = _kept(band, known, folder) or _made(band, folder, say, size)
        made += [survey] if survey else []
        # What was made before of the other bands is there until it is made anew.
        waiting = {each.name for each in bands[number:]}
        _tell(folder, Drawn("", (*made, *(one for one in known.surveys if one.band in waiting)), tuple(left_out.items())))
    drawn = Drawn(mark, tuple(made), tuple(left_out.items()))
    _tell(folder, drawn)
    _tidy(folder, drawn, ())
    return drawn


def _seen(sources: Sources, left_out: dict[str, str]) -> Iterator[Seen]:
    for name in sources.files:
        try:
            with opened(sources.directory, name) as file, sky_images(file) as found:
                for band in dict.fromkeys(one.band for one in found):
                    of_band = [one for one in found if one.band == band]
                    yield Seen(name, min(one.pixel for one in of_band), sum(one.area for one in of_band), band)
        except (NoImage, OSError) as error:
            left_out[name] = str(error) if isinstance(error, NoImage) else f"cannot be read ({error.strerror or error})"


def _bands(sources: Sources, seen: list[Seen]) -> list[_Band]:
    """Return the bands: first that which covers the most of the sky, of equal ones the last by name; last what names none."""
    covered: dict[str, float] = {}
    for one in seen:
        covered[one.band] = covered.get(one.band, 0.0) + one.area
    # Bands of one camera differ by an edge here and there.
    about = {band: float(f"{area:.2g}") for band, area in covered.items()}
    names = sorted(covered, key=lambda band: (bool(band), about[band], band), reverse=True)
    times = Counter(one.file for one in seen)
    return [_band(sources, name, [one for one in seen if one.band == name], times) for name in names]


def _band(sources: Sources, name: str, seen: list[Seen], times: Mapping[str, int]) -> _Band:
    told = name if any(times[one.file] > 1 for one in seen) else ""
    mark = sources.fingerprint({one.file for one in seen}, told)
    # Of equally fine ones the last by name is seen.
    return _Band(sources, name, tuple(sorted(seen, key=lambda one: (-one.pixel, one.file))), mark, told)


def _kept(band: _Band, known: Drawn, folder: Path) -> Survey | None:
    """Return the survey that was made of the same images; None where there is none."""
    for one in known.surveys:
        if one.fingerprint == band.mark and (folder / one.folder).is_dir():
            return replace(one, band=band.name, waves=band.sources.reach(band.files))
    return None


def _made(band: _Band, folder: Path, say: Callable[[str], None], size: Room) -> Survey | None:
    """Make the survey of a band; None where no pixel of it has a value. NoRoom leaves nothing of it."""
    try:
        with room.told(folder):
            return _draw(band, folder, say, size)
    except room.NoRoom:
        for path in folder.glob(f"{band.begun}*"):
            _remove(path)
        raise


def _draw(band: _Band, folder: Path, say: Callable[[str], None], size: Room) -> Survey | None:
    # What a run before this one painted takes no room from its own going on.
    free = room.left(folder) + _size(folder.glob(f"{band.begun}*/**/*"))
    if free <= 0:
        raise room.no_room(folder)
    order = _order(band.seen, min(size.largest, free * size.share), say)
    # Tiles of another order are of no use, and would be taken for whole: each order has a folder of its own.
    work = folder / f"{band.begun}{order:02}"
    for path in folder.glob(f"{band.begun}*"):
        if not path.name.startswith(work.name):
            _remove(path)
    _paint_all(band, order, work, say)
    if band.sources.fingerprint(band.files, band.told) != band.mark:
        raise NoImage("changed while they were read; they are read again soon")
    finished = finish(work, order)
    if finished is None:
        return None
    _remove(folder / band.mark)
    work.replace(folder / band.mark)
    _painted(work).unlink(missing_ok=True)
    return Survey(
        folder=band.mark,
        fingerprint=band.mark,
        order=order,
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        images=band.files,
        band=band.name,
        waves=band.sources.reach(band.files),
        **finished,
    )


def _tell(folder: Path, drawn: Drawn) -> None:
    if drawn.surveys:
        sidecar.replace_json(folder / surveys.NAME, drawn.to_json())
    else:
        (folder / surveys.NAME).unlink(missing_ok=True)


def _order(seen: Sequence[Seen], room_bytes: float, say: Callable[[str], None]) -> int:
    """Return the order of the finest tiles: the first whose pixels are no larger than the images', as far as there is room."""
    finest = math.ceil(math.log2(_FACE / min(one.pixel for one in seen))) - DEPTH
    order = wanted = min(max(finest, OVERVIEW), FINEST)
    area = sum(one.area for one in seen)
    while order > OVERVIEW and area / (_FACE / (1 << order)) ** 2 * _TILE_BYTES > room_bytes:
        order -= 1
    if order < wanted:
        say(f"tiles of order {wanted} would need more than {room_bytes / 1e9:.1f} GB; they are made of order {order}, with larger pixels")
    return order


def _paint_all(band: _Band, order: int, work: Path, say: Callable[[str], None]) -> None:
    """Paint the images; those that a run before this one had painted are passed over."""
    work.mkdir(parents=True, exist_ok=True)
    done: list[str] = list(sidecar.read_json(_painted(work)) or [])
    files, called = TileFiles(work), f" in {band.name}" if band.name else ""
    for number, one in enumerate(band.seen, start=1):
        if one.file in done:
            continue
        say(f"{one.file}, {number} of {len(band.seen)}{called}, order {order} …")
        try:
            with opened(band.sources.directory, one.file) as file, sky_images(file) as found:
                for image in found:
                    if image.band == band.name:
                        _paint(image, order, files)
        except NoImage as error:
            say(f"{one.file} {error}; what was drawn of it before stays")
        done.append(one.file)
        sidecar.replace_json(_painted(work), done)


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


def _tidy(folder: Path, kept: Drawn, bands: Iterable[_Band]) -> None:
    """Take away tiles that are named no more, and what runs had begun for other images than those of the bands."""
    names, begun = {one.folder for one in kept.surveys}, tuple(band.begun for band in bands)
    for path in folder.iterdir():
        if path.name not in names and not path.name.startswith(begun) and (path.is_dir() or path.name.startswith(_WORK)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
