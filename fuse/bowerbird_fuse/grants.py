"""What one identity sees: the platform file and an identity record, asked through the access rule, become a view."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bowerbird_config.access import Action, Decision, HomeRef, ReleaseRef, TeamSpaceRef, decide
from bowerbird_config.collections import Release
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.spaces import Quota

from bowerbird_fuse import manifest
from bowerbird_fuse.view import ReleaseShown, SpaceShown, Standing, View


def view_for(platform: Platform, record: IdentityRecord, at: datetime) -> View:
    """Return what that identity sees at that time."""
    question = _Question(platform, record, at)
    releases = [shown for shown in (question.release(c, r) for c, part in platform.collections.items() for r in part.releases) if shown]
    spaces = [shown for shown in (question.home(), *map(question.team, platform.teams)) if shown]
    teams = manifest.team_entries(record.memberships, [space.team for space in spaces if space.team is not None], at)
    return View(
        user=record.name,
        uid=record.uid,
        gid=record.gid,
        manifest=manifest.manifest(record.name, [entry for _, entry in releases], teams),
        releases=tuple(shown for shown, _ in releases),
        spaces=tuple(spaces),
        passthrough=platform.storage.passthrough,
        made=at.timestamp(),
    )


@dataclass(frozen=True, slots=True)
class _Question:
    platform: Platform
    record: IdentityRecord
    at: datetime

    def ask(self, action: Action, resource: ReleaseRef | HomeRef | TeamSpaceRef) -> Decision:
        return decide(self.platform, self.record.identity, action, resource, self.at)

    def release(self, collection: str, name: str) -> tuple[ReleaseShown, dict[str, Any]] | None:
        """How a release is shown and described; None where it is hidden."""
        part = self.platform.collections[collection]
        release = part.releases[name]
        reading = self.ask(Action.READ, ReleaseRef(collection, name))
        if reading.hidden:
            return None
        standing = self.standing(release, reading)
        sentence = "" if reading.allowed else reading.sentence
        until = _seconds(reading.until) if reading.allowed else None
        text = manifest.readme(part, release, standing, sentence)
        facts = {"doi": release.doi, "licence": release.licence, "citation": release.cite, "source": release.source}
        shown = ReleaseShown(collection, name, standing, text, until, facts if reading.allowed else {})
        return shown, manifest.release_entry(collection, name, part, standing, sentence)

    def standing(self, release: Release, reading: Decision) -> Standing:
        if not reading.allowed:
            return Standing.ANNOUNCED
        return Standing.PUBLIC if release.public_at(self.at) else Standing.PROPRIETARY

    def home(self) -> SpaceShown | None:
        return self.space(None, self.record.gid, HomeRef(self.record.name), self.platform.spaces.home)

    def team(self, team: str) -> SpaceShown | None:
        gid = self.record.team_gids.get(team)
        return None if gid is None else self.space(team, gid, TeamSpaceRef(team), self.platform.spaces.quota_of(team))

    def space(self, team: str | None, gid: int, resource: HomeRef | TeamSpaceRef, quota: Quota) -> SpaceShown | None:
        reading, writing = (self.ask(action, resource) for action in (Action.READ, Action.WRITE))
        if not reading.allowed:
            return None
        write_until = _seconds(writing.until) if writing.allowed else None
        kept = self.platform.spaces.trash
        trash = kept.total_seconds() if kept else 0.0
        return SpaceShown(team, gid, writing.allowed, _seconds(reading.until), write_until, quota.soft, quota.hard, trash)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
