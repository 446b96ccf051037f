"""The data releases that your `/data` shows: what they are, where they lie, how to cite them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, overload

from bowerbird.errors import NoRelease, Refused
from bowerbird.manifest import manifest
from bowerbird.tabular import as_html, as_text

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}/[a-z0-9][a-z0-9._-]{0,62}")
_COLUMNS = ("release", "what", "standing", "where", "how to cite")


@dataclass(frozen=True, slots=True)
class Release:
    """One data release; `path` is None while it is announced and not open to you, and `sentence` says why.

    `standing` is "public", "proprietary" (open to you through a team) or "announced".
    """

    collection: str
    release: str
    title: str
    description: str
    standing: str
    path: Path | None
    public_on: datetime | None
    teams: tuple[str, ...]
    contact: str
    cite: str
    doi: str
    licence: str
    source: str
    sentence: str

    @classmethod
    def from_entry(cls, entry: dict[str, Any], root: Path) -> Self:
        """Read an entry of the manifest of the view at `root`, which a server without a sandbox has elsewhere than at /data."""
        texts = {
            name: entry.get(name) or "" for name in ("title", "description", "contact", "cite", "doi", "licence", "source", "sentence")
        }
        return cls(
            collection=entry["collection"],
            release=entry["release"],
            standing=entry["standing"],
            path=root / "releases" / entry["collection"] / entry["release"] if entry.get("path") else None,
            public_on=datetime.fromisoformat(entry["public_on"]) if entry.get("public_on") else None,
            teams=tuple(entry.get("teams") or ()),
            **texts,
        )

    @property
    def name(self) -> str:
        """Collection and release, as in the path."""
        return f"{self.collection}/{self.release}"

    @property
    def openness(self) -> str:
        """Standing in words: to whom it is open, and until when."""
        if self.standing == "public" or self.public_on is None:
            return self.standing
        return f"{self.standing} until {in_words(self.public_on)}"

    @property
    def citation(self) -> str:
        """How to cite it, with its DOI where it has one."""
        return " ".join(part for part in (self.cite, f"doi:{self.doi}" if self.doi and self.doi not in self.cite else "") if part)

    def __str__(self) -> str:
        return f"{self.name}: {self.title}"


class Releases(Sequence[Release]):
    """A list of releases that shows itself as a table; also found by name: `releases()["ngc/dr1"]`."""

    def __init__(self, releases: Sequence[Release]) -> None:
        self._releases = tuple(releases)

    @overload
    def __getitem__(self, which: int | str) -> Release: ...
    @overload
    def __getitem__(self, which: slice) -> Self: ...
    def __getitem__(self, which: int | str | slice) -> Release | Self:
        """Return one by number or by name (KeyError names those there are), or several by slice."""
        if isinstance(which, slice):
            return type(self)(self._releases[which])
        if isinstance(which, int):
            return self._releases[which]
        for release in self._releases:
            if release.name == which:
                return release
        names = ", ".join(release.name for release in self._releases) or "none"
        raise NoRelease(f"no release {which!r} in your view; there are: {names}")

    def __len__(self) -> int:
        return len(self._releases)

    def __repr__(self) -> str:
        if not self._releases:
            return "No release is open to you yet."
        return as_text(_COLUMNS, [_row(release) for release in self]) + "".join(f"\n{line}" for line in self._sentences())

    def _repr_html_(self) -> str:
        if not self._releases:
            return "<p>No release is open to you yet.</p>"
        return as_html(_COLUMNS, [_row(release) for release in self], self._sentences())

    def _sentences(self) -> list[str]:
        return [release.sentence for release in self if release.sentence]


def in_words(moment: datetime) -> str:
    """Return a moment as the platform writes it everywhere."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def releases() -> Releases:
    """Return the releases of your view, as they are at this moment.

    Returns
    -------
    Releases
        A list with a table as its picture. An announced release, which you may not read yet, is in it with the
        sentence that says until when it is closed and whom to ask.

    Raises
    ------
    FileNotFoundError
        There is no view here.

    """
    known = manifest()
    return Releases([Release.from_entry(entry, known.root) for entry in known.releases])


def _row(release: Release) -> tuple[str, ...]:
    where = str(release.path) if release.path else "–"
    return (release.name, release.title, release.openness, where, release.citation)


def expect(name: str) -> None:
    """Raise NoRelease where no release is called so, Refused where it is closed; without a view of the data nothing is known of it."""
    try:
        found = releases()[name]
    except FileNotFoundError:
        return
    if found.path is None:
        raise Refused(found.sentence)
