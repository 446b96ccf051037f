"""The cutouts of one request, of one open file of a release: planned, then read; all of it takes time and runs in a thread."""

import csv
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Final, Self

from bowerbird.areas import Area, Circle
from bowerbird.errors import CutoutError, OutsideImage
from bowerbird.pieces import Changed, Pieces
from bowerbird.product import Product
from bowerbird.slab import Interval, Kind, Slab

from bowerbird_services.archive import Record
from bowerbird_services.release_files import ReleaseFile
from bowerbird_services.store import products
from bowerbird_services.vo.dali import Fault
from bowerbird_services.vo.soda import FITS, TAR, Asked

# An answer up to this is read at once; larger ones come one after the other, so that memory is bounded (bytes).
SMALL: Final = 16 << 20
# Each cutout is made in memory; an archive of them is not.
LARGEST: Final = 256 << 20
# Up to this the pixels are copied in less time than it takes to hand the work to a thread and back.
_LIGHT: Final = 1 << 20
LARGEST_ARCHIVE: Final = 4 << 30
_BLOCK: Final = 512
_INDEX: Final = "index.csv"
# Changes when the same cutout of the same file would have other bytes.
_EDITION: Final = "1"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+-]+")


def tag(file: ReleaseFile, asked: Asked) -> str:
    """Return the ETag of what is asked for: it changes with the file and with the question."""
    slab = asked.slab
    # In order: that of a set is another in each process.
    told = (_EDITION, asked.did, asked.regions, slab.band, slab.time, sorted(slab.states), asked.hdu, asked.form)
    question = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return f'{file.tag[:-1]}-{question}"'


def file_name(asked: Asked, file: str) -> str:
    """Return what the answer is called where it is kept: after the file that it is cut from, and the place."""
    stem = _UNSAFE.sub("_", PurePosixPath(file).name.partition(".fit")[0]).strip("._") or "image"
    if asked.form == TAR:
        return f"{stem}_cutouts.tar"
    return f"{stem}{_place(asked.areas[0])}.fits"


def _place(area: Area | None) -> str:
    return f"_{area.longitude:.5f}{area.latitude:+.5f}" if isinstance(area, Circle) else "_cutout"


@dataclass(frozen=True, slots=True)
class _Plan:
    """One piece: what will be read, or why there is none."""

    name: str
    product: Product | None
    reason: str = ""

    @property
    def size(self) -> int:
        return self.product.size if self.product else 0


class Cutting:
    """The pieces that will be cut from a file, which stays the caller's. OutsideImage where there are none; Fault where that is refused.

    With `by_pieces` the whole of a large image is refused.
    """

    def __init__(self, file: ReleaseFile, record: Record, asked: Asked, *, by_pieces: bool = False) -> None:
        self.tag, self.modified = tag(file, asked), formatdate(file.modified, usegmt=True)
        self.name = file_name(asked, record.product.file)
        self._form = asked.form
        with _told():
            self._pieces = Pieces(file.descriptor, asked.hdu, PurePosixPath(record.product.file).name)
            try:
                self._plans = self._planned(asked, applicable(asked.slab, self._pieces.kinds, record.product))
                if by_pieces:
                    _check_pieces(asked, self._plans)
                self._index = self._listed() if asked.form == TAR else b""
                self.size = self._size()
            except BaseException:  # whatever it is, nothing of the file stays open
                self._pieces.close()
                raise

    def _planned(self, asked: Asked, slab: Slab) -> list[_Plan]:
        stem = self.name.partition("_cutouts.tar")[0]
        plans = []
        for number, area in enumerate(asked.areas, start=1):
            try:
                plans.append(_Plan(f"{stem}_{number:04d}{_place(area)}.fits", self._pieces.product(area, slab)))
            except OutsideImage as error:
                plans.append(_Plan("", None, str(error)))
            if sum(plan.size for plan in plans) > LARGEST_ARCHIVE or plans[-1].size > LARGEST:
                raise _too_large(plans)
        if not any(plan.product for plan in plans):
            raise OutsideImage(plans[0].reason)
        return plans

    def _listed(self) -> bytes:
        """Return the first file of an archive: what became of each region, in the order of the request."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("region", "file", "reason"))
        writer.writerows((number, plan.name, plan.reason) for number, plan in enumerate(self._plans, start=1))
        return text.getvalue().encode()

    def _size(self) -> int:
        sizes = [plan.size for plan in self._plans if plan.product]
        if self._form == FITS:
            return sum(sizes)
        return sum(_BLOCK + _padded(size) for size in (len(self._index), *sizes)) + 2 * _BLOCK

    @property
    def is_near(self) -> bool:
        """Whether it is a small cutout whose pixels are in memory, so that nobody waits while it is read."""
        return self.size <= _LIGHT and all(plan.product is not None and self._pieces.is_near(plan.product) for plan in self._plans)

    def parts(self) -> Iterator[Sequence[Any]]:
        """Read and yield the answer, a cutout at a time; Fault where the file is not what it was."""
        if self._form == FITS:
            for plan in self._plans:
                yield self._read(plan)
            return
        yield _member(_INDEX, [self._index], len(self._index))
        for plan in self._plans:
            if plan.product:
                yield _member(plan.name, self._read(plan), plan.size)
        yield [bytes(2 * _BLOCK)]

    def _read(self, plan: _Plan) -> Sequence[Any]:
        assert plan.product is not None  # noqa: S101  for the reader of types
        with _told():
            return self._pieces.read(plan.product)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.close()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what is wrong with a file into what its asker is told; that there is nothing stays what it is."""
    try:
        yield
    except OutsideImage:
        raise
    except Changed as error:
        raise Fault(str(error), HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}) from error
    except CutoutError as error:
        raise Fault(str(error)) from error


def applicable(slab: Slab, kinds: frozenset[Kind], product: products.Product) -> Slab:
    """Return what of a slab cuts an axis; of an image without one all is taken or nothing, by the band and the time of the product."""
    for name, kind, wanted, known in (
        ("BAND", Kind.BAND, slab.band, (product.em_min, product.em_max)),
        ("TIME", Kind.TIME, slab.time, (product.t_min, product.t_max)),
    ):
        if wanted is not None and kind not in kinds:
            _check_within(name, wanted, known)
    return Slab(slab.band if Kind.BAND in kinds else None, slab.time if Kind.TIME in kinds else None, slab.states)


def _check_within(name: str, wanted: Interval, known: tuple[float | None, float | None]) -> None:
    low, high = known
    if low is None or high is None:
        raise Fault(f"{name} is of no use here: the image has no axis of it, and nothing is known of the one that it was taken in")
    if wanted[1] < low or wanted[0] > high:
        raise OutsideImage(f"the image was taken in another {name}")


def _check_pieces(asked: Asked, plans: list[_Plan]) -> None:
    """Refuse what would be a large image itself: all of the sky that it shows."""
    for plan in plans:
        if plan.product and plan.size > SMALL and (not asked.regions or plan.product.is_whole):
            words = "this release hands out pieces of its images, and none of them whole that has more than"
            raise Fault(f"{words} {SMALL >> 20} MB; name a region in CIRCLE, POLYGON or POS")


def _too_large(plans: list[_Plan]) -> Fault:
    size, most = (plans[-1].size, LARGEST) if plans[-1].size > LARGEST else (sum(plan.size for plan in plans), LARGEST_ARCHIVE)
    what = "a cutout" if most == LARGEST else "an archive of cutouts"
    words = f"{what} may have {most >> 20} MB, and this one would have {-(-size >> 20)}; ask for a smaller region or band"
    return Fault(words, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _member(name: str, parts: Sequence[Any], size: int) -> Sequence[Any]:
    """Return a file of an archive, its header first."""
    about = tarfile.TarInfo(name)
    about.size = size
    return [about.tobuf(tarfile.USTAR_FORMAT), *parts, bytes(_padded(size) - size)]
