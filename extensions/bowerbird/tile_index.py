"""Images that are compressed by tiles, opened by astropy: where their tiles lie is read once, and kept without the file."""

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

from astropy.io import fits

from bowerbird.kept import Kept, identity

_MOST_KEPT = 16
# One of more tiles than these is not kept: some 30 bytes each.
_MOST_TILES = 1 << 20


class _Lent(io.RawIOBase):
    """A file to read by a descriptor that is somebody else's, for as long as that lends it."""

    def __init__(self) -> None:
        self.descriptor = -1
        self._at = 0

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is."""
        return True

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}
        self._at = offset + (starts[whence] if whence in starts else os.fstat(self.descriptor).st_size)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer at the end of the file."""
        left = os.fstat(self.descriptor).st_size - self._at
        content = os.pread(self.descriptor, max(0, left if size is None or size < 0 else min(size, left)), self._at)
        self._at += len(content)
        return content


class _Opened:
    """The HDUs of a file that may be closed by now."""

    def __init__(self, descriptor: int) -> None:
        self.file = _Lent()
        self.file.descriptor = descriptor
        self.hdus = fits.open(self.file, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True)


_kept: Kept[_Opened] = Kept(_MOST_KEPT)


@contextmanager
def tiles(descriptor: int, number: int) -> Iterator[fits.CompImageHDU]:
    """Give an image of an open plain file, to read sections of it until the end of the context."""
    same = identity(descriptor)
    key = None if same is None else (*same, number)
    one = _kept.take(key)
    if one is None:
        one = _Opened(descriptor)
    else:
        one.file.descriptor = descriptor
    try:
        hdu = one.hdus[number]
        yield hdu
    except BaseException:
        # What ended in the middle of something is in no known state.
        one = None
        raise
    finally:
        if one is not None:
            one.file.descriptor = -1
            if _count(hdu) <= _MOST_TILES:
                _kept.keep(key, one)


def _count(hdu: fits.CompImageHDU) -> int:
    return math.prod(-(-length // side) for length, side in zip(hdu.shape, hdu.tile_shape, strict=True))
