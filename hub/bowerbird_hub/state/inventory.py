"""What a directory tree holds, in two figures: enough to see that a copy lost a file or a part of one."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inventory:
    """How many entries a tree has, and a digest of each one's place, kind and size."""

    entries: int
    digest: str


def inventory(root: Path) -> Inventory:
    """Return the inventory of a tree; nothing is read but directories, and no link is followed."""
    digest, entries = hashlib.sha256(), 0
    for place, directories, files in os.walk(root):
        directories.sort()
        for name in sorted([*directories, *files]):
            path = os.path.join(place, name)
            known = os.lstat(path)
            size = known.st_size if stat.S_ISREG(known.st_mode) else 0
            digest.update(b"%s\0%o %d\0" % (os.fsencode(os.path.relpath(path, root)), stat.S_IFMT(known.st_mode), size))
            entries += 1
    return Inventory(entries, digest.hexdigest())
