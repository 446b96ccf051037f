"""A folder of cutouts, one FITS file each: a file is there whole or not at all, and stays when the rest is stopped."""

import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bowerbird.errors import BadArgument, NotWritten
from bowerbird.refusals import FULL, writable

_MOST_PARTS = 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
# What a file system takes (255 bytes), less what a part is called besides.
_LONGEST_NAME = 225
# Threads of two servers that share the folder may have one number.
_OURS = secrets.token_hex(4)
_SHOWN = 20


def files_in(folder: Path, names: Sequence[Any] | None, count: int) -> tuple[list[Path | None], list[str]]:
    """Return the file of each cutout, and what is wrong with a name ("" where nothing is); without names files are numbered."""
    if names is None:
        return [folder / f"{row:06d}.fits" for row in range(count)], [""] * count
    if len(names) != count:
        raise BadArgument(f"there are {len(names)} names for {count} positions; give one name each")
    files: list[Path | None] = []
    troubles: list[str] = []
    seen: set[str] = set()
    for text in map(str, names):
        name = text if text.endswith(".fits") else f"{text}.fits"
        trouble = _trouble(text, name, seen)
        seen.add(name)
        files.append(None if trouble else folder / name)
        troubles.append(trouble)
    return files, troubles


def _trouble(text: str, name: str, seen: set[str]) -> str:
    if not text or text.startswith(".") or {"/", "\0"} & set(text):
        return f"{text!r} is no name for a file; take one without '/' and without a dot in front"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        return f"'{text[:_SHOWN]}…' is no name for a file: it is too long; take one of {_LONGEST_NAME - len('.fits')} bytes at most"
    if name in seen:
        return f"another source before has the name {text!r} already; give each its own"
    return ""


class Folder:
    """An open folder for cutouts; `close` lets go of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Every file is named from here: the way to the folder is not looked up again for each.
        self._descriptor = _opened(path)
        self._names = frozenset(os.listdir(self._descriptor))

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def held(self, name: str) -> bool:
        """Return whether anything of that name was there when the folder was opened."""
        return name in self._names

    def write(self, name: str, parts: Sequence[Any]) -> None:
        """Write a file, which appears when it is whole; many threads may at once."""
        here, beside = self._descriptor, f".{name}.{_OURS}.{threading.get_native_id()}.part"
        try:
            with writable(self._path / name):
                _fill(os.open(beside, _NEW, 0o666, dir_fd=here), parts)
                os.rename(beside, name, src_dir_fd=here, dst_dir_fd=here)
        except BaseException as error:  # whatever ends it, an interrupt too, must leave no half file
            with suppress(OSError):
                os.unlink(beside, dir_fd=here)
            if isinstance(error, OSError) and error.errno in FULL:
                told = "there is no room for more cutouts; those that are written stay, and the same call goes on where this one ended"
                raise NotWritten(error.errno, told, str(self._path)) from None
            raise


def _opened(path: Path) -> int:
    with writable(path):
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError as error:  # of a folder that is there: it may still be written
            told = "you may not list what that folder has; give yourself the right to read it, or name another"
            raise NotWritten(error.errno, told, str(path)) from None


def _fill(descriptor: int, parts: Sequence[Any]) -> None:
    """Write all of a new file, and close it."""
    try:
        wanted = sum(map(len, parts))
        written = os.writev(descriptor, parts[:_MOST_PARTS])
        if written != wanted:
            left = memoryview(b"".join(parts))[written:]
            while left:
                left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
