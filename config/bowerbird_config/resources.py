"""What somebody may ask to do, and to what."""

import posixpath
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Action(StrEnum):
    """What somebody may ask to do."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    SPAWN = "spawn"
    OPEN = "open"
    MANAGE = "manage"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """A release of a collection; actions LIST and READ."""

    collection: str
    release: str
    actions: ClassVar = (Action.LIST, Action.READ)

    def __str__(self) -> str:
        return f"release:{self.collection}/{self.release}"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return f"release {self.collection}/{self.release}"


@dataclass(frozen=True, slots=True)
class HomeRef:
    """The space of one user; actions READ and WRITE."""

    user: str
    actions: ClassVar = (Action.READ, Action.WRITE)

    def __str__(self) -> str:
        return f"space:home/{self.user}"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return f"the home of {self.user}"


@dataclass(frozen=True, slots=True)
class TeamSpaceRef:
    """The space of a team; actions READ and WRITE."""

    team: str
    actions: ClassVar = (Action.READ, Action.WRITE)

    def __str__(self) -> str:
        return f"space:team/{self.team}"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return f"the space of team {self.team}"


@dataclass(frozen=True, slots=True)
class ProfileRef:
    """A profile; action SPAWN."""

    profile: str
    actions: ClassVar = (Action.SPAWN,)

    def __str__(self) -> str:
        return f"profile:{self.profile}"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return f"a server with profile {self.profile}"


@dataclass(frozen=True, slots=True)
class ServerRef:
    """A single-user server, by its owner's name (a team's server by the team's account); actions OPEN and MANAGE."""

    owner: str
    actions: ClassVar = (Action.OPEN, Action.MANAGE)

    def __str__(self) -> str:
        return f"server:{self.owner}"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return f"the server of {self.owner}"


@dataclass(frozen=True, slots=True)
class PlatformRef:
    """The platform itself; action ADMINISTER."""

    actions: ClassVar = (Action.ADMINISTER,)

    def __str__(self) -> str:
        return "platform"

    @property
    def words(self) -> str:
        """The resource as a sentence calls it."""
        return "the platform"


Resource = ReleaseRef | HomeRef | TeamSpaceRef | ProfileRef | ServerRef | PlatformRef

FORMS = (
    "release:COLLECTION/RELEASE, space:team/TEAM, space:home/USER, profile:NAME, server:OWNER, platform, "
    "or a path below /data/releases or /data/teams, with or without /data"
)


def _of_path(text: str) -> str:
    """Return what a path in or below `/data` lies in, named; another text as it is."""
    # As a shell reads it: what comes after `..` may lie in another release.
    match posixpath.normpath(text).removeprefix("/data/").split("/"):
        case ["releases", collection, release, *_] if collection:
            return f"release:{collection}/{release}"
        case ["teams", team, *_]:
            return f"space:team/{team}"
    return text


def parse_resource(text: str) -> Resource:
    """Return the resource that a text such as ``release:eso/dr1`` names, or that a path lies in; ValueError names the forms."""
    kind, _, rest = _of_path(text).partition(":")
    first, _, second = rest.partition("/")
    match kind, first:
        case "release", _ if first and second and "/" not in second:
            return ReleaseRef(first, second)
        case "space", "team" if second and "/" not in second:
            return TeamSpaceRef(second)
        case "space", "home" if second:
            return HomeRef(second)
        case "profile", _ if rest and "/" not in rest:
            return ProfileRef(rest)
        case "server", _ if rest:
            return ServerRef(rest)
    if text == str(PlatformRef()):
        return PlatformRef()
    raise ValueError(f"{text!r} names no resource; write one of {FORMS}")
