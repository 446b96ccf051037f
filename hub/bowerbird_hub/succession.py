"""Which hub serves a database: the newest pod's. One that is older learns it within half a second, and ends.

A roll-out leaves one hub, but for two cases: somebody scales the Deployment, or a node that the cluster has given up goes on running
its pods. Each of two hubs would take the other's servers for nobody's, and both would write what each has in mind. So a hub
writes its pod into the database before it does anything, and has a number by that, above all others. No clock is compared.
A pod that has lost its place never takes it again, or two of them would end each other for ever; the container of a pod that
is started anew in its place goes on.
"""

import asyncio
import time

from bowerbird_hub.identity.database import writing
from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, insert, select
from sqlalchemy.exc import SQLAlchemyError

_LOOK_SECONDS = 0.5
# In this time an older hub that is at work finds that it is one, and ends.
_YIELD_SECONDS = 1.0

_METADATA = MetaData()
# A row stays for ever, so that a pod that has lost its place is known.
_HUBS = Table(
    "bowerbird_hubs",
    _METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("pod", String(253), nullable=False, unique=True),
)
_NEWEST = select(_HUBS.c.number, _HUBS.c.pod).order_by(_HUBS.c.number.desc()).limit(1)


class Replaced(Exception):
    """The hub of another pod has taken this one's place; the text is a sentence."""

    def __init__(self, pod: str, other: str) -> None:
        super().__init__(
            f"the hub of pod {pod} ends: the hub of pod {other}, which is newer, serves its database. There is one hub for each; "
            "the Deployment has 1 replica, and a pod that is left on a lost node ends with it"
        )


class Succession:
    """The place of this pod's hub among all that have served its database."""

    def __init__(self, engine: Engine, pod: str) -> None:
        self._engine = engine
        self._pod = pod
        self._number = 0

    def take(self) -> None:
        """Take the place of the hub before, and give that the time to end; Replaced where another has taken this one's already.

        It blocks: nothing else of the hub is to be at work before.
        """
        _METADATA.create_all(self._engine)
        with writing(self._engine) as connection:
            last, before = connection.execute(_NEWEST).one_or_none() or (0, self._pod)
            known = connection.execute(select(_HUBS.c.number).where(_HUBS.c.pod == self._pod)).scalar()
            if known is not None and known < last:
                raise Replaced(self._pod, before)
            self._number = known or last + 1
            if known is None:
                connection.execute(insert(_HUBS).values(number=self._number, pod=self._pod))
        if before != self._pod:
            time.sleep(_YIELD_SECONDS)

    async def successor(self) -> str:
        """Return the pod whose hub has taken this one's place; nothing while there is none."""
        return await asyncio.to_thread(self._successor)

    def _successor(self) -> str:
        with self._engine.connect() as connection:
            last, pod = connection.execute(_NEWEST).one()
        return pod if last > self._number else ""

    async def replaced(self) -> str:
        """Return when another hub has taken this one's place, with the sentence that says so."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                other = await self.successor()
            except SQLAlchemyError:  # without its database the hub does nothing, and says so itself
                continue
            if other:
                return str(Replaced(self._pod, other))
