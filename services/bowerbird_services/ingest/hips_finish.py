"""What a HiPS has beside its finest tiles, made of these: the coarser ones, pictures, overviews, and the MOC."""

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from bowerbird.stamp import drawn
from mocpy import MOC

from bowerbird_services.ingest import hips_tiles
from bowerbird_services.ingest.hips_tiles import DEPTH, OVERVIEW, WIDTH
from bowerbird_services.ingest.tile_files import TileFiles, fitted
from bowerbird_services.store import footprint, surveys

# The MOC tells squares of eight by eight pixels of the finest tiles: at its edge it is no finer.
_MOC_DEPTH = DEPTH - 3
# The cut is found from so many tiles, and in them from each so many'th pixel along both axes.
_MOST_SAMPLED, _STRIDE = 256, 4
# How much of the values is neither black nor white (per cent), as in the stamps of a notebook.
_SHOWN = 99.5
_SIDE = WIDTH >> _MOC_DEPTH


def finish(folder: Path, order: int) -> dict[str, Any] | None:
    """Make the rest of a HiPS; return what is known of it by the names of `Survey`, None where no pixel has a value."""
    files = TileFiles(folder)
    finest = list(files.numbers(order))
    if not finest:
        return None
    _coarser(files, order)
    low, high = _cut(files, order, finest)
    values = _pictures(files, order, (low, high))
    moc = _moc(files, order, finest)
    moc.save(folder / surveys.MOC_FILE, overwrite=True)
    # Of images far apart, a map begins with the most that lies together.
    ra, dec, radius = footprint.extent(footprint.largest(moc.degrade_to_order(min(moc.max_order, order + 5))))
    return {
        "ra": ra,
        "dec": dec,
        "fov": min(2 * radius, 180.0),
        "cut": (low, high),
        "values": values,
        "sky_fraction": moc.sky_fraction,
        "size_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _coarser(files: TileFiles, order: int) -> None:
    for coarser in range(order - 1, -1, -1):
        for number, children in groupby(files.numbers(coarser + 1), key=lambda child: child >> 2):
            read = {child & 3: values for child in children if (values := files.read(coarser + 1, child)) is not None}
            files.write(coarser, number, hips_tiles.parent(read))


def _cut(files: TileFiles, order: int, finest: list[int]) -> tuple[float, float]:
    some = finest[:: max(1, len(finest) // _MOST_SAMPLED)]
    found = [values[::_STRIDE, ::_STRIDE] for number in some if (values := files.read(order, number)) is not None]
    there = np.concatenate([values[np.isfinite(values)] for values in found] or [np.zeros(1)])
    low, high = np.percentile(there if there.size else np.zeros(1), [(100 - _SHOWN) / 2, (100 + _SHOWN) / 2])
    return float(low), float(high)


def _pictures(files: TileFiles, order: int, cut: tuple[float, float]) -> tuple[float, float]:
    """Draw each tile and the overview; returns the least and the most of all values."""
    ends: list[float] = []
    small: dict[int, Any] = {}
    for each in range(order + 1):
        for number in files.numbers(each):
            values = files.read(each, number)
            if values is None:
                continue
            files.put(surveys.tile("png", each, number), drawn(values, cut))
            if each == order:
                ends += [float(np.nanmin(values)), float(np.nanmax(values))]
            if each == OVERVIEW:
                small[number] = values
    whole = hips_tiles.overview(small)
    files.put(surveys.overview("fits", OVERVIEW), fitted(whole, fits.Header()))
    files.put(surveys.overview("png", OVERVIEW), drawn(whole, cut))
    return min(ends), max(ends)


def _moc(files: TileFiles, order: int, finest: list[int]) -> MOC:
    places = hips_tiles.cells(_MOC_DEPTH)
    found = []
    for number in finest:
        values = files.read(order, number)
        if values is not None:
            there = np.isfinite(values).reshape(places.shape[0], _SIDE, places.shape[1], _SIDE).any(axis=(1, 3))
            found.append((np.uint64(number) << np.uint64(2 * _MOC_DEPTH)) | places[there])
    depth = order + _MOC_DEPTH
    return MOC.from_healpix_cells(np.concatenate(found), depth, depth)
