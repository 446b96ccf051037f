"""What a volume has beside the view, each in a directory of its own, in memory; pods see it read-only.

data          the view
home/NAME     the home, which is a part of the view: a link, so that it leads into the view that is there,
              and nowhere where the view has no home
etc/          what the hub says of the user: passwd and group, the limits of the pod, news, and secrets that the user alone can read
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from bowerbird_fuse import mount
from bowerbird_fuse.csi.claims import Admission

DATA = "data"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}(\.[a-z]{1,8})?")
_LARGEST_BYTES = 256 << 20


class Contents:
    """The directories of all volumes of this node."""

    def __init__(self, directory: Path) -> None:
        """Keep them in that directory, which is made a file system in memory."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mount.mounted(directory):
            mount.memory(directory, _LARGEST_BYTES)

    def close(self) -> None:
        """Give up the file system in memory."""
        mount.detach_all(self._directory)

    def write(self, volume: str, admission: Admission) -> Path:
        """Make the directory of a volume and return it."""
        place = self._directory / volume
        self.remove(volume)
        for part in (place, place / DATA, place / "home", place / "etc"):
            part.mkdir()
            part.chmod(0o755)
        (place / "home" / admission.user).symlink_to(f"../{DATA}/home")
        for name, text in admission.files.items():
            _write(place / "etc" / name, text, 0o444, 0)
        for name, text in admission.secrets.items():
            _write(place / "etc" / name, text, 0o400, admission.uid)
        return place

    def read(self, volume: str, name: str) -> str | None:
        """Return what the hub said in a file of a volume; None where it has said nothing."""
        try:
            return (self._directory / volume / "etc" / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def add(self, volume: str, files: Mapping[str, str]) -> None:
        """Give a volume that is shown what the hub says since; each file is whole at any time."""
        place = self._directory / volume
        for name, text in files.items():
            (place / name).unlink(missing_ok=True)  # a plugin that was killed has left it
            _write(place / name, text, 0o444, 0)
            (place / name).replace(place / "etc" / name)

    def remove(self, volume: str) -> None:
        """Take away what a volume had."""
        shutil.rmtree(self._directory / volume, ignore_errors=True)

    def keep_only(self, volumes: set[str]) -> None:
        """Take away what all other volumes had."""
        for place in self._directory.iterdir():
            if place.name not in volumes:
                self.remove(place.name)


def can_name(name: str) -> bool:
    """Tell whether a file of the hub's may have that name."""
    return bool(_NAME.fullmatch(name))


def _write(path: Path, text: str, mode: int, owner: int) -> None:
    # It is nobody's to read before it has its mode and its owner.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchown(fd, owner, -1)
        os.fchmod(fd, mode)
