"""Answers kept on the disk of the person who asked: only what everybody may read, for a while, and not too much of it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from bowerbird.manifest import manifest

# What is stored may change with the program that stored it.
_EDITION = 2
_MOST_BYTES = 2 << 30
# One answer takes no more than this part of all.
_LARGEST = 4
_KEEP_SECONDS = 24 * 3600
# What these give changes without a new release.
_FICKLE = re.compile(r"\b(?:RAND|CURRENT_TIMESTAMP|TAP_SCHEMA|OBSCORE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of answers by key, for any number of processes; without a folder, nothing is kept."""

    folder: Path | None
    most_bytes: int = _MOST_BYTES
    keep_seconds: float = _KEEP_SECONDS

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the user's own, by the XDG rule."""
        place = environment.get("XDG_CACHE_HOME") or (str(Path(environment["HOME"]) / ".cache") if "HOME" in environment else "")
        return cls(Path(place) / "bowerbird" / "answers" if place else None)

    def get(self, key: str) -> IO[bytes] | None:
        """Return the answer of a key; whoever gets it closes it."""
        if self.folder is None:
            return None
        place = self._place(key)
        try:
            file = place.open("rb")
        except OSError:
            return None
        if time.time() - os.fstat(file.fileno()).st_mtime > self.keep_seconds:
            file.close()
            return None
        with contextlib.suppress(OSError):
            # When it was last of use; when it came says whether it is too old.
            os.utime(file.fileno(), ns=(time.time_ns(), os.fstat(file.fileno()).st_mtime_ns))
        return file

    def put(self, key: str, answer: IO[bytes]) -> None:
        """Keep an answer; a full or read-only disk stops no query."""
        if self.folder is None:
            return
        answer.seek(0, os.SEEK_END)
        if answer.tell() * _LARGEST <= self.most_bytes:
            with contextlib.suppress(OSError):
                self._write(self._place(key), answer)
                self._tidy()
        answer.seek(0)

    def drop(self, key: str) -> None:
        """Forget an answer."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self._place(key).unlink(missing_ok=True)

    def _place(self, key: str) -> Path:
        assert self.folder is not None  # noqa: S101  # asked by who knows
        return self.folder / f"{key}.vot"

    def _write(self, place: Path, answer: IO[bytes]) -> None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        answer.seek(0)
        # Another process sees the whole answer or none.
        with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".part", delete=False) as part:
            try:
                shutil.copyfileobj(answer, part)
                part.flush()
                os.replace(part.name, place)
            except BaseException:  # whatever stopped it, no part of an answer is left behind
                os.unlink(part.name)
                raise

    def _tidy(self) -> None:
        """Remove what is old, what a killed process left, and then what was of no use for longest, until the rest fits."""
        assert self.folder is not None  # noqa: S101  # as above
        found = []
        for place in self.folder.iterdir():
            # Another process may have removed it.
            with contextlib.suppress(FileNotFoundError):
                stat = place.stat()
                found.append((stat.st_atime_ns, stat.st_mtime, stat.st_size, place))
        left = sum(size for _, _, size, _ in found)
        for _, written, size, place in sorted(found):
            if left > self.most_bytes or time.time() - written > self.keep_seconds:
                place.unlink(missing_ok=True)
                left -= size


def key(service: str, adql: str, uploads: Mapping[str, bytes], limit: int | None) -> str | None:
    """Return the key of a query, by all that its answer depends on; None for one whose answer changes by itself."""
    if _FICKLE.search(adql):
        return None
    sent = {name: hashlib.sha256(body).hexdigest() for name, body in uploads.items()}
    told = json.dumps([_EDITION, service, adql, sorted(sent.items()), limit, _releases()])
    return hashlib.sha256(told.encode()).hexdigest()


def _releases() -> list[list[str]]:
    """Return which releases my `/data` shows, and how they stand: what changes there changes every key. Elsewhere there are none."""
    try:
        return sorted([str(entry[name]) for name in ("collection", "release", "standing")] for entry in manifest().releases)
    except (OSError, ValueError, KeyError, TypeError):
        return []
