"""The tutorials in a home: each is given once, and again when ours is newer and theirs was never changed."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDER = "notebooks"
_RECORD = Path(".local/share/bowerbird/tutorials.json")
FIRST = "tutorial.ipynb"


@dataclass(frozen=True, slots=True)
class Home:
    """A home, and the record in it of what it was given: by file, the SHA-256 of what was written."""

    path: Path

    @property
    def folder(self) -> Path:
        """Where tutorials go."""
        return self.path / _FOLDER

    def given(self) -> dict[str, str]:
        """Return the record; one that cannot be read counts as empty, and then nothing that is there is overwritten."""
        try:
            record = json.loads((self.path / _RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def remember(self, given: dict[str, str]) -> None:
        """Write the record."""
        place = self.path / _RECORD
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, json.dumps(given, indent=1, sort_keys=True).encode() + b"\n")

    def unchanged(self, name: str) -> bool:
        """Return whether a tutorial is there as it was given."""
        try:
            return _digest((self.folder / name).read_bytes()) == self.given().get(name)
        except (FileNotFoundError, IsADirectoryError):
            return False


def give(home: Home, source: Path) -> list[str]:
    """Copy tutorials that a home was never given, or has unchanged since; return which. A deleted one stays deleted."""
    given = home.given()
    fresh = {name: content for name, content in _shipped(source) if _wanted(home, given, name, content)}
    for name, content in fresh.items():
        place = home.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, content)
        given[name] = _digest(content)
    if fresh:
        home.remember(given)
    return sorted(fresh)


def _shipped(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.glob("**/*.ipynb")):
        yield str(path.relative_to(source)), path.read_bytes()


def _wanted(home: Home, given: dict[str, str], name: str, content: bytes) -> bool:
    if name not in given:
        return not (home.folder / name).exists()
    return given[name] != _digest(content) and home.unchanged(name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
