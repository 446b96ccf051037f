"""Who is signed on, by which ticket and in which browser: a bounded table that single logout and ageing ask."""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from bowerbird_hub.identity.database import writing
from sqlalchemy import Column, Engine, Float, MetaData, String, Table, delete, insert, select

MAX_SIGN_ONS = 20_000

_METADATA = MetaData()
_SIGN_ONS = Table(
    "bowerbird_sign_ons",
    _METADATA,
    Column("ticket_hash", String(64), primary_key=True),  # sha256: the ticket itself is never kept
    Column("user", String(64), nullable=False),
    Column("session", String(64), nullable=False),
    Column("since", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SignOn:
    """One sign-on: a person, a browser (the hub's session id), and when, in seconds since 1970."""

    user: str
    session: str
    since: float


def ticket_hash(ticket: str) -> str:
    """Return what is kept of a ticket."""
    return hashlib.sha256(ticket.encode()).hexdigest()


class SignOns:
    """Every sign-on that has not ended; the table never holds more than MAX_SIGN_ONS, the oldest go first."""

    def __init__(self, engine: Engine, limit: int = MAX_SIGN_ONS) -> None:
        self._engine = engine
        self._limit = limit
        self._lock = asyncio.Lock()
        self._by_ticket: dict[str, SignOn] = {}
        self._since: dict[tuple[str, str], float] = {}

    async def open(self) -> None:
        """Read what the database holds; the table is made where it is missing."""
        await asyncio.to_thread(self._read)

    def _read(self) -> None:
        _METADATA.create_all(self._engine)
        with self._engine.connect() as connection:
            for hashed, user, session, since in connection.execute(select(_SIGN_ONS).order_by(_SIGN_ONS.c.since)):
                self._by_ticket[hashed] = SignOn(user, session, since)
        self._index()

    def _index(self) -> None:
        # Every request asks, so the answer lies ready.
        self._since = {}
        for sign_on in self._by_ticket.values():
            key = (sign_on.user, sign_on.session)
            self._since[key] = max(sign_on.since, self._since.get(key, sign_on.since))

    def __len__(self) -> int:
        return len(self._by_ticket)

    def of_ticket(self, ticket: str) -> SignOn | None:
        """Return the sign-on that a ticket began; None for an unknown one."""
        return self._by_ticket.get(ticket_hash(ticket))

    def since(self, user: str, session: str) -> float | None:
        """Return when that person last signed on in that browser; None where they did not."""
        return self._since.get((user, session))

    async def begin(self, ticket: str, sign_on: SignOn, lifetime: timedelta) -> None:
        """Remember a sign-on; those that outlived `lifetime`, and the oldest above the limit, are dropped."""
        async with self._lock:
            kept = {**self._by_ticket, ticket_hash(ticket): sign_on}
            expired = [h for h, s in kept.items() if sign_on.since - s.since >= lifetime.total_seconds()]
            surplus = sorted(kept, key=lambda h: kept[h].since)[: max(0, len(kept) - self._limit)]
            await self._replace([(ticket_hash(ticket), sign_on)], {*expired, *surplus})

    async def end_user(self, user: str) -> None:
        """Forget every sign-on of a person."""
        async with self._lock:
            await self._replace([], {h for h, s in self._by_ticket.items() if s.user == user})

    async def end_session(self, user: str, session: str) -> None:
        """Forget what that person did in that browser."""
        async with self._lock:
            await self._replace([], {h for h, s in self._by_ticket.items() if (s.user, s.session) == (user, session)})

    async def _replace(self, new: Iterable[tuple[str, SignOn]], gone: set[str]) -> None:
        rows = [(hashed, sign_on) for hashed, sign_on in new if hashed not in gone]
        # The same ticket twice is one row: a server that repeats itself must not fail the second sign-on.
        stale = gone | {hashed for hashed, _ in rows}
        if not stale:
            return
        await asyncio.to_thread(self._write, rows, stale)
        for hashed in gone:
            self._by_ticket.pop(hashed, None)
        self._by_ticket.update(rows)
        self._index()

    def _write(self, rows: Iterable[tuple[str, SignOn]], stale: set[str]) -> None:
        with writing(self._engine) as connection:
            for hashed in stale:
                connection.execute(delete(_SIGN_ONS).where(_SIGN_ONS.c.ticket_hash == hashed))
            for hashed, sign_on in rows:
                connection.execute(
                    insert(_SIGN_ONS).values(ticket_hash=hashed, user=sign_on.user, session=sign_on.session, since=sign_on.since)
                )
