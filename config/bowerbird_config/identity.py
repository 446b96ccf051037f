"""Who asks: the identity that every decision is made for, and the record of it that the hub serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bowerbird_config.teams import Membership, Role
from bowerbird_config.user_names import SERVICES_ACCOUNT


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the access rule sees them; the anonymous one has no name and no membership."""

    name: str | None = None
    memberships: tuple[Membership, ...] = ()
    admin: bool = False

    def role_in(self, team: str, at: datetime) -> Role | None:
        """Return the strongest role held in that team at that time."""
        roles = [m.role for m in self.memberships if m.team == team and m.active(at)]
        return max(roles, key=lambda role: role.rank, default=None)


ANONYMOUS = Identity()
# The platform's own HTTP services, which ask for each of their clients anew what they may show.
SERVICES = Identity(SERVICES_ACCOUNT)


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """An identity with its numeric ids, as the hub's store gives it; `version` grows with each change."""

    version: int
    name: str
    uid: int
    gid: int
    memberships: tuple[Membership, ...] = ()
    team_gids: Mapping[str, int] = field(default_factory=dict)
    admin: bool = False

    @property
    def identity(self) -> Identity:
        """The part that `access.decide` asks for."""
        return Identity(self.name, self.memberships, self.admin)

    def to_json(self) -> dict[str, Any]:
        """Return the record as it travels between the hub and its consumers."""
        return {
            "version": self.version,
            "name": self.name,
            "uid": self.uid,
            "gid": self.gid,
            "admin": self.admin,
            "team_gids": dict(self.team_gids),
            "memberships": [
                {"team": m.team, "role": m.role.value, "until": m.until.isoformat() if m.until else None} for m in self.memberships
            ],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "IdentityRecord":
        """Read a record from what `to_json` wrote; ValueError, KeyError or TypeError where it did not."""
        held = tuple(
            Membership(m["team"], Role(m["role"]), datetime.fromisoformat(m["until"]) if m["until"] else None) for m in raw["memberships"]
        )
        return cls(raw["version"], raw["name"], raw["uid"], raw["gid"], held, raw["team_gids"], raw["admin"])
