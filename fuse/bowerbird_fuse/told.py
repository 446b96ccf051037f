"""What a view itself tells of a file by extended attributes: where a released one comes from, how full a space is."""

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from bowerbird_config import checksums

from bowerbird_fuse.figures import Figures
from bowerbird_fuse.meter import Word
from bowerbird_fuse.stores.base import Store
from bowerbird_fuse.stores.space import SpaceStore
from bowerbird_fuse.tree import Stored
from bowerbird_fuse.view import ReleaseShown

log = logging.getLogger(__name__)
# Nobody else sets or shows an attribute that begins so: what it says is true.
OURS = b"user.bowerbird."
SHA256, USAGE = OURS + b"sha256", OURS + b"usage"
# linux/limits.h: XATTR_SIZE_MAX.
_LONGEST = 65536


class Told:
    """What is told; the list of checksums of a release is read once."""

    def __init__(self) -> None:
        self._sums: WeakKeyDictionary[Store, Mapping[bytes, str]] = WeakKeyDictionary()

    def of(self, stored: Stored) -> dict[bytes, bytes]:
        """Return the attributes of what lies there, by name."""
        store, release = stored.grant.store, stored.grant.release
        if release is not None:
            return self._of_released(store, release, stored.path)
        return {USAGE: _usage(store, stored.grant.key)} if isinstance(store, SpaceStore) and not stored.path else {}

    def _of_released(self, store: Store, release: ReleaseShown, path: bytes) -> dict[bytes, bytes]:
        facts = {"collection": release.collection, "release": release.name, **release.facts}
        told = {OURS + name.encode(): text.encode()[:_LONGEST] for name, text in facts.items() if text}
        if store not in self._sums:
            self._sums[store] = _sums(store)
        digest = self._sums[store].get(path)
        return told | ({SHA256: digest.encode()} if digest else {})


def _sums(store: Store) -> Mapping[bytes, str]:
    for name in checksums.NAMES:
        with contextlib.suppress(OSError):  # a list of another name may be there
            return _sums_in(store, name)
    return {}


def _sums_in(store: Store, name: str) -> Mapping[bytes, str]:
    with store.pin(name.encode()) as entry, entry.open(os.O_RDONLY) as file:
        if file.stat().st_size > checksums.LARGEST_BYTES:
            log.warning("%s is longer than %d bytes: no checksum of it is told", name, checksums.LARGEST_BYTES)
            return {}
        return checksums.parse(file.read(0, checksums.LARGEST_BYTES))


def _usage(store: SpaceStore, key: str) -> bytes:
    room = store.room
    return json.dumps(Figures(key, room.meter.wanted, max(0, room.meter.total(Word.TRASH)), room.soft, room.hard).to_json()).encode()
