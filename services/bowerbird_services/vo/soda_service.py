"""The addresses of SODA: cutouts at once, for whoever may read the product, as the bytes of FITS files."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from bowerbird.errors import OutsideImage
from bowerbird_config.access import decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.resources import Action, ReleaseRef
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bowerbird_services.archive import Archive, ClosedRecord, NoRecord, Record
from bowerbird_services.cutting import SMALL, Cutting, tag
from bowerbird_services.identity import Away
from bowerbird_services.places import Places
from bowerbird_services.release_files import ClosedFile, NoFile
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads, unless_gone, while_there
from bowerbird_services.vo import vosi
from bowerbird_services.vo.dali import Fault, parameters
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.soda import MOST_REGIONS, STANDARD, Asked, asked, refusal
from bowerbird_services.vo.tap_service import sign_in_headers
from bowerbird_services.vo.xml import document

_THREADS: Final = 8
_MOST_FIELDS: Final = MOST_REGIONS + 20
_CROWDED: Final = "cutouts are made for you already, the most at once; ask again when one has come"
_LARGE: Final = "a large cutout is made already, one at a time; ask again later, or for a smaller region"
_NO_RECORD: Final = "there is no product of that ID, or it is not for you"
_ABSENT: Final = "the file of that product is not there any more"
_UNREADABLE: Final = "the platform itself may not read the file of that product; ask its admins to make it readable for others"
_DISK: Final = "the file could not be read; try again later"

_log = logging.getLogger("bowerbird.services")


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a thread comes back with: the whole answer, or the open file that it will be read from."""

    cutting: Cutting | None
    tag: str
    content: bytes | None = None


class SODAService:
    """Answers for the products of one site."""

    def __init__(self, site: Site, archive: Archive, health: Health) -> None:
        self._site = site
        self._archive = archive
        self._health = health
        # Its own threads and places: pixels keep no query waiting, and queries no pixels.
        self._threads = Threads(_THREADS)
        self._places = Places()
        self._large = Places()

    def routes(self) -> list[Route]:
        """Return the addresses below /soda."""
        return [
            Route("/sync", self.sync, methods=["GET", "POST"]),
            Route("/capabilities", self.capabilities),
            Route("/availability", self.availability),
        ]

    async def close(self) -> None:
        """Let the threads go."""
        await self._threads.close()

    async def capabilities(self, request: Request) -> Response:
        """Tell what the service can do, and how to sign in; this is no secret."""
        identity = await self._site.identities.of(request)
        base = f"{self._site.address_of(request)}/soda"
        answer = document(vosi.simple_capabilities(STANDARD, base, "sync", "1.0"))
        answer.headers.update(sign_in_headers(identity))
        return answer

    async def availability(self, _request: Request) -> Response:
        """Tell that the service is there."""
        return document(vosi.availability(self._site.started, self._health.of_products()))

    async def sync(self, request: Request) -> Response:
        """Send a cutout; what is refused is told as SODA wants it."""
        try:
            return await self._sync(request)
        except Fault as fault:
            return refusal(fault)
        except HTTPException as error:  # a form that cannot be read
            return refusal(Fault(error.detail, error.status_code))
        except OutsideImage:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        except OSError as error:
            _log.error("a product could not be read: %s", error)
            return refusal(Fault(_DISK, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}))

    async def _sync(self, request: Request) -> Response:
        identity = await self._site.identities.of(request)
        given = await parameters(request, most_fields=_MOST_FIELDS)
        await given.close()
        wanted = asked(given)
        record = self._record(identity, wanted.did)
        ready = await unless_gone(request, self._begun(request, identity, record, wanted))
        try:
            # What was closed meanwhile is not sent.
            record = self._record(identity, wanted.did)
            headers = self._headers(ready, wanted, record)
            if ready.content is not None or ready.cutting is None or request.method == "HEAD":
                answer = _whole(ready, headers)
            else:
                return await self._streamed(request, identity, ready.cutting, headers)
        except BaseException:  # also when whoever asked has gone, no file stays open and the next one gets the place
            self._end(identity, ready)
            raise
        self._end(identity, ready)
        return answer

    def _record(self, identity: Identity, did: str) -> Record:
        try:
            return self._archive.record(identity, did, self._site.clock())
        except NoRecord:
            raise Fault(_NO_RECORD, HTTPStatus.NOT_FOUND) from None
        except ClosedRecord as closed:
            raise Fault(str(closed), HTTPStatus.FORBIDDEN) from None

    async def _begun(self, request: Request, identity: Identity, record: Record, wanted: Asked) -> _Ready:
        """Have a thread plan the cutout, and make it if it is small; the place is kept, for `_end` to give back."""
        await self._site.entered(self._places, identity, _CROWDED)
        known = request.headers.get("if-none-match", "")
        work = asyncio.ensure_future(self._threads.run(self._made, record, wanted, known, request.method == "HEAD"))
        seconds = self._site.allowance(identity).sync.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(work)
        except BaseException as error:
            # Whoever asked gets the next place only when the thread has come back.
            work.add_done_callback(lambda done: self._end(identity, None if done.cancelled() or done.exception() else done.result()))
            if isinstance(error, TimeoutError):
                words = f"the cutout took longer than {seconds:g} s, the most that an answer may take; ask for a smaller region"
                raise Fault(words, HTTPStatus.SERVICE_UNAVAILABLE) from error
            raise

    def _made(self, record: Record, wanted: Asked, known: str, planned_only: bool) -> _Ready:
        """Plan what is asked for, and read it where it is small. Runs in a thread."""
        try:
            file = self._archive.opened(record)
        except NoFile:
            raise Fault(_ABSENT, HTTPStatus.NOT_FOUND) from None
        except ClosedFile as error:
            raise Fault(_UNREADABLE, HTTPStatus.FORBIDDEN) from error
        except Away as error:
            raise Fault(f"{error}; try again in a minute", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}) from error
        here = tag(file, wanted)
        if here in known:
            file.close()
            return _Ready(None, here)
        try:
            cutting = Cutting(file, record, wanted, by_pieces=self._archive.is_cut_only(record.did))
        except BaseException:  # whatever is wrong with it, it does not stay open
            file.close()
            raise
        if planned_only or cutting.size > SMALL:
            return _Ready(cutting, here)
        try:
            return _Ready(cutting, here, b"".join(part for parts in cutting.parts() for part in parts))
        except BaseException:  # as above
            cutting.close()
            raise

    def _headers(self, ready: _Ready, wanted: Asked, record: Record) -> dict[str, str]:
        told = {"ETag": ready.tag}
        if decide(self._site.identities.records.platform, ANONYMOUS, Action.READ, ReleaseRef(*record.place), self._site.clock()).allowed:
            # Caches ask each time: a release may be closed again.
            told["Cache-Control"] = "public, no-cache"
        if ready.cutting is not None:
            told |= {
                "Last-Modified": ready.cutting.modified,
                "Content-Type": wanted.form,
                "Content-Length": str(ready.cutting.size),
                "Content-Disposition": f'attachment; filename="{ready.cutting.name}"',
            }
        return told

    async def _streamed(self, request: Request, identity: Identity, cutting: Cutting, headers: dict[str, str]) -> Response:
        seconds = self._site.allowance(identity).sync.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await unless_gone(request, self._large.enter(identity.name, 1, 1))
        except TimeoutError as error:
            raise Fault(_LARGE, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"}) from error
        parts = cutting.parts()

        def ended() -> None:
            self._large.leave(identity.name)
            self._end(identity, _Ready(cutting, cutting.tag))

        try:
            first = await self._threads.run(next, parts)
        except BaseException:  # the file stays with whoever called
            self._large.leave(identity.name)
            raise
        return _Stream(self._threads, first, parts, headers, ended)

    def _end(self, identity: Identity, ready: _Ready | None) -> None:
        """Let the file go, and give the place back."""
        if ready is not None and ready.cutting is not None:
            ready.cutting.close()
        self._places.leave(identity.name)


def _whole(ready: _Ready, headers: dict[str, str]) -> Response:
    if ready.cutting is None:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(ready.content, headers=headers)


class _Stream(Response):
    """Sends cutouts, each when it is read; a client that goes away ends it, and so does a file that changes."""

    def __init__(
        self,
        threads: Threads,
        first: Sequence[Any],
        parts: Iterator[Sequence[Any]],
        headers: dict[str, str],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(None, headers=headers)
        self._threads, self._first, self._parts, self._ended = threads, first, parts, ended

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or stop."""
        try:
            await while_there(receive, self._send(send))
        except Fault as fault:
            # The length was told already: an answer that ends before is known to be none.
            _log.warning("a product was not cut to its end: %s", fault)
        finally:
            self._ended()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        parts: Sequence[Any] | None = self._first
        while parts is not None:
            for part in parts:
                await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
            # Shielded: the file is closed only after its reader has come back.
            reading = asyncio.ensure_future(self._threads.run(next, self._parts, None))
            try:
                parts = await asyncio.shield(reading)
            except asyncio.CancelledError:
                await asyncio.gather(reading, return_exceptions=True)
                raise
        await send({"type": "http.response.body", "body": b""})
