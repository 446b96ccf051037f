"""Teams: people who share, by a directory group or by a list, each with a role and perhaps an end."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from bowerbird_config.directory_groups import held
from bowerbird_config.model import Line, Model, Moment, UserName
from bowerbird_config.user_names import TEAM_ACCOUNT


class Role(StrEnum):
    """What somebody is in a team; each role may do all that the ones below it may."""

    OWNER = "owner"
    MEMBER = "member"
    GUEST = "guest"

    @property
    def rank(self) -> int:
        """Higher for the role that may do more."""
        return (Role.GUEST, Role.MEMBER, Role.OWNER).index(self)

    @property
    def words(self) -> str:
        """The role as a sentence calls it."""
        return f"{'an' if self is Role.OWNER else 'a'} {self.value}"


@dataclass(frozen=True, slots=True)
class Membership:
    """One person's part in one team; `until` is the first moment at which it no longer holds."""

    team: str
    role: Role
    until: datetime | None = None

    def active(self, at: datetime) -> bool:
        """Tell whether the membership holds at that time."""
        return self.until is None or at < self.until


class Person(Model):
    """A member named in the platform file; without `until` the membership has no end."""

    name: UserName
    until: Moment | None = None


def _person(raw: Any) -> Any:
    return {"name": raw} if isinstance(raw, str) else raw


_PERSON_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"name": {"type": "string"}, "until": {"type": "string", "format": "date-time"}},
            "required": ["name"],
            "additionalProperties": False,
        },
    ]
}
People = tuple[Annotated[Person, BeforeValidator(_person), WithJsonSchema(_PERSON_SCHEMA)], ...]


class Team(Model):
    """A team: its people by directory group, by name, or both. A name alone stands for a person without an end."""

    title: Line
    contact: Line = Field(description="how to reach those who may let somebody in")
    groups: tuple[Line, ...] = Field((), description="directory groups, as the sign-on gives them; their people are members")
    owners: People = Field((), description="read and write the space, manage the team's server")
    members: People = Field((), description="read and write the space")
    guests: People = Field((), description="read the releases and the space")

    @model_validator(mode="after")
    def _each_person_once(self) -> Self:
        seen: dict[str, Role] = {}
        for name, role, _until in self.people():
            if name in seen:
                raise ValueError(f"{name!r} is named twice, as {seen[name].words} and as {role.words}; name each person once")
            seen[name] = role
        return self

    def people(self) -> Iterator[tuple[str, Role, datetime | None]]:
        """Yield each named person with role and end."""
        for role, people in ((Role.OWNER, self.owners), (Role.MEMBER, self.members), (Role.GUEST, self.guests)):
            for person in people:
                yield (person.name, role, person.until)


def team_account(team: str) -> str:
    """Return the name of the account that owns that team's servers."""
    return TEAM_ACCOUNT + team


def memberships(teams: Mapping[str, Team], user: str, directory_groups: Iterable[str]) -> tuple[Membership, ...]:
    """Return every membership of a user: those the platform file names, and those the directory's groups give.

    A group of the directory makes a member; directory_groups.py says which one is meant.
    """
    groups = set(held((group for team in teams.values() for group in team.groups), directory_groups))
    found = []
    for name, team in teams.items():
        found += [Membership(name, role, until) for person, role, until in team.people() if person == user]
        if not groups.isdisjoint(team.groups):
            found.append(Membership(name, Role.MEMBER))
    return tuple(found)
