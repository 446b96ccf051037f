"""The cutouts of one request, of one open file of a release: planned, then read; in a thread, but for small ones that are near."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Final, Self

from bowerbird.areas import Area, Circle
from bowerbird.errors import CutoutError, OutsideImage
from bowerbird.pieces import Changed, Pieces
from bowerbird.slab import Interval, Kind, Slab

from bowerbird_services.archive import Record
from bowerbird_services.cutting_forms import Alone, Answer, Archive, Extensions, Plan
from bowerbird_services.release_files import ReleaseFile
from bowerbird_services.store import products
from bowerbird_services.vo.dali import Fault
from bowerbird_services.vo.soda import Asked, Form

# An answer up to this is read at once; larger ones come one after the other, so that memory is bounded (bytes).
SMALL: Final = 16 << 20
# Up to this the pixels are copied in less time than it takes to hand the work to a thread and back.
_LIGHT: Final = 1 << 20
# Each cutout is made in memory; an archive of them is not.
LARGEST: Final = 256 << 20
LARGEST_ARCHIVE: Final = 4 << 30
# Changes when the same cutout of the same file would have other bytes.
_EDITION: Final = "1"
_SEVERAL: Final = "_cutouts"
_FORMS: Final[dict[Form, Callable[[Sequence[Plan]], Answer]]] = {Form.FITS: Alone, Form.TAR: Archive, Form.MEF: Extensions}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+-]+")


def tag(file: ReleaseFile, asked: Asked) -> str:
    """Return the ETag of what is asked for: it changes with the file and with the question."""
    slab = asked.slab
    # In order: that of a set is another in each process.
    told = (_EDITION, asked.did, asked.regions, slab.band, slab.time, sorted(slab.states), asked.hdus, asked.form)
    question = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return f'{file.tag[:-1]}-{question}"'


def file_name(asked: Asked, file: str) -> str:
    """Return what the answer is called where it is kept: after the file that it is cut from, and the place."""
    stem = _UNSAFE.sub("_", PurePosixPath(file).name.partition(".fit")[0]).strip("._") or "image"
    if asked.form is Form.FITS:
        return f"{stem}{_place(asked.areas[0])}.fits"
    return f"{stem}{_SEVERAL}.{'tar' if asked.form is Form.TAR else 'fits'}"


def _place(area: Area | None) -> str:
    return f"_{area.longitude:.5f}{area.latitude:+.5f}" if isinstance(area, Circle) else "_cutout"


class Cutting:
    """The pieces that will be cut from a file, which stays the caller's. OutsideImage where there are none; Fault where that is refused.

    With `by_pieces` the whole of a large image is refused.
    """

    def __init__(self, file: ReleaseFile, record: Record, asked: Asked, *, by_pieces: bool = False) -> None:
        self.tag, self.modified = tag(file, asked), formatdate(file.modified, usegmt=True)
        self.name = file_name(asked, record.product.file)
        with _told():
            self._pieces = Pieces(file.descriptor, asked.hdu, PurePosixPath(record.product.file).name)
            try:
                self._plans = self._planned(asked, applicable(asked.slab, self._pieces.kinds, record.product))
                if by_pieces:
                    _check_pieces(asked, self._plans)
                self._form = _FORMS[asked.form](self._plans)
                self.size = self._form.size
            except BaseException:  # whatever it is, nothing of the file stays open
                self._pieces.close()
                raise

    def _planned(self, asked: Asked, slab: Slab) -> list[Plan]:
        stem = self.name.rpartition(_SEVERAL)[0]
        plans = []
        for number, area in enumerate(asked.areas, start=1):
            try:
                plans.append(Plan(f"{stem}_{number:04d}{_place(area)}.fits", self._pieces.product(area, slab)))
            except OutsideImage as error:
                plans.append(Plan("", None, str(error)))
            if sum(plan.size for plan in plans) > LARGEST_ARCHIVE or plans[-1].size > LARGEST:
                raise _too_large(plans)
        if not any(plan.product for plan in plans):
            raise OutsideImage(plans[0].reason)
        return plans

    @property
    def is_near(self) -> bool:
        """Whether it is a small cutout whose pixels are in memory, so that nobody waits while it is read."""
        return self.size <= _LIGHT and all(plan.product is not None and self._pieces.is_near(plan.product) for plan in self._plans)

    def parts(self) -> Iterator[Sequence[Any]]:
        """Read and yield the answer, a cutout at a time; Fault where the file is not what it was."""
        return self._form.parts(self._read)

    def _read(self, plan: Plan) -> Sequence[Any]:
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


def _check_pieces(asked: Asked, plans: list[Plan]) -> None:
    """Refuse what would be a large image itself: all of the sky that it shows."""
    for plan in plans:
        if plan.product and plan.size > SMALL and (not asked.regions or plan.product.is_whole):
            words = "this release hands out pieces of its images, and none of them whole that has more than"
            raise Fault(f"{words} {SMALL >> 20} MB; name a region in CIRCLE, POLYGON or POS")


def _too_large(plans: list[Plan]) -> Fault:
    size, most = (plans[-1].size, LARGEST) if plans[-1].size > LARGEST else (sum(plan.size for plan in plans), LARGEST_ARCHIVE)
    what = "a cutout" if most == LARGEST else "an archive of cutouts"
    words = f"{what} may have {most >> 20} MB, and this one would have {-(-size >> 20)}; ask for a smaller region or band"
    return Fault(words, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
