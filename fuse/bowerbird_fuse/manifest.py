"""What a view says of itself: `/data/.view.json` and the README of each release; pure texts."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from bowerbird_config.collections import Collection, Release
from bowerbird_config.model import format_moment
from bowerbird_config.teams import Membership

from bowerbird_fuse.view import Standing

VERSION = 1


def release_entry(collection: str, name: str, part: Collection, standing: Standing, sentence: str = "") -> dict[str, Any]:
    """Return what the manifest says of one release of that collection; `sentence` is why an announced one is closed."""
    release = part.releases[name]
    announced = standing is Standing.ANNOUNCED
    entry = {
        "collection": collection,
        "release": name,
        "title": release.title,
        "description": release.description,
        "standing": standing.value,
        "path": None if announced else f"/data/releases/{collection}/{name}",
        "public_on": release.public_on.astimezone(UTC).isoformat() if release.public_on else None,
        "teams": list(release.teams),
        "contact": part.contact_of(release),
        "cite": release.cite,
        "doi": release.doi,
        "licence": release.licence,
        "source": release.source,
    }
    return entry | {"sentence": sentence} if announced else entry


def team_entries(memberships: Iterable[Membership], shown: Iterable[str], at: datetime) -> list[dict[str, Any]]:
    """Return what the manifest says of the teams whose space is shown: the strongest role that holds, and its end."""
    held = [m for m in memberships if m.active(at)]
    entries = []
    for team in shown:
        mine = max((m for m in held if m.team == team), key=lambda m: (m.role.rank, m.until is None), default=None)
        until = mine.until.astimezone(UTC).isoformat() if mine and mine.until else None
        entries.append({"name": team, "role": mine.role.value if mine else None, "path": f"/data/teams/{team}", "until": until})
    return entries


def manifest(user: str, releases: Iterable[dict[str, Any]], teams: Iterable[dict[str, Any]]) -> str:
    """Return the text of `/data/.view.json`."""
    text = json.dumps({"version": VERSION, "user": user, "releases": list(releases), "teams": list(teams)}, indent=1, ensure_ascii=False)
    return text + "\n"


def readme(collection: Collection, release: Release, standing: Standing, sentence: str = "") -> str:
    """Return the README of a release: what it is, whose, how to cite it, until when it is closed."""
    title = f"{collection.title}: {release.title}"
    facts = [
        ("Standing", _standing(release, standing)),
        ("Contact", collection.contact_of(release)),
        ("Cite", release.cite),
        ("DOI", release.doi),
        ("Licence", release.licence),
        ("Source", release.source),
    ]
    parts = [f"{title}\n{'=' * len(title)}", release.description or collection.description, sentence]
    parts.append("\n".join(f"{word + ':':<10}{fact}" for word, fact in facts if fact))
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _standing(release: Release, standing: Standing) -> str:
    if standing is Standing.PUBLIC:
        return "public"
    teams = ", ".join(release.teams) or "no team"
    until = f"until {format_moment(release.public_on)}" if release.public_on else "with no date of opening"
    return f"proprietary to {teams}, {until}"
