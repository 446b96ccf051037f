"""Identity records and the numeric ids in them: kept in the hub's database, given once, never given again.

The hub's own session writes to the same database on the event loop. So every write of ours runs in a thread, where it
may wait for that session's lock while the loop goes on to release it; on the loop itself both would wait for ever.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.teams import memberships
from bowerbird_hub.identity.database import writing
from bowerbird_hub.runtimes.sandbox import CAS_ID, PROXY_ID, SERVICE_ID, SERVICES_ID
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

LOWEST_ID = 1000
HIGHEST_ID = 2**31 - 2
# The platform's own parts, nobody, and the overflow id that the kernel shows for an id it cannot map.
RESERVED_IDS = frozenset({SERVICES_ID, PROXY_ID, CAS_ID, SERVICE_ID, 65534, 65535})
MAX_GROUPS = 4096

_METADATA = MetaData()
# A row stays for ever, so a number is never given to a second name.
_NUMBERS = Table(
    "bowerbird_numbers",
    _METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),  # user: uid and gid; group: a user's gid where it is another; team: gid
    Column("name", String(64), nullable=False),
    UniqueConstraint("kind", "name"),
)
_IDENTITIES = Table(
    "bowerbird_identities",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("groups", Text, nullable=False),  # what the directory last said, as a JSON list
    Column("record", Text, nullable=False),  # the record as it was last served, as JSON
)
_VERSION = Table("bowerbird_version", _METADATA, Column("version", BigInteger, nullable=False))


class IdRefused(ValueError):
    """A number from the directory that cannot be used; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Owner:
    kind: str
    name: str


@dataclass(slots=True)
class _Numbers:
    """Which number belongs to whom; `fresh` are those that the database does not know yet."""

    owners: dict[int, _Owner] = field(default_factory=dict)
    numbers: dict[_Owner, int] = field(default_factory=dict)
    fresh: list[tuple[int, _Owner]] = field(default_factory=list)

    def add(self, number: int, owner: _Owner) -> None:
        self.owners[number] = owner
        self.numbers[owner] = number

    def copy(self) -> "_Numbers":
        return _Numbers(dict(self.owners), dict(self.numbers))

    def _take(self, number: int, owner: _Owner) -> int:
        self.add(number, owner)
        self.fresh.append((number, owner))
        return number

    def give(self, owner: _Owner, lowest: int) -> int:
        """Return the owner's number; a new one lies above every number ever given from the range."""
        if owner in self.numbers:
            return self.numbers[owner]
        number = max((n + 1 for n in self.owners if n >= lowest), default=lowest)
        if number > HIGHEST_ID:
            # A directory took the top of the range: the first gap is free for good as well.
            number = next(n for n in range(lowest, HIGHEST_ID) if n not in self.owners)
        while number in RESERVED_IDS or number in self.owners:
            number += 1
        return self._take(number, owner)

    def accept(self, what: str, number: int, owner: _Owner) -> int:
        """Return the owner's number after checking one that the directory supplies; the first one kept is kept for good."""
        kept = self.numbers.get(owner)
        if kept is not None:
            return kept
        if not LOWEST_ID <= number <= HIGHEST_ID or number in RESERVED_IDS:
            raise IdRefused(
                f"the directory gives '{owner.name}' the {what} {number}, which is kept for the system; "
                f"a {what} lies between {LOWEST_ID} and {HIGHEST_ID}"
            )
        holder = self.owners.get(number)
        if holder is not None:
            raise IdRefused(
                f"the directory gives '{owner.name}' the {what} {number}, which {_title(holder)} already has; "
                "an administrator of the directory gives one of them another number"
            )
        return self._take(number, owner)


def _title(owner: _Owner) -> str:
    return f"the team '{owner.name}'" if owner.kind == "team" else f"'{owner.name}'"


def _record(platform: Platform, name: str, groups: Iterable[str], numbers: _Numbers) -> IdentityRecord:
    """Build the record that the platform file and the directory's groups give; its version is not set yet.

    Who may not sign in any more has no part in anything, so that a running server of theirs loses the data at once.
    """
    parts = memberships(platform.teams, name, groups)
    admitted = platform.sign_on.admits(name, [part.team for part in parts])
    parts = parts if admitted else ()
    uid = numbers.numbers[_Owner("user", name)]
    return IdentityRecord(
        version=0,
        name=name,
        uid=uid,
        gid=numbers.numbers.get(_Owner("group", name), uid),
        memberships=parts,
        team_gids={part.team: numbers.numbers[_Owner("team", part.team)] for part in parts},
        admin=admitted and name in platform.sign_on.admins,
    )


class IdentityStore:
    """Every known identity; `version` grows with each change of one of them or of the platform."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._numbers = _Numbers()
        self._records: dict[str, IdentityRecord] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._listeners: list[Callable[[IdentityRecord], None]] = []
        self._forgotten: list[Callable[[str], None]] = []
        self._platform: Platform | None = None
        self.version = 0

    def record(self, name: str) -> IdentityRecord | None:
        """Return what is known of a name; None for one that never signed in."""
        return self._records.get(name)

    def records(self) -> tuple[IdentityRecord, ...]:
        """Return every known record."""
        return tuple(self._records.values())

    def team_gid(self, team: str) -> int | None:
        """Return the gid of a team of the platform file."""
        return self._numbers.numbers.get(_Owner("team", team))

    def on_record(self, listener: Callable[[IdentityRecord], None]) -> None:
        """Call that function with each record that a sign-on changes."""
        self._listeners.append(listener)

    def on_forget(self, listener: Callable[[str], None]) -> None:
        """Call that function with each name that is forgotten."""
        self._forgotten.append(listener)

    async def open(self) -> None:
        """Read what the database holds; the tables are made where they are missing."""
        await asyncio.to_thread(self._read)

    def _read(self) -> None:
        _METADATA.create_all(self._engine)
        with self._engine.connect() as connection:
            for number, kind, name in connection.execute(select(_NUMBERS)):
                self._numbers.add(number, _Owner(kind, name))
            for name, groups, record in connection.execute(select(_IDENTITIES)):
                self._groups[name] = tuple(json.loads(groups))
                self._records[name] = IdentityRecord.from_json(json.loads(record))
            self.version = connection.execute(select(_VERSION.c.version)).scalar() or 0

    async def adopt(self, platform: Platform) -> tuple[IdentityRecord, ...]:
        """Take up a platform: number its teams, compute every record again, return those that changed."""
        async with self._lock:
            numbers = self._numbers.copy()
            for team in platform.teams:
                numbers.give(_Owner("team", team), platform.limits.ids_from)
            version = self.version + 1
            fresh = {name: _record(platform, name, groups, numbers) for name, groups in self._groups.items()}
            changed = {name: replace(record, version=version) for name, record in fresh.items() if self._differs(record)}
            await asyncio.to_thread(self._write, numbers, changed, self._groups, version)
            self._keep(numbers, changed, version)
            self._platform = platform
            return tuple(changed.values())

    async def sign_in(self, name: str, directory_groups: Iterable[str], uid: int | None = None, gid: int | None = None) -> IdentityRecord:
        """Return the record of somebody whom the directory has just told us of; IdRefused for a number that cannot be."""
        if self._platform is None:
            raise LookupError("an identity is known only after a platform was adopted")
        async with self._lock:
            numbers = self._numbers.copy()
            _number_user(numbers, name, uid, gid, self._platform.limits.ids_from)
            groups = tuple(sorted(set(directory_groups)))[:MAX_GROUPS]
            record = _record(self._platform, name, groups, numbers)
            if groups == self._groups.get(name) and not self._differs(record):
                return self._records[name]
            version = self.version + 1
            changed = {name: replace(record, version=version)} if self._differs(record) else {name: self._records[name]}
            await asyncio.to_thread(self._write, numbers, changed, {name: groups}, version)
            self._groups[name] = groups
            self._keep(numbers, changed, version)
        self._tell(changed[name])
        return changed[name]

    async def forget(self, name: str) -> None:
        """Drop what is known of a name, but for its numbers, which stay its own."""
        async with self._lock:
            await asyncio.to_thread(self._erase, name)
            self._records.pop(name, None)
            self._groups.pop(name, None)
        for listener in self._forgotten:
            listener(name)

    def _differs(self, record: IdentityRecord) -> bool:
        known = self._records.get(record.name)
        return known is None or replace(known, version=0) != record

    def _keep(self, numbers: _Numbers, changed: Mapping[str, IdentityRecord], version: int) -> None:
        self._numbers = _Numbers(numbers.owners, numbers.numbers)
        self._records.update(changed)
        self.version = version

    def _tell(self, record: IdentityRecord) -> None:
        for listener in self._listeners:
            listener(record)

    def _erase(self, name: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(_IDENTITIES).where(_IDENTITIES.c.name == name))

    def _write(self, numbers: _Numbers, records: Mapping[str, IdentityRecord], groups: Mapping[str, tuple[str, ...]], version: int) -> None:
        with writing(self._engine) as connection:
            for number, owner in numbers.fresh:
                connection.execute(insert(_NUMBERS).values(number=number, kind=owner.kind, name=owner.name))
            for name, record in records.items():
                _put(connection, name, groups[name], record)
            if not connection.execute(update(_VERSION).values(version=version)).rowcount:
                connection.execute(insert(_VERSION).values(version=version))


def _put(connection: Connection, name: str, groups: tuple[str, ...], record: IdentityRecord) -> None:
    row = {"groups": json.dumps(groups), "record": json.dumps(record.to_json())}
    if not connection.execute(update(_IDENTITIES).where(_IDENTITIES.c.name == name).values(row)).rowcount:
        connection.execute(insert(_IDENTITIES).values(name=name, **row))


def _number_user(numbers: _Numbers, name: str, uid: int | None, gid: int | None, lowest: int) -> None:
    user = _Owner("user", name)
    number = numbers.give(user, lowest) if uid is None else numbers.accept("uid", uid, user)
    if gid is not None and gid != number:
        numbers.accept("gid", gid, _Owner("group", name))
