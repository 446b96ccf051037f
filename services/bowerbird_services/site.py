"""What the protocols share while they serve: the tables, who asks, the limits, the threads, and where to spool."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from bowerbird_config.access import Action, ReleaseRef, decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.platform import Platform
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from bowerbird_services.accepted import accepted
from bowerbird_services.allowances import Allowance, allowance_of
from bowerbird_services.answers import Answers
from bowerbird_services.archive import Archive
from bowerbird_services.engine import UPLOAD_SCHEMA, Answer, Engine
from bowerbird_services.formats import Description
from bowerbird_services.identity import Identities
from bowerbird_services.link_descriptor import link_descriptor
from bowerbird_services.places import Places
from bowerbird_services.slots import Slots
from bowerbird_services.streams import LEAST_CHUNK, FlowResponse, Outflow, Threads, compressed, gathered, unless_gone
from bowerbird_services.tables import Table
from bowerbird_services.vo.dali import Fault

# Said alike of a file that is not there and of one whose release is hidden.
ABSENT = "there is no such file"
NOWHERE = "there is nothing at this address"
_CROWDED = "queries run already, the most at once, and none has ended in time; send this one to /async"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Site:
    """One running application's parts. `address` is where clients find it, without a slash at the end."""

    engine: Engine
    identities: Identities
    threads: Threads
    spool: Path
    address: str = ""
    limits: Callable[[Platform, Identity], Allowance] = allowance_of
    clock: Callable[[], datetime] = _now
    started: datetime = field(default_factory=_now)
    # Shared with the service's other process, where there is one.
    slots: Slots | None = None
    places: Places = field(init=False)
    # The product files; None where the service has tables only.
    archive: Archive | None = None
    # Where the HiPS lie.
    surveys: Path | None = None
    # Where it is told how the making of tables and surveys goes; None where that is told elsewhere, as on one machine.
    ingest: Path | None = None
    answers: Answers = field(default_factory=Answers)
    # What is to be told of the service's other process; None where all is well with it.
    worker_trouble: Callable[[], str | None] = lambda: None

    def __post_init__(self) -> None:
        self.places = self.places_for("queries")

    def places_for(self, name: str) -> Places:
        """Return places whose limits hold for the whole service; those of one name are the same in each of its processes."""
        return Places(self.slots, name)

    def address_of(self, connection: HTTPConnection) -> str:
        """Return the address under which that client knows the application."""
        return self.address or str(connection.base_url).rstrip("/")

    def allowance(self, identity: Identity) -> Allowance:
        """Return the limits of that identity."""
        return self.limits(self.identities.records.platform, identity)

    def described(self, answer: Answer, infos: Iterable[tuple[str, str]], spool: Path) -> Description:
        """Return what is told of an answer before its rows, with where the links of its products are."""
        links = self.archive.doors.links if self.archive else None
        services = link_descriptor(answer.columns, answer.tables, links)
        return Description(answer.columns, tuple(infos), spool, answer.tables, services)

    def admit(self, identity: Identity, place: tuple[str, str]) -> None:
        """Return where an identity may read a release; else Fault: as if nothing were there, or with the reason where it is announced."""
        decision = self.identities.records.decide(identity, *place, self.clock())
        if not decision.allowed:
            raise Fault(ABSENT, HTTPStatus.NOT_FOUND) if decision.hidden else Fault(decision.sentence, HTTPStatus.FORBIDDEN)

    def access_infos(self, tables: Iterable[Table]) -> tuple[tuple[str, str], ...]:
        """Return what an answer says where nobody needs to sign in for its rows, so that clients may keep it; else nothing.

        It says of which edition each table was: `/tables/NAME` tells by its ETag whether that still is so.
        """
        platform, at = self.identities.records.platform, self.clock()

        def public(table: Table) -> bool:
            # Tables of no release, as TAP_SCHEMA, differ by who asks.
            return table.release is not None and decide(platform, ANONYMOUS, Action.READ, ReleaseRef(*table.release), at).allowed

        found = [table for table in tables if table.schema != UPLOAD_SCHEMA]
        if not all(map(public, found)):
            return ()
        return (("ACCESS", "public"), *(("EDITION", f"{table.full_name} {table.edition}") for table in found))

    async def answer(self, request: Request, identity: Identity, flow: Outflow, media_type: str, text: bool) -> Response:
        """Return a flow as an answer: begun, limited in time, compressed where that is asked for and of use."""
        written: Iterator[bytes] = flow.chunks()
        headers = {"Content-Type": media_type}
        if text:
            headers["Vary"] = "Accept-Encoding"
            if takes_gzip(request):
                headers["Content-Encoding"] = "gzip"
                written = compressed(written)
        chunks = gathered(written)
        timer = _deadline(flow, self.allowance(identity).sync)
        try:
            first = await unless_gone(request, self._begun(identity, flow, chunks))
        except BaseException:  # also when whoever asked has gone, nothing is left for the timer to end
            timer.cancel()
            raise

        def ended() -> None:
            timer.cancel()
            self.places.leave(identity.name)

        if len(first) < LEAST_CHUNK:  # it is all of the answer
            chunks.close()
            ended()
            return Response(first, headers=headers)
        return FlowResponse(self.threads, flow, first, chunks, headers, ended)

    async def _begun(self, identity: Identity, flow: Outflow, chunks: Iterator[bytes]) -> bytes:
        """Take a place and return the first bytes; the place is given back where there are none."""
        at_once = flow.is_light and self.places.take(identity.name, self.allowance(identity).at_once)
        if not at_once:
            await self.entered(self.places, identity, _CROWDED)
        try:
            return next(chunks, b"") if at_once else await self.threads.first(flow, chunks)
        except BaseException:  # also when whoever asked has gone, the next query gets the place
            self.places.leave(identity.name)
            raise

    async def entered(self, places: Places, identity: Identity, words: str) -> None:
        """Wait for a place, for as long as an answer may take; Fault where none was free in time. `words` go on after "N "."""
        allowance = self.allowance(identity)
        if places.take(identity.name, allowance.at_once):
            return
        try:
            async with asyncio.timeout(allowance.sync.total_seconds()):
                await places.enter(identity.name, allowance.at_once)
        except TimeoutError:
            raise Fault(f"{allowance.at_once} {words}", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}) from None


def _deadline(flow: Outflow, after: timedelta) -> asyncio.TimerHandle:
    seconds = after.total_seconds()
    words = f"the query took longer than {seconds:g} s, the most that an answer at once may take; send it to /async"
    return asyncio.get_running_loop().call_later(seconds, flow.stop, words)


def takes_gzip(request: Request) -> bool:
    """Tell whether whoever asks unpacks what is packed."""
    return "gzip" in accepted(request.headers.get("accept-encoding", ""))
