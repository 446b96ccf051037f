"""Draws how many cutouts grow: time and memory against the number of sources and the size of the mosaic.

`./bowerbird bench images --picture FILE.svg`. The mosaics are sparse files, whose zeros no disk is asked for: what is drawn is the work
beside the disk. Astropy opens, cuts and writes a few of the sources; its time for one does not depend on their number.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from bowerbird.kept import forget

from tests.bench.curves import Curves, Panel, drawn
from tests.bench.cutout_rows import header

SOURCES = (10, 100, 1000, 10_000, 100_000)
GIGABYTES = (0.1, 1.0, 5.0, 20.0)
_USUAL_SOURCES, _USUAL_GIGABYTES = 1000, 1.0
_SIDE = 10 * u.arcsec
_SAMPLE = 10
# From so many on a round takes long, and tells as much as several.
_LARGE = 10_000
_EVERY = 64
_COLOURS = {"astropy: open, cut, write": "#d97706", "bowerbird.cutouts": "#2f81f7", "memory of bowerbird.cutouts": "#2da44e"}
_ASTROPY, _OURS, _MEMORY = _COLOURS


@dataclass(frozen=True, slots=True)
class Steps:
    """What is measured: numbers of sources, sizes of mosaics, and the rounds of all but the longest."""

    sources: Sequence[int] = SOURCES
    gigabytes: Sequence[float] = GIGABYTES
    rounds: int = 5


def sparse(path: Path, gigabytes: float) -> WCS:
    """Make a square mosaic of float32 zeros that takes no room, and return its sky."""
    side = round((gigabytes * 1e9 / 4) ** 0.5)
    made = header()
    made.update({"NAXIS1": side, "NAXIS2": side, "CRPIX1": side / 2 + 0.5, "CRPIX2": side / 2 + 0.5})
    block = made.tostring().encode()
    with path.open("wb") as file:
        file.write(block)
        file.truncate(len(block) + -(-4 * side * side // 2880) * 2880)
    return WCS(made)


def places(sky: WCS, count: int) -> SkyCoord:
    """Return positions all over a mosaic."""
    shares = np.random.default_rng(3).uniform(0.02, 0.98, (2, count))
    return sky.pixel_to_world(*(share * length for share, length in zip(shares, sky.pixel_shape, strict=True)))


class Memory:
    """The most anonymous memory of this process beyond what it had at first (MiB), as `progress` finds it."""

    def __init__(self) -> None:
        self._first, self.most = _anonymous(), 0.0

    def __call__(self, done: int, of: int) -> None:
        if done % _EVERY == 0 or done == of:
            self.most = max(self.most, _anonymous() - self._first)


def _anonymous() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def ours(mosaic: Path, at: SkyCoord, folder: Path) -> tuple[float, float]:
    """Cut to files in one call; return milliseconds a source, and MiB."""
    memory = Memory()
    forget()
    start = time.perf_counter()
    made = bowerbird.cutouts(at, _SIDE, mosaic, folder=folder, progress=memory)
    took = time.perf_counter() - start
    if any(made["reason"]):
        raise AssertionError(made["reason"])
    return 1000 * took / len(at), max(memory.most, 1.0)


def peers(mosaic: Path, at: SkyCoord, folder: Path) -> float:
    """Open, cut and write some as astropy's documentation shows it; return milliseconds a source."""
    some = at[:_SAMPLE]
    start = time.perf_counter()
    for number, position in enumerate(some):
        with fits.open(mosaic) as hdus:
            piece = Cutout2D(hdus[0].data, position, _SIDE, wcs=WCS(hdus[0].header))
            made = hdus[0].header.copy()
            made.update(piece.wcs.to_header())
            fits.PrimaryHDU(piece.data, made).writeto(folder / f"{number}.fits")
    return 1000 * (time.perf_counter() - start) / len(some)


def _both(place: Path, gigabytes: float, count: int, rounds: int) -> dict[str, float]:
    """Return the figures of a step: medians, in turns."""
    mosaic = place / "mosaic.fits"
    at = places(sparse(mosaic, gigabytes), count)
    times: dict[str, list[float]] = {name: [] for name in _COLOURS}

    def mine(folder: Path) -> None:
        took, mib = ours(mosaic, at, folder)
        times[_OURS].append(took)
        times[_MEMORY].append(mib)

    ways: list[Callable[[Path], None]] = [mine, lambda folder: times[_ASTROPY].append(peers(mosaic, at, folder))]
    for number in range(1 if count >= _LARGE else rounds):
        for way in ways[:: -1 if number % 2 else 1]:
            folder = Path(tempfile.mkdtemp(dir=place))
            way(folder)
            # As in `images_rows`: what is deleted slows the next.
            for file in folder.iterdir():
                os.truncate(file, 0)
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(place: Path, steps: Steps) -> list[Panel]:
    """Measure all panels in a folder, which has what is written by one step at a time."""
    by_count = [_both(place, _USUAL_GIGABYTES, count, steps.rounds) for count in steps.sources]
    by_size = [
        _both(place, size, _USUAL_SOURCES if steps.sources[-1] >= _USUAL_SOURCES else _SAMPLE, steps.rounds) for size in steps.gigabytes
    ]

    def curves(found: list[dict[str, float]], *names: str) -> Curves:
        return {name: [one[name] for one in found] for name in names}

    return [
        Panel("ms a source, a file each", "sources, of a mosaic of 1 GB", steps.sources, curves(by_count, _ASTROPY, _OURS)),
        Panel("ms a source, a file each", "GB of the mosaic, 1,000 sources", steps.gigabytes, curves(by_size, _ASTROPY, _OURS)),
        Panel("MiB, the most anonymous memory", "sources, of a mosaic of 1 GB", steps.sources, curves(by_count, _MEMORY)),
    ]


def draw(path: Path, rounds: int, steps: Steps | None = None) -> None:
    """Measure and draw."""
    beside = Path(__file__).parents[2] / ".bowerbird"
    with tempfile.TemporaryDirectory(dir=beside, prefix="bench-") as place:
        panels = measure(Path(place), steps or Steps(rounds=rounds))
    path.write_text(drawn(panels, _COLOURS), encoding="utf-8")
    for panel in panels:
        print(panel.title, panel.below, panel.steps, {name: [round(value, 3) for value in curve] for name, curve in panel.curves.items()})
