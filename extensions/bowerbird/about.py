"""What a file is: whose, under which licence, how to cite it, and the checksum it should have."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bowerbird.manifest import Manifest, manifest
from bowerbird.refusals import explained
from bowerbird.releases import Release, in_words
from bowerbird.tabular import as_text, pairs_as_html

_SHA256 = "user.bowerbird.sha256"


@dataclass(frozen=True, slots=True)
class About:
    """What is known of one path; a text that is not known is empty."""

    path: Path
    what: str
    whose: str
    standing: str
    cite: str = ""
    licence: str = ""
    source: str = ""
    sha256: str = ""
    release: Release | None = None

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield "file", str(self.path)
        for name, text in (
            ("what", self.what),
            ("whose", self.whose),
            ("standing", self.standing),
            ("how to cite", self.cite),
            ("licence", self.licence),
            ("source", self.source),
            ("sha256", self.sha256),
        ):
            if text:
                yield name, text

    def __str__(self) -> str:
        (name, text), *rest = self._pairs()
        return as_text((name, text), rest)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return pairs_as_html(self._pairs())


def about(path: str | os.PathLike[str]) -> About:
    """Return what a file or folder below `/data` is, whose, and how to cite it.

    Parameters
    ----------
    path : str or path-like
        A file or folder of a release, of a team's space or of your home.

    Returns
    -------
    About
        Shows itself as a small table; each line of it is also an attribute.

    Raises
    ------
    Refused
        The path belongs to an announced release that is not open to you.
    FileNotFoundError
        There is no such file; the message names the nearest that there is.

    """
    with explained(path):
        os.stat(path)
        known = manifest()
    place = Path(os.path.abspath(path))
    entry = known.release_of(place) or known.release_of(_below_root(known, place))
    return _of_release(place, Release.from_entry(entry, known.root)) if entry else _of_space(known, place)


def _below_root(known: Manifest, place: Path) -> Path:
    """Follow links, so that a link in a home to a release's file tells of the release."""
    real = place.resolve()
    return known.root / real.relative_to(known.root.resolve()) if real.is_relative_to(known.root.resolve()) else real


def _of_release(place: Path, release: Release) -> About:
    owners = " and ".join(f"team {team}" for team in release.teams)
    contact = f"({release.contact})" if owners and release.contact else release.contact or ""
    return About(
        path=place,
        what=" – ".join(part for part in (release.title, release.description) if part),
        whose=" ".join(part for part in (owners, contact) if part),
        standing=release.openness,
        cite=release.citation,
        licence=release.licence,
        source=release.source,
        sha256=_checksum(place),
        release=release,
    )


def _of_space(known: Manifest, place: Path) -> About:
    team = next((team for team in known.teams if place.is_relative_to(known.root / "teams" / team["name"])), None)
    if team is not None:
        ends = f", until {in_words(datetime.fromisoformat(team['until']))}" if team.get("until") else ""
        role = f"yours as {team['role']}{ends}" if team.get("role") else "open to you without a role in the team"
        return About(place, f"a file in the space of team {team['name']}", f"team {team['name']}", role)
    if place.is_relative_to(known.root / "home") or place.is_relative_to(Path.home()):
        return About(place, "a file in your home", known.user or "you", "private")
    return About(place, "a file outside your view of the data", "not known here", "not known here")


def _checksum(place: Path) -> str:
    """Return what the view tells of a file's checksum; nothing is computed."""
    try:
        return os.getxattr(place, _SHA256).decode()
    except (OSError, AttributeError):  # none is told, or this system has no such attributes
        return ""
