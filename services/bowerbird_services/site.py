"""What the protocols share while they serve: the tables, who asks, the limits, the threads, and where to spool."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from bowerbird_services.allowances import Allowance, allowance_of
from bowerbird_services.engine import Engine
from bowerbird_services.identity import Identities
from bowerbird_services.streams import FlowResponse, Outflow, Threads, compressed, gathered, unless_gone
from bowerbird_services.vo.dali import Fault

_MOST_ROOMS = 1000


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
    _rooms: dict[tuple[str | None, int], asyncio.Semaphore] = field(default_factory=dict)

    def address_of(self, connection: HTTPConnection) -> str:
        """Return the address under which that client knows the application."""
        return self.address or str(connection.base_url).rstrip("/")

    def allowance(self, identity: Identity) -> Allowance:
        """Return the limits of that identity."""
        return self.limits(self.identities.records.platform, identity)

    async def answer(self, request: Request, identity: Identity, flow: Outflow, media_type: str, text: bool) -> Response:
        """Return a flow as an answer: begun, limited in time, compressed where that is asked for and of use."""
        allowance = self.allowance(identity)
        chunks: Iterator[bytes] = flow.chunks()
        headers = {"Content-Type": media_type}
        if text:
            headers["Vary"] = "Accept-Encoding"
            if _takes_gzip(request):
                headers["Content-Encoding"] = "gzip"
                chunks = compressed(chunks)
        chunks = gathered(chunks)
        room = self._room(identity, allowance)
        timer = _deadline(flow, allowance.sync)

        async def begun() -> bytes:
            await _entered(room, allowance)
            try:
                return await self.threads.first(flow, chunks)
            except BaseException:
                room.release()
                raise

        try:
            first = await unless_gone(request, begun())
        except BaseException:
            timer.cancel()
            raise

        def ended() -> None:
            timer.cancel()
            room.release()

        return FlowResponse(self.threads, flow, first, chunks, headers, ended)

    def _room(self, identity: Identity, allowance: Allowance) -> asyncio.Semaphore:
        """Return what lets so many of an identity's queries run at once; the others wait for it."""
        key = (identity.name, allowance.at_once)
        if key not in self._rooms:
            if len(self._rooms) >= _MOST_ROOMS:
                self._rooms = {known: room for known, room in self._rooms.items() if room._value < known[1]}
            self._rooms[key] = asyncio.Semaphore(allowance.at_once)
        return self._rooms[key]


async def _entered(room: asyncio.Semaphore, allowance: Allowance) -> None:
    try:
        async with asyncio.timeout(allowance.sync.total_seconds()):
            await room.acquire()
    except TimeoutError:
        message = f"{allowance.at_once} queries run already, the most at once, and none has ended in time; send this one to /async"
        raise Fault(message, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}) from None


def _deadline(flow: Outflow, after: timedelta) -> asyncio.TimerHandle:
    seconds = after.total_seconds()
    words = f"the query took longer than {seconds:g} s, the most that an answer at once may take; send it to /async"
    return asyncio.get_running_loop().call_later(seconds, flow.stop, words)


def _takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.strip().replace(" ", "") not in {"q=0", "q=0.0"}
    return False
