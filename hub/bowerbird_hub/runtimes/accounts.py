"""The passwd and group files that a server sees: its own user, its teams with those who are in them, and nobody else. Pure."""

from collections.abc import Iterable
from datetime import datetime

from bowerbird_config.identity import IdentityRecord

_SYSTEM_USERS = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
_NOBODY = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"

Records = Iterable[IdentityRecord]


def passwd(record: IdentityRecord, home: str, fellows: Records = ()) -> str:
    """Return the passwd file of that user's server; the fellows are in it for their names."""
    own = f"{record.name}:x:{record.uid}:{record.gid}:{record.name}:{home}:/bin/bash\n"
    others = "".join(f"{other.name}:x:{other.uid}:{other.gid}:{other.name}:/nonexistent:/usr/sbin/nologin\n" for other in fellows)
    return f"{_SYSTEM_USERS}{own}{others}{_NOBODY}"


def group(record: IdentityRecord, at: datetime, fellows: Records = ()) -> str:
    """Return the group file of that user's server: the user's own group and those of the teams held at that time."""
    everyone = [(each.name, teams_of(each, at)) for each in (record, *fellows)]
    lines = ["root:x:0:", f"{record.name}:x:{record.gid}:"]
    for team, gid in sorted(teams_of(record, at).items()):
        lines.append(f"{team}:x:{gid}:{','.join(name for name, held in everyone if team in held)}")
    return "\n".join([*lines, "nogroup:x:65534:", ""])


def teams_of(record: IdentityRecord, at: datetime) -> dict[str, int]:
    """Return the teams that the user is in at that time, each with its gid."""
    held = {membership.team for membership in record.memberships if membership.active(at)}
    return {team: gid for team, gid in record.team_gids.items() if team in held}


def fellows(record: IdentityRecord, everyone: Records, at: datetime) -> tuple[IdentityRecord, ...]:
    """Return who else is in a team of the user at that time, by name."""
    own = teams_of(record, at).keys()
    found = [other for other in everyone if other.name != record.name and own & teams_of(other, at).keys()]
    return tuple(sorted(found, key=lambda other: other.name))
