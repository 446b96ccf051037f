"""Folders that are replaced whole, while programs may still run from the old ones."""

import os
import shutil
from itertools import count
from pathlib import Path


def replace_folder(old: Path, new: Path) -> None:
    """Put `new` where `old` is, in two renames, and remove what was there as soon as nothing runs from it."""
    old.parent.mkdir(parents=True, exist_ok=True)
    if old.exists():
        os.rename(old, _free_name(old))
    os.rename(new, old)
    remove_left(old)


def remove_left(folder: Path) -> None:
    """Remove what `replace_folder` left of earlier versions of a folder, but not those that something runs from."""
    for left in folder.parent.glob(f".{folder.name}.old.*"):
        if not in_use(left):
            shutil.rmtree(left, ignore_errors=True)


def in_use(folder: Path) -> bool:
    """Tell whether a process has mapped a file of the folder or has it mounted in its sandbox, as far as we may see."""
    # The listings begin a path at the root of the process or of its file system, so only its end is sure; and one of them writes \040.
    end = f"/{folder.parent.name}/{folder.name}"
    ends = tuple(place + after for place in (end, end.replace(" ", "\\040")) for after in ("/", " "))
    return any(_mentions(process / name, ends) for process in Path("/proc").glob("[0-9]*") for name in ("maps", "mountinfo"))


def _mentions(listing: Path, ends: tuple[str, ...]) -> bool:
    try:
        text = listing.read_text(errors="replace")
    except OSError:
        return False
    return any(end in text for end in ends)


def _free_name(folder: Path) -> Path:
    names = (folder.with_name(f".{folder.name}.old.{number}") for number in count())
    return next(name for name in names if not name.exists())
