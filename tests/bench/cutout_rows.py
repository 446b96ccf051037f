"""One 1′ cutout of a mosaic of more than 1 GB, written to a file: ours beside astropy's open–Cutout2D–write."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from tests.bench.row import Row, paired

_ROOT = Path(__file__).parents[2]
_COLUMNS, _ROWS = 20_480, 14_336
_SCALE = 0.339 / 3600  # degrees a pixel
_CENTRE = (150.0, 2.0)
_SIDE = 1 * u.arcmin
_STRIPE = 256
_CUTS_A_ROUND = 5
_GOAL = 5.0
_EXACT = 1e-9  # degrees
_PEER = "astropy"


def header() -> fits.Header:
    """Return the mosaic's header, as long as a survey's is."""
    made = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", _COLUMNS), ("NAXIS2", _ROWS)])
    made.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": _CENTRE[0], "CRVAL2": _CENTRE[1], "CUNIT1": "deg", "CUNIT2": "deg"})
    made.update({"CRPIX1": _COLUMNS / 2 + 0.5, "CRPIX2": _ROWS / 2 + 0.5, "CD1_1": -_SCALE, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": _SCALE})
    made["RADESYS"] = "ICRS"
    for number in range(60):
        made[f"SURVEY{number}"] = (number * 1.5, "a card as a pipeline writes it")
    return made


def write_mosaic(path: Path) -> None:
    """Write the mosaic, noise in stripes, down to the disk."""
    dice = np.random.default_rng(1)
    stripe = dice.normal(100, 10, (_STRIPE, _COLUMNS)).astype(">f4")
    with path.open("wb") as file:
        file.write(header().tostring().encode())
        for number in range(_ROWS // _STRIPE):
            file.write(np.roll(stripe, 37 * number, axis=1).tobytes())
        file.write(bytes(-file.tell() % 2880))
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Work:
    """The mosaic, where cutouts go, and the positions of a round."""

    mosaic: Path
    output: Path
    positions: Iterator[SkyCoord]

    def ours(self, position: SkyCoord) -> None:
        """Cut and write."""
        self.output.write_bytes(bowerbird.cutout(self.mosaic, position, _SIDE, as_bytes=True))

    def peers(self, position: SkyCoord) -> None:
        """Do the same with astropy, as its documentation shows it."""
        with fits.open(self.mosaic) as hdus:
            piece = Cutout2D(hdus[0].data, position, _SIDE, wcs=WCS(hdus[0].header))
            made = hdus[0].header.copy()
            made.update(piece.wcs.to_header())
            fits.PrimaryHDU(piece.data, made).writeto(self.output, overwrite=True)

    def cool(self) -> None:
        """Let the kernel forget the mosaic's pages."""
        with self.mosaic.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def seconds(self, cut: Callable[[SkyCoord], None], *, cold: bool = False, known: bool = False) -> float:
        """Return the mean time of a cutout; `known` leaves what this process learnt of the file."""
        took = 0.0
        for _ in range(_CUTS_A_ROUND):
            position = next(self.positions)
            cut(position)
            if cold:
                self.cool()
            if not known:
                forget()
            start = time.perf_counter()
            cut(position)
            took += time.perf_counter() - start
        return took / _CUTS_A_ROUND

    def check(self) -> None:
        """Prove that what is measured is right: bit-equal pixels at the same position."""
        position = next(self.positions)
        cut = bowerbird.cutout(self.mosaic, position, _SIDE)[0]
        with fits.open(self.mosaic) as hdus:
            x, y = (round(hdus[0].header[f"CRPIX{axis}"] - cut.header[f"CRPIX{axis}"]) for axis in (1, 2))
            piece = hdus[0].data[y : y + cut.shape[0], x : x + cut.shape[1]]
            there = WCS(hdus[0].header).pixel_to_world(x, y)
            apart = there.separation(WCS(cut.header).pixel_to_world(0, 0)).deg
            if piece.tobytes() != cut.data.tobytes() or apart > _EXACT:
                raise AssertionError("the cutout is not the mosaic's piece")


def positions() -> Iterator[SkyCoord]:
    """Yield positions all over the mosaic."""
    dice = np.random.default_rng(2)
    while True:
        yield SkyCoord(_CENTRE[0] + dice.uniform(-0.9, 0.9), _CENTRE[1] + dice.uniform(-0.6, 0.6), unit="deg")


@contextmanager
def work() -> Iterator[Work]:
    """Make the mosaic beside the environments, on the disk of the checkout; it goes away at the end."""
    with tempfile.TemporaryDirectory(dir=_ROOT / ".bowerbird", prefix="bench-") as folder:
        mosaic = Path(folder) / "synthetic.fits"
        write_mosaic(mosaic)
        yield Work(mosaic, Path(folder) / "cut.fits", positions())


def rows(rounds: int) -> list[Row]:
    """Measure cold, warm, and again in a file that this process knows."""
    with work() as bench:
        bench.check()
        cold = paired(rounds, lambda: bench.seconds(bench.ours, cold=True), lambda: bench.seconds(bench.peers, cold=True))
        warm = paired(rounds, lambda: bench.seconds(bench.ours), lambda: bench.seconds(bench.peers))
        known = paired(rounds, lambda: bench.seconds(bench.ours, known=True), lambda: bench.seconds(bench.peers))
    what = "1′ cutout of a 1.2 GB mosaic to a file"
    measured = (
        ("P6a-cold", f"{what}, cold", cold),
        ("P6a-warm", f"{what}, warm", warm),
        ("P6a-known", f"{what}, warm, header known", known),
    )
    return [
        Row.against(name, title, ours, peer, peer_name=_PEER, unit="s", goal=_GOAL, better="higher")
        for name, title, (ours, peer) in measured
    ]
