"""One image of a FITS file, made ready to be cut: its header, its sky, the place of its pixels. Kept between cuts."""

import bz2
import gzip
import lzma
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, TypeAlias

import numpy as np
from astropy.io import fits

from bowerbird import pixels
from bowerbird.errors import BadArgument, NoSky, NotCuttable
from bowerbird.fits_cards import Cards
from bowerbird.fits_file import Hdu, is_plain, scan
from bowerbird.kept import Kept, identity
from bowerbird.sky import Sky, read_sky

Choice: TypeAlias = int | str | tuple[str, int] | None
Choices: TypeAlias = Choice | Sequence[Choice]

EVERY = "*"

DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_ARCHIVES: dict[bytes, Callable[[IO[bytes]], Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_ALTERNATE = re.compile(r"(?:CTYPE|CRPIX|CRVAL|CDELT)\d+([A-Z])")
_SHIFTED_TABLES = ("WCSDVARR", "D2IMARR")
_MOST_KEPT = 64
# So many HDUs are named to whom there is none of what they chose.
_MOST_NAMED = 12
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Table:
    """An HDU that the image's coordinates need: its header and its padded data; `shifts` when it counts image pixels."""

    cards: Cards
    content: bytes
    shifts: bool


@dataclass(frozen=True, eq=False)
class Image:
    """An image HDU, or the image that a table holds tile by tile (then `tiled`); lengths have NAXIS1 first."""

    number: int
    cards: Cards
    primary: Cards | None
    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    data_offset: int
    tiled: bool
    sky: Sky
    tables: tuple[Table, ...]
    has_own_sky: bool = True

    @cached_property
    def descriptions(self) -> tuple[str, ...]:
        """The letters of the coordinate descriptions: none for the primary one, then A to Z where there are alternates."""
        found = (_ALTERNATE.fullmatch(keyword) for keyword in self.cards.keywords())
        return (*([""] if self.has_own_sky else []), *sorted({match[1] for match in found if match}))

    @property
    def filter(self) -> str:
        """The filter that it was taken in, as its header names it, or the file's; "" where neither does."""
        return ((self.cards.text("FILTER") or (self.primary and self.primary.text("FILTER"))) or "").strip()

    def ranges(self, box: tuple[slice, ...]) -> pixels.Ranges:
        """Return where in the file the values of a box lie, when it is not tiled."""
        return pixels.plan(self.data_offset, self.shape, box, self.dtype.itemsize)


_kept: Kept[Image] = Kept(_MOST_KEPT)
_kept_numbers: Kept[tuple[int, ...]] = Kept(_MOST_KEPT)


@contextmanager
def file_descriptor(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a file to read it, and close it; NotCuttable for a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise NotCuttable("this is a directory: name a FITS file in it, or cut all images of a release with bowerbird.cutouts")
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def plain(descriptor: int, most_bytes: int | None = None) -> Iterator[int]:
    """Give a descriptor of the file's plain bytes: the same, or one in memory when the file is gzipped as a whole.

    NotCuttable where those in memory would be more than `most_bytes`.
    """
    opener = _ARCHIVES.get(os.pread(descriptor, 2, 0))
    if opener is None:
        yield descriptor
        return
    inflated = os.memfd_create("inflated")
    try:
        with open(descriptor, "rb", closefd=False) as file, opener(file) as source, open(inflated, "wb", closefd=False) as target:
            _inflate(source, target, most_bytes)
        yield inflated
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, OSError) as error:
        raise NotCuttable(f"the file is compressed as a whole and cannot be read: {error}") from None
    finally:
        os.close(inflated)


def _inflate(source: IO[bytes], target: IO[bytes], most_bytes: int | None) -> None:
    if most_bytes is None:
        shutil.copyfileobj(source, target)
        return
    left = most_bytes
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            told = f"it is compressed as a whole and larger than {most_bytes / 1e6:.0f} MB when it is not"
            raise NotCuttable(f"the file cannot be cut: {told}; compressed by tiles (.fz) it could be")
        target.write(chunk)


def images(descriptor: int, choices: Choices = None) -> list[Image]:
    """Return the chosen images of an open plain file, in its order: one, those of a list, or with EVERY all of the sky.

    An image of a list that says nothing of the sky lies as the first does, when their axes are as long.
    """
    if choices == EVERY:
        return _every(descriptor)
    chosen = each_of(choices)
    first = image(descriptor, chosen[0])
    found = {first.number: first}
    for choice in chosen[1:]:
        one = image(descriptor, choice, first)
        found.setdefault(one.number, one)
    return [found[number] for number in sorted(found)]


def each_of(choices: Choices) -> list[Choice]:
    """Return what is chosen, one by one; BadArgument where that is nothing."""
    several = isinstance(choices, Sequence) and not isinstance(choices, str) and not _is_versioned(choices)
    chosen: list[Any] = list(choices) if several and isinstance(choices, Sequence) else [choices]
    if not chosen:
        raise BadArgument("hdu is an empty list; name at least one HDU")
    return chosen


def layers_of(descriptor: int) -> list[Choice]:
    """Return the numbers of all images of an open plain file, first those that say where on the sky they lie; no tables of distortions."""
    own = [one.number for one in _every(descriptor)]
    others = [hdu.number for hdu in scan(descriptor) if hdu.is_image and hdu.number not in own and hdu.name not in _SHIFTED_TABLES]
    return [*own, *others]


def _is_versioned(choice: Sequence[Any]) -> bool:
    return isinstance(choice, tuple) and [type(part) for part in choice] == [str, int]


def _every(descriptor: int) -> list[Image]:
    key = identity(descriptor)
    found = []
    for number in _kept_numbers.find(key) or [hdu.number for hdu in scan(descriptor) if hdu.is_image]:
        with suppress(NoSky):
            found.append(image(descriptor, number))
    _kept_numbers.keep(key, tuple(one.number for one in found))
    return found or [image(descriptor)]


def image(descriptor: int, choice: Choice = None, like: Image | None = None) -> Image:
    """Return the chosen image of an open plain file; without a choice the first that has pixels.

    Where it says nothing of the sky, it lies as `like` does, if that has axes of the same lengths.
    """
    same = identity(descriptor)
    key = None if same is None else (*same, choice, like.number if like else None)
    found = _kept.find(key)
    if found is None:
        found = _read_image(descriptor, choice, like)
        _kept.keep(key, found)
    return found


def _read_image(descriptor: int, choice: Choice, like: Image | None) -> Image:
    if not is_plain(descriptor):
        raise NotCuttable("this is not a FITS file: it does not start as one")
    primary, hdu = _choose(descriptor, choice)
    if hdu.data_offset + hdu.data_bytes > os.fstat(descriptor).st_size:
        raise NotCuttable("the file ends before its pixels do: it is cut short, or is being written")
    cards, shape = (hdu.cards, hdu.shape) if not hdu.compressed else _decompressed_header(descriptor, hdu.number)
    bitpix = cards.integer("BITPIX")
    if bitpix not in DTYPES:
        raise NotCuttable(f"BITPIX is {bitpix}, which no image of the FITS standard has")
    tables = tuple(_tables(descriptor, cards))
    sky, own = _sky(descriptor, cards, shape, like)
    if sky.axes[1] >= len(shape):
        raise NotCuttable("the header puts the sky on an axis that the image does not have")
    above = None if hdu.number == 0 else primary.cards
    return Image(hdu.number, cards, above, shape, np.dtype(DTYPES[bitpix]), hdu.data_offset, hdu.compressed, sky, tables, own)


def _sky(descriptor: int, cards: Cards, shape: tuple[int, ...], like: Image | None) -> tuple[Sky, bool]:
    try:
        return read_sky(cards, lambda: opened(descriptor)), True
    except NoSky:
        if like is None or like.shape != shape:
            raise
        return like.sky, False


def _choose(descriptor: int, choice: Choice) -> tuple[Hdu, Hdu]:
    primary, names = None, []
    for hdu in scan(descriptor):
        primary = primary or hdu
        names.append(f"{hdu.number} ({hdu.name})" if hdu.name else str(hdu.number))
        if _is_chosen(hdu, choice):
            if not hdu.is_image:
                raise NotCuttable(f"HDU {choice!r} holds no image")
            return primary, hdu
    if choice is None:
        raise NotCuttable("there is no image in this file")
    more = ", …" if len(names) > _MOST_NAMED else ""
    raise NotCuttable(f"there is no HDU {choice!r} in this file; it has {len(names)}: {', '.join(names[:_MOST_NAMED])}{more}")


def _is_chosen(hdu: Hdu, choice: Choice) -> bool:
    if choice is None:
        return hdu.is_image
    if isinstance(choice, int):
        return hdu.number == choice
    name, version = choice if isinstance(choice, tuple) else (choice, hdu.version)
    primary = hdu.number == 0 and name.upper() == "PRIMARY"
    return primary or (hdu.name == name.upper() and hdu.version == version)


def opened(descriptor: int) -> fits.HDUList:
    """Open the file of a descriptor, which stays open when the list is closed."""
    file: IO[bytes] = open(os.dup(descriptor), "rb")  # noqa: SIM115  # astropy closes it with the list
    file.seek(0)
    return fits.open(file, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True)


def _decompressed_header(descriptor: int, number: int) -> tuple[Cards, tuple[int, ...]]:
    with opened(descriptor) as hdus:
        hdu = hdus[number]
        return Cards.from_block(hdu.header.tostring().encode("ascii")), tuple(reversed(hdu.shape))


def _tables(descriptor: int, cards: Cards) -> Iterator[Table]:
    """Yield the HDUs that the coordinates point to: lookup tables of distortions, and those of -TAB axes."""
    if "D2IMEXT" in cards:
        raise NotCuttable("the image's coordinates use D2IMEXT, an old form of distortion that cannot be shifted")
    lookups = _has_lookups(cards)
    named = {(cards.text(keyword) or "").upper() for keyword in cards.keywords() if keyword.startswith("PS") and keyword[3:5] == "_0"}
    if not lookups and not named:
        return
    for hdu in scan(descriptor):
        shifts = lookups and hdu.name in _SHIFTED_TABLES
        if shifts or (hdu.name and hdu.name in named):
            yield Table(hdu.cards, os.pread(descriptor, hdu.end - hdu.data_offset, hdu.data_offset), shifts)


def _has_lookups(cards: Cards) -> bool:
    found = False
    for keyword in cards.keywords():
        if keyword.startswith(("CPDIS", "D2IMDIS")):
            found = True
            if (cards.text(keyword) or "").upper() != "LOOKUP":
                raise NotCuttable(f"the distortion {keyword} = {cards.text(keyword)} is counted in pixels and cannot be shifted")
    return found
