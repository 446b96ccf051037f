"""Why a path cannot be opened, in the words of the platform: the same sentence as on its pages; and why it cannot be written."""

import difflib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird.errors import NotThere, NotWritten, Refused
from bowerbird.manifest import Manifest, manifest

FULL = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 3
_ELSEWHERE = "name a place of your own, in your home or a space"
_CLOSED = f"you may not write there; {_ELSEWHERE}"
_NO_FOLDER = f"a file is there where a folder should be; {_ELSEWHERE}"
_NOT_WRITTEN = {
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _CLOSED,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.ENOENT: "the folder for it is not there; make it, or name another",
    errno.EISDIR: "a folder has that name; take another",
    errno.ENAMETOOLONG: "the name is too long; take a shorter one",
    **dict.fromkeys(FULL, "there is no room left; make room, or name another place"),
}


@contextmanager
def explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn 'permission denied' and 'no such file' about a path into a sentence that helps."""
    try:
        yield
    except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, Refused) or error.filename is None or os.fspath(error.filename) != os.fspath(path):
            raise
        raise _explanation(Path(path), error) from None


@contextmanager
def writable(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what keeps a file or a folder of that path from being written into a sentence that helps."""
    try:
        yield
    except OSError as error:
        told = _NOT_WRITTEN.get(error.errno or 0)
        if told is None or isinstance(error, NotWritten):
            raise
        raise NotWritten(error.errno, told, os.fspath(path)) from None


def _explanation(path: Path, error: OSError) -> OSError:
    known = _known()
    entry = known.release_of(Path(os.path.abspath(path))) if known else None
    if entry and entry["standing"] == "announced":
        return Refused(entry["sentence"])
    if isinstance(error, PermissionError):
        return PermissionError(error.errno, "the file is there and its permissions do not let you read it; ask its owner", str(path))
    return NotThere(errno.ENOENT, _missing(path, known), str(path))


def _known() -> Manifest | None:
    try:
        return manifest()
    except FileNotFoundError:
        return None


def _missing(path: Path, known: Manifest | None) -> str:
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    advice = "bowerbird.releases() lists what you may read" if known else "see where your data is: BOWERBIRD_DATA"
    missing = path.absolute().relative_to(folder).parts[0]
    names = _names(folder)
    near = _near(missing, names)
    if near:
        more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
        return f"no such file; {folder} has {', '.join(map(repr, near))}{more}; {advice}"
    return f"no such file: there is no {missing!r} in {folder}; {advice}"


def _near(missing: str, names: list[str]) -> list[str]:
    """Return the few names that are most like it, and where they are too few others of its kind: a FITS file for a FITS file."""
    kind = Path(missing).suffix
    alike = [name for name in names if kind and Path(name).suffix == kind]
    return list(dict.fromkeys([*difflib.get_close_matches(missing, names, n=_SHOWN), *alike]))[:_SHOWN]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []
