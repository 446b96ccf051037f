"""A view: what one identity sees under `/data`, as the keeper decided it and as it travels to the worker.

Nothing here imports pydantic or a part of the platform file, so that a worker stays small.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

HOME = "home"


class Standing(StrEnum):
    """How a release stands towards this identity."""

    PUBLIC = "public"
    PROPRIETARY = "proprietary"
    ANNOUNCED = "announced"


@dataclass(frozen=True, slots=True)
class ReleaseShown:
    """One release in a view; `until` (seconds since the epoch) is when the right to it ends by the clock alone.

    `facts` are what is told of each of its files: doi, licence, citation, source.
    """

    collection: str
    name: str
    standing: Standing
    readme: str
    until: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Tell whether its files are shown, not its README alone."""
        return self.standing is not Standing.ANNOUNCED

    @property
    def key(self) -> str:
        """The name under which the keeper hands over its directory."""
        return f"release/{self.collection}/{self.name}"


@dataclass(frozen=True, slots=True)
class SpaceShown:
    """One space in a view: the home where `team` is None; the right to write may end before the right to read.

    `soft` and `hard` are its limits in bytes, None where there is none; `trash` is for how many seconds what is deleted is kept.
    """

    team: str | None
    gid: int
    writable: bool
    until: float | None = None
    write_until: float | None = None
    soft: int | None = None
    hard: int | None = None
    trash: float = 0.0

    @property
    def key(self) -> str:
        """The name under which the keeper hands over its directory."""
        return HOME if self.team is None else f"team/{self.team}"

    def name(self, user: str) -> str:
        """Return what it is called among the spaces of all; `user` is whose view shows it."""
        return f"{HOME}/{user}" if self.team is None else self.key


@dataclass(frozen=True, slots=True)
class View:
    """All that one identity sees; `made` (seconds since the epoch) plays no part in comparing two of them."""

    user: str
    uid: int
    gid: int
    manifest: str
    releases: tuple[ReleaseShown, ...] = ()
    spaces: tuple[SpaceShown, ...] = ()
    made: float = field(default=0.0, compare=False)
    passthrough: bool = True

    @property
    def groups(self) -> frozenset[int]:
        """The gids that a worker needs to serve it."""
        return frozenset({self.gid, *(space.gid for space in self.spaces)})

    @property
    def writable(self) -> Mapping[str, bool]:
        """The keys of the directories that it shows files of, and whether they may be written."""
        readable = {release.key: False for release in self.releases if release.readable}
        return readable | {space.key: space.writable for space in self.spaces}

    @property
    def direct(self) -> frozenset[str]:
        """The keys of the releases whose files the kernel may read by itself: what is everybody's, unless the platform forbids it."""
        return frozenset(release.key for release in self.releases if release.standing is Standing.PUBLIC and self.passthrough)

    @property
    def next_end(self) -> float | None:
        """The first moment at which a right in it ends by the clock alone."""
        ends = [release.until for release in self.releases]
        ends += [end for space in self.spaces for end in (space.until, space.write_until)]
        return min((end for end in ends if end is not None), default=None)

    def at(self, now: float) -> "View":
        """Return what is left of it at that time."""
        if self.next_end is None or now < self.next_end:
            return self
        releases = tuple(release for release in self.releases if not ended(release.until, now))
        spaces = tuple(
            replace(space, writable=False, write_until=None) if ended(space.write_until, now) else space
            for space in self.spaces
            if not ended(space.until, now)
        )
        return replace(self, releases=releases, spaces=spaces)

    def to_json(self) -> bytes:
        """Return it as it travels."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "View":
        """Read what `to_json` wrote; ValueError, KeyError or TypeError where it did not."""
        raw: dict[str, Any] = json.loads(text)
        releases = tuple(ReleaseShown(**{**r, "standing": Standing(r["standing"])}) for r in raw.pop("releases"))
        spaces = tuple(SpaceShown(**space) for space in raw.pop("spaces"))
        return cls(**raw, releases=releases, spaces=spaces)


def ended(until: float | None, now: float) -> bool:
    """Tell whether that end has come."""
    return until is not None and now >= until


def lost(old: View, new: View) -> frozenset[str]:
    """Return the keys of the directories that `new` shows no more, or only to read where `old` let write."""
    now = new.writable
    return frozenset(key for key, writable in old.writable.items() if key not in now or (writable and not now[key]))
