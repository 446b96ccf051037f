"""The passwd and group files that a server sees: its own user, its teams, and nobody else. Pure."""

from datetime import datetime

from bowerbird_config.identity import IdentityRecord

_SYSTEM_USERS = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
_NOBODY = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"


def passwd(record: IdentityRecord, home: str) -> str:
    """Return the passwd file of that user's server."""
    return f"{_SYSTEM_USERS}{record.name}:x:{record.uid}:{record.gid}:{record.name}:{home}:/bin/bash\n{_NOBODY}"


def group(record: IdentityRecord, at: datetime) -> str:
    """Return the group file of that user's server: the user's own group and those of the teams held at that time."""
    teams = "".join(f"{team}:x:{gid}:{record.name}\n" for team, gid in sorted(teams_of(record, at).items()))
    return f"root:x:0:\n{record.name}:x:{record.gid}:\n{teams}nogroup:x:65534:\n"


def teams_of(record: IdentityRecord, at: datetime) -> dict[str, int]:
    """Return the teams that the user is in at that time, each with its gid."""
    held = {membership.team for membership in record.memberships if membership.active(at)}
    return {team: gid for team, gid in record.team_gids.items() if team in held}
