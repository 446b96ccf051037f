"""A thousand 1′ cutouts of one mosaic of more than 1 GB (synthetic): ours in one call beside astropy's open–Cutout2D–write loop."""

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import astropy.units as u
import bowerbird
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from bowerbird.kept import forget

from tests.bench import cutana_peer, stamps_page
from tests.bench.cutout_rows import Work, work
from tests.bench.images_curves import draw  # noqa: F401  the command finds it here
from tests.bench.row import Row, paired

_SOURCES = 1000
# Where nothing grows cheaper with the number, so many tell astropy's time for each.
_SAMPLE = 50
# After so many of astropy's cutouts from a cold file all of it is in memory: the rest of the thousand are warm ones.
_COLD_SAMPLE = 250
_SIDE = 1 * u.arcmin
_COLD, _WARM, _ONCE = 20.0, 50.0, 5.0
_OF_CUTANA = 3.0
_PIXELS = 178
_EXACT = 1e-9  # degrees


@dataclass
class Thousand:
    """The work of `cutout_rows` for many positions, and what each way took for one cutout, a number a round."""

    work: Work
    at: SkyCoord
    took: dict[str, list[float]] = field(default_factory=dict)
    _folders: int = 0

    @property
    def folder(self) -> Path:
        """Where files go."""
        return self.work.output.parent / f"cuts-{self._folders}"

    def next_folder(self) -> None:
        """Make a new folder and empty the files of the last one, which are not deleted.

        Where a thousand files were deleted just before, ext4 looks at each of them anew for every file that is made: that took
        four times as long as to make the file, and was measured of the faster of two ways most.
        """
        for file in self.folder.rglob("*.fits"):
            os.truncate(file, 0)
        self._folders += 1
        self.folder.mkdir()

    def measure(self, name: str, cut: Callable[[SkyCoord], Any], count: int, *, cold: bool = False) -> None:
        """Keep the mean time of a cutout, the folder new and the file not known."""
        self.next_folder()
        forget()
        if cold:
            self.work.cool()
        start = time.perf_counter()
        cut(self.at[:count])
        self.took.setdefault(name, []).append((time.perf_counter() - start) / count)

    def files(self, at: SkyCoord) -> None:
        """Cut to files, in one call."""
        made = bowerbird.cutouts(at, _SIDE, self.work.mosaic, folder=self.folder)
        if any(made["reason"]):
            raise AssertionError(made["reason"])

    def memory(self, at: SkyCoord) -> None:
        """Cut to the bytes of FITS files in memory, in one call."""
        bowerbird.cutouts(at, _SIDE, self.work.mosaic)

    def peers_files(self, at: SkyCoord) -> None:
        """Open, cut and write for each, as astropy's documentation shows it."""
        for number, position in enumerate(at):
            with fits.open(self.work.mosaic) as hdus:
                _piece(hdus, position).writeto(self.folder / f"{number}.fits")

    def peers_once(self, at: SkyCoord) -> None:
        """Open once, then cut and write each."""
        with fits.open(self.work.mosaic) as hdus:
            for number, position in enumerate(at):
                _piece(hdus, position).writeto(self.folder / f"{number}.fits")

    def peers_memory(self, at: SkyCoord) -> None:
        """Open, cut and make bytes for each."""
        for position in at:
            with fits.open(self.work.mosaic) as hdus:
                _piece(hdus, position).writeto(io.BytesIO())

    def check(self) -> None:
        """Prove that what is measured is right: bit-equal pixels at the same positions."""
        some = self.at[:: len(self.at) // 20]
        with fits.open(self.work.mosaic) as hdus:
            sky, values = WCS(hdus[0].header), hdus[0].data
            for cut in bowerbird.cutouts(some, _SIDE, self.work.mosaic)["cutout"]:
                x, y = (round(hdus[0].header[f"CRPIX{axis}"] - cut.header[f"CRPIX{axis}"]) for axis in (1, 2))
                rows, columns = cut.data.shape
                apart = sky.pixel_to_world(x, y).separation(WCS(cut.header).pixel_to_world(0, 0)).deg
                if values[y : y + rows, x : x + columns].tobytes() != cut.data.tobytes() or apart > _EXACT:
                    raise AssertionError("a cutout is not the mosaic's piece")

    def row(self, name: str, what: str, pair: tuple[str, str], peer_name: str, goal: float) -> Row:
        """Return ours beside a peer's."""
        mine, theirs = (self.took[one] for one in pair)
        return Row.against(name, what, mine, theirs, peer_name=peer_name, unit="s", goal=goal, better="higher")


def _piece(hdus: fits.HDUList, position: SkyCoord) -> fits.PrimaryHDU:
    piece = Cutout2D(hdus[0].data, position, _SIDE, wcs=WCS(hdus[0].header))
    made = hdus[0].header.copy()
    made.update(piece.wcs.to_header())
    return fits.PrimaryHDU(piece.data, made)


def rows(rounds: int) -> list[Row]:
    """Measure files cold and warm, and bytes in memory; in turns, whoever is first."""
    with work() as one:
        bench = Thousand(one, SkyCoord(list(islice(one.positions, _SOURCES))))
        bench.check()
        for number in range(rounds):
            ways: list[Callable[[], None]] = [
                lambda: bench.measure("ours cold", bench.files, _SOURCES, cold=True),
                lambda: bench.measure("first", bench.peers_files, _COLD_SAMPLE, cold=True),
                lambda: bench.measure("ours warm", bench.files, _SOURCES),
                lambda: bench.measure("warm", bench.peers_files, _SAMPLE),
                lambda: bench.measure("once", bench.peers_once, _SAMPLE),
                lambda: bench.measure("ours memory", bench.memory, _SOURCES),
                lambda: bench.measure("memory", bench.peers_memory, _SAMPLE),
            ]
            for way in ways[:: -1 if number % 2 else 1]:
                way()
        looked_at = stamps_page.rows(rounds, one.mosaic, bench.at)
        what = f"each of {_SOURCES:,} cutouts of 1′ from a 1.2 GB synthetic mosaic"
        share = _COLD_SAMPLE / _SOURCES
        bench.took["cold"] = [
            first * share + rest * (1 - share) for first, rest in zip(bench.took["first"], bench.took["warm"], strict=True)
        ]
        return [
            bench.row("P6-cold", f"{what} to files, cold", ("ours cold", "cold"), "astropy", _COLD),
            bench.row("P6-warm", f"{what} to files, warm", ("ours warm", "warm"), "astropy", _WARM),
            bench.row("P6-once", f"{what} to files, warm", ("ours warm", "once"), "astropy with the file opened once", _ONCE),
            bench.row("P6-memory", f"{what} to bytes in memory, warm", ("ours memory", "memory"), "astropy", _WARM),
            *looked_at,
        ]


def peer_rows(rounds: int) -> list[Row]:
    """Measure beside cutana's batch, which is installed for it; both begin with a cold file and write one file a source."""
    cutana_peer.install()
    with work() as one:
        bench = Thousand(one, SkyCoord(list(islice(one.positions, _SOURCES))))

        def ours() -> float:
            bench.measure("ours", bench.files, _SOURCES, cold=True)
            return bench.took["ours"][-1]

        def peer() -> float:
            bench.next_folder()
            one.cool()
            return cutana_peer.seconds(one.mosaic, bench.at, _PIXELS, bench.folder) / _SOURCES

        mine, theirs = paired(rounds, ours, peer)
    what = f"each of {_SOURCES:,} cutouts of 1′ from a 1.2 GB synthetic mosaic to files, cold"
    return [Row.against("P7", what, mine, theirs, peer_name="cutana's batch", unit="s", goal=_OF_CUTANA, better="higher")]
