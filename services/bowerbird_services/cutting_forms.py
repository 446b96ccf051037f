"""How the cutouts of one request come: one alone, an archive of a file each, or one file with an extension each, of a size known first."""

import csv
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from astropy.io import fits
from bowerbird.extension import extension, primary
from bowerbird.fits_cards import BLOCK
from bowerbird.product import Product

from bowerbird_services.vo.dali import Fault

_TAR_BLOCK: Final = 512
_INDEX: Final = "index.csv"
# What the extension of a cutout is called whose image has no name, and the table behind all of them.
_CUTOUT, _REGIONS = "CUTOUT", "REGIONS"


@dataclass(frozen=True, slots=True)
class Plan:
    """One piece: what will be read, or why there is none; `name` is its file's."""

    name: str
    product: Product | None
    reason: str = ""

    @property
    def size(self) -> int:
        """How many bytes it has as a file."""
        return self.product.size if self.product else 0


Read: TypeAlias = Callable[[Plan], Sequence[Any]]


class Answer(Protocol):
    """An answer with `size` bytes; `parts` yields them, a cutout at a time."""

    size: int

    def parts(self, read: Read) -> Iterator[Sequence[Any]]:
        """Yield the bytes of the answer."""


class Alone:
    """A cutout, as the one file that it is."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self.size = sum(plan.size for plan in plans)

    def parts(self, read: Read) -> Iterator[Sequence[Any]]:
        """Yield the bytes of the answer."""
        return map(read, self._plans)


class Archive:
    """A tar with a file of each region, after one that says what became of each."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans, self._index = plans, _listed(plans)
        sizes = [plan.size for plan in plans if plan.product]
        self.size = sum(_TAR_BLOCK + _in_tar(size) for size in (len(self._index), *sizes)) + 2 * _TAR_BLOCK

    def parts(self, read: Read) -> Iterator[Sequence[Any]]:
        """Yield the bytes of the answer."""
        yield _member(_INDEX, [self._index], len(self._index))
        for plan in self._plans:
            if plan.product:
                yield _member(plan.name, read(plan), plan.size)
        yield [bytes(2 * _TAR_BLOCK)]


class Extensions:
    """One FITS file with an extension of each region, whose number is its EXTVER, and behind them a table of what became of each."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        found = {number: _alone(plan.product) for number, plan in enumerate(plans, start=1) if plan.product}
        self._first = primary(next(iter(found.values()))[0], len(found) + 1)
        self._table = _told(plans)
        sizes = [len(extension(header, _CUTOUT, number)) + length for number, (_, header, length) in found.items()]
        self.size = sum([len(self._first), *sizes, len(self._table)])

    def parts(self, read: Read) -> Iterator[Sequence[Any]]:
        """Yield the bytes of the answer."""
        yield [self._first]
        for number, plan in enumerate(self._plans, start=1):
            if plan.product:
                *_, header, content = read(plan)
                yield [extension(bytes(header), _CUTOUT, number, content), content]
        yield [self._table]


def _alone(product: Product) -> tuple[bytes | None, bytes, int]:
    found = product.alone
    if found is None:
        raise Fault("FORM=mef takes one image, without tables that its coordinates need; ask with FORM=tar")
    return found


def _listed(plans: Sequence[Plan]) -> bytes:
    """Return what became of each region, in the order of the request."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("region", "file", "reason"))
    writer.writerows((number, plan.name, plan.reason) for number, plan in enumerate(plans, start=1))
    return text.getvalue().encode()


def _told(plans: Sequence[Plan]) -> bytes:
    """Return the same as a table HDU, with the number of the HDU of each cutout."""
    hdus, last = [], 0
    for plan in plans:
        last += plan.product is not None
        hdus.append(last if plan.product else 0)
    reasons = [plan.reason.encode("ascii", "replace").decode() for plan in plans]
    columns = [
        fits.Column("region", "J", array=range(1, len(plans) + 1)),
        fits.Column("hdu", "J", array=hdus, null=0),
        fits.Column("reason", f"{max(1, *map(len, reasons))}A", array=reasons),
    ]
    made = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name=_REGIONS)]).writeto(made, checksum=True)
    return made.getvalue()[BLOCK:]


def _in_tar(size: int) -> int:
    return -(-size // _TAR_BLOCK) * _TAR_BLOCK


def _member(name: str, parts: Sequence[Any], size: int) -> Sequence[Any]:
    """Return a file of an archive, its header first."""
    about = tarfile.TarInfo(name)
    about.size = size
    return [about.tobuf(tarfile.USTAR_FORMAT), *parts, bytes(_in_tar(size) - size)]
