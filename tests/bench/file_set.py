"""The files that `bowerbird bench fuse` reads: a release, and the same kinds of files in somebody's home."""

import os
import random
from pathlib import Path

MIB = 1 << 20
BIG_BYTES = 128 * MIB
SMALL_BYTES = 4096
WIDE, TREE, SMALL = 10_000, 20_000, 2_000
_A_FOLDER = 100
# Directories of so many entries, for the curves; the last is also the walk that the memory is measured after.
ENTRIES = (1_000, 10_000, 100_000)
# One file a kind of reading, so that no row reads what another has left in the page cache of a mount.
BIG = ("sequential", "random-64k", "random-4k")


def write_release(top: Path) -> None:
    """Write the release."""
    _write_big(top, BIG)
    _write_many(top / "small", SMALL, bytes(range(256)) * (SMALL_BYTES // 256))
    _write_many(top / "wide", WIDE, b"a few bytes")
    for folder in range(TREE // _A_FOLDER):
        _write_many(top / "tree" / f"{folder:03}", _A_FOLDER, b"")
    for count in ENTRIES:
        _write_many(top / f"entries-{count}", count, b"")


def write_home(top: Path, owner: int) -> None:
    """Write the home, and a directory in it to make files in."""
    _write_big(top, BIG)
    _write_many(top / "small", SMALL, bytes(range(256)) * (SMALL_BYTES // 256))
    (top / "made").mkdir()
    for folder, folders, files in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
            os.chown(path, owner, owner)
    top.chmod(0o700)


def _write_big(top: Path, names: tuple[str, ...]) -> None:
    top.mkdir(parents=True)
    for number, name in enumerate(names):
        stripe = random.Random(number).randbytes(MIB)
        with (top / name).open("wb") as file:
            for part in range(BIG_BYTES // MIB):
                file.write(part.to_bytes(8, "little") + stripe[8:])


def _write_many(top: Path, count: int, data: bytes) -> None:
    top.mkdir(parents=True)
    for number in range(count):
        (top / f"{number:06}").write_bytes(data)
