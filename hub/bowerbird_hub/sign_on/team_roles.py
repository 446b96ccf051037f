"""An identity -> the hub's groups and roles; pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bowerbird_config.identity import Identity
from bowerbird_config.teams import Membership, Role

ROLE_PREFIX = "team-"
# In the place of JupyterHub's own role of that kind, which opens everybody's server and makes tokens in everybody's name.
ADMIN: dict[str, Any] = {
    "name": "platform-admin",
    "description": "sees who has signed in, starts and stops their servers, forgets people, and opens no server",
    "scopes": sorted(
        ["admin-ui", "list:users", "read:users", "delete:users", "servers", "read:hub", "list:services", "read:services", "read:metrics"]
    ),
}


def groups(memberships: Iterable[Membership], at: datetime) -> list[str]:
    """Return the hub's groups: one for each team whose membership holds at that time."""
    return sorted({part.team for part in memberships if part.active(at)})


def _member(team: str) -> dict[str, Any]:
    return {
        "name": f"{ROLE_PREFIX}{team}-member",
        "description": f"sees who is in the team {team}",
        "scopes": sorted([f"read:groups!group={team}", f"read:users:name!group={team}"]),
    }


def _owner(team: str) -> dict[str, Any]:
    return {
        "name": f"{ROLE_PREFIX}{team}-owner",
        "description": f"sees what the members of the team {team} run",
        "scopes": sorted([f"list:users!group={team}", f"read:users:activity!group={team}", f"read:servers!group={team}"]),
    }


def roles(identity: Identity, at: datetime) -> list[dict[str, Any]]:
    """Return the hub's roles that somebody has at that time; a guest of a team gets none of it."""
    active = [part for part in identity.memberships if part.active(at)]
    members = sorted({part.team for part in active if part.role.rank >= Role.MEMBER.rank})
    owners = sorted({part.team for part in active if part.role is Role.OWNER})
    return [*([ADMIN] if identity.admin else ()), *map(_member, members), *map(_owner, owners)]
