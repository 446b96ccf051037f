"""A small disk of a test's own that can run full, lose what lies on it, and fail: ext4 in a file within a little memory."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bowerbird_fuse import mount

NEEDS = ("mkfs.ext4", "mount", "umount")


@dataclass(frozen=True)
class Disk:
    """A disk: where it is mounted, the file it lies in, and the memory that the file has."""

    top: Path
    image: Path

    def lose(self, keep: int) -> None:
        """Lose all that lies behind the first bytes, and what of it is in memory."""
        os.truncate(self.image, keep)
        for path in self.top.rglob("*"):
            if path.is_file():
                forget_pages(path)
        forget_pages(self.image)


def forget_pages(path: Path) -> None:
    """Make the kernel read a file anew from what it lies on."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


@contextlib.contextmanager
def small_disk(top: Path, below: Path, size: str, memory: str = "100%", *options: str) -> Iterator[Disk]:
    """Mount a disk of this size at a directory; `below` gets the memory that it lies in, which may be less."""
    below.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={memory}", "disk", str(below))
    image = below / "image"
    try:
        with image.open("wb") as file:
            file.truncate(int(size) << 20)
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", *options, str(image))
        _run("mount", "-o", "loop,errors=continue,nosuid,nodev", str(image), str(top))
        try:
            yield Disk(top, image)
        finally:
            mount.detach(top)
    finally:
        mount.detach(below)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
