"""Who has signed in, and what they run: the administrator's table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bowerbird_hub.identity.store import IdentityStore
from jupyterhub import orm
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

# One page shows so many; more would hold up everybody else's page while it is made.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs; the one without a name is the user's first."""

    name: str
    profile: str
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in, in which teams they are now, and when they were seen last."""

    name: str
    admin: bool
    teams: tuple[str, ...]
    last_seen: datetime | None
    servers: tuple[Running, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Those who were here last, and how many there are in all."""

    shown: tuple[Person, ...]
    in_all: int


def people(session: Session, identities: IdentityStore, most: int = MOST) -> People:
    """Return who has signed in: those with a server first, then the one seen last."""
    in_all = session.scalar(select(func.count()).select_from(orm.User)) or 0
    latest = (
        select(orm.User)
        .options(selectinload(orm.User._orm_spawners))
        .order_by(orm.User.last_activity.is_(None), orm.User.last_activity.desc())
        .limit(most)
    )
    at = datetime.now(UTC)
    found = [_person(user, identities, at) for user in session.scalars(latest)]
    return People(tuple(sorted(found, key=lambda person: not person.servers)), in_all)


def _person(user: Any, identities: IdentityStore, at: datetime) -> Person:
    record = identities.record(user.name)
    held = record.memberships if record else ()
    teams = tuple(sorted({membership.team for membership in held if membership.active(at)}))
    return Person(user.name, record is not None and record.admin, teams, user.last_activity, tuple(_running(user)))


def _running(user: Any) -> Iterator[Running]:
    for spawner in sorted(user._orm_spawners, key=lambda spawner: str(spawner.name)):
        if spawner.server_id is not None:
            yield Running(spawner.name, str((spawner.user_options or {}).get("profile", "")), spawner.last_activity)
