"""Previews: a picture of a whole image or cube, made when it is asked for and kept for whoever asks next."""

import threading
from collections import OrderedDict
from typing import Final

from bowerbird.overview import can_be_shown, overview

from bowerbird_services.release_files import ReleaseFile
from bowerbird_services.store.dids import DID

SIZES: Final = {"preview": 256, "preview-image": 1024}
_MOST_KEPT: Final = 16 << 20


class Previews:
    """Makes pictures; safe to ask from many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[DID, str, int], bytes] = OrderedDict()
        self._size = 0
        # Guards the two above; pictures are made outside it.
        self._lock = threading.Lock()

    @staticmethod
    def is_made_of(file: ReleaseFile) -> bool:
        """Return whether a file has a preview."""
        return can_be_shown(file.descriptor, max(SIZES.values()))

    def of(self, did: DID, file: ReleaseFile, pixels: int) -> bytes:
        """Return the PNG of a product by its open file; CutoutError where it has none."""
        key = did, file.tag, pixels
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        made = overview(file.descriptor, pixels).content
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > _MOST_KEPT and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made
