"""Files that are there whole or not at all: written as `NAME.part`, synced, and only then named NAME."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a text to a file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    finish(part, path)


def finish(part: Path, path: Path) -> None:
    """Give a file that was written its name."""
    sync(part)
    part.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
