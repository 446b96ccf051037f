"""The addresses of SODA: cutouts at once, for whoever may read the product, as the bytes of FITS files."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, Final

from bowerbird.errors import OutsideImage
from bowerbird_config.identity import Identity
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.archive import Archive, ClosedRecord, NoRecord, Record
from bowerbird_services.cutting import SMALL, Cutting, tag
from bowerbird_services.etags import is_known
from bowerbird_services.part_answers import PartAnswer, Patience
from bowerbird_services.release_files import ClosedFile, NoFile, ReleaseFile
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads, unless_gone
from bowerbird_services.turns import Turns, Words
from bowerbird_services.vo import vosi
from bowerbird_services.vo.dali import BROKEN, Fault, parameters
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.soda import MOST_REGIONS, STANDARD, Asked, asked, refusal
from bowerbird_services.vo.tap_service import sign_in_headers
from bowerbird_services.vo.xml import document

_THREADS: Final = 8
_MOST_FIELDS: Final = MOST_REGIONS + 20
# So many large answers are in memory at once, of each one who asks a single one: who reads slowly keeps no other waiting.
_MOST_LARGE: Final = 3
# Whoever takes less in a second is not waited for (bytes).
_LEAST_RATE: Final = 256 << 10
_WORDS: Final = Words(
    "cutouts are made for you already, the most at once; ask again when one has come", "the cutout", "ask for a smaller region"
)
_LARGE: Final = "large cutouts are made already, the most at once; ask again later, or for a smaller region"
_CHANGED: Final = "the file was changed before its turn to be cut; ask again"
_NO_RECORD: Final = "there is no product of that ID, or it is not for you"
_ABSENT: Final = "the file of that product is not there any more"
_DISK: Final = "the file could not be read; try again later"

_log = logging.getLogger("bowerbird.services")


@dataclass(frozen=True, slots=True)
class _Made:
    """What a thread comes back with, and nothing is open any more: what is told of an answer, and all of it where it is small."""

    headers: dict[str, str]
    content: bytes | None = None
    status: HTTPStatus = HTTPStatus.OK
    is_large: bool = False


class SODAService:
    """Answers for the products of one site."""

    def __init__(self, site: Site, archive: Archive, health: Health) -> None:
        self._site = site
        self._archive = archive
        self._health = health
        self._near = archive.near_files()
        # Its own threads and places: pixels keep no query waiting, and queries no pixels.
        self._threads = Threads(_THREADS)
        self._turns = Turns(site, self._threads, _WORDS)
        self._large = site.places_for("large cutouts")

    def routes(self) -> list[Route]:
        """Return the addresses below /soda."""
        return [
            Route("/sync", self.sync, methods=["GET", "POST"]),
            Route("/capabilities", self.capabilities),
            Route("/availability", self.availability),
        ]

    async def close(self) -> None:
        """Let the threads go, and what is near."""
        await self._threads.close()
        self._near.close()

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
        except ClientDisconnect:
            raise
        except Exception:  # whatever it is, SODA has a text for it (section 5.2)
            _log.exception("a cutout could not be made")
            return refusal(Fault(BROKEN, HTTPStatus.INTERNAL_SERVER_ERROR))

    async def _sync(self, request: Request) -> Response:
        identity = await self._site.identities.of(request)
        given = await parameters(request, most_fields=_MOST_FIELDS)
        await given.close()
        wanted = asked(given)
        record = self._record(identity, wanted.did)
        if made := self._at_once(request, record, wanted):
            return Response(made.content, made.status, headers=made.headers | _cached(record))
        made = await unless_gone(request, self._turns.run(identity, self._made, request, record, wanted))
        if made.is_large:
            return await unless_gone(request, self._streamed(identity, wanted, made.headers))
        # What was closed meanwhile is not sent.
        told = _cached(self._record(identity, wanted.did))
        return Response(made.content, made.status, headers=made.headers | told)

    def _record(self, identity: Identity, did: str) -> Record:
        try:
            return self._archive.record(identity, did, self._site.clock())
        except NoRecord:
            raise Fault(_NO_RECORD, HTTPStatus.NOT_FOUND) from None
        except ClosedRecord as closed:
            raise Fault(str(closed), HTTPStatus.FORBIDDEN) from None

    def _at_once(self, request: Request, record: Record, wanted: Asked) -> _Made | None:
        """Cut on the loop what takes less time than to wake a thread for it; None where a thread has to."""
        is_simple = wanted.is_light and "if-none-match" not in request.headers
        file = self._near.file(record.did, wanted.hdus) if is_simple else None
        if file is None:
            return None
        with file, self._cutting(file, record, wanted) as cutting:
            return self._answered(request, cutting, wanted) if cutting.is_near else None

    def _made(self, request: Request, record: Record, wanted: Asked) -> _Made:
        """Plan what is asked for, and read it where it is small. Runs in a thread."""
        with self._opened(record) as file:
            known = tag(file, wanted)
            if is_known(request, known):
                return _Made({"ETag": known}, status=HTTPStatus.NOT_MODIFIED)
            with self._cutting(file, record, wanted) as cutting:
                made = self._answered(request, cutting, wanted)
                if wanted.is_light and cutting.is_near:
                    self._near.add(record.did, wanted.hdus)
                return made

    @staticmethod
    def _answered(request: Request, cutting: Cutting, wanted: Asked) -> _Made:
        told = {"ETag": cutting.tag} | _described(cutting, wanted)
        if request.method == "HEAD":
            return _Made(told)
        if cutting.size > SMALL:
            return _Made(told, is_large=True)
        return _Made(told, b"".join(part for parts in cutting.parts() for part in parts))

    def _opened(self, record: Record) -> ReleaseFile:
        try:
            return self._archive.opened(record)
        except NoFile:
            raise Fault(_ABSENT, HTTPStatus.NOT_FOUND) from None
        except ClosedFile as error:
            raise Fault(str(error), HTTPStatus.FORBIDDEN) from error

    def _cutting(self, file: ReleaseFile, record: Record, wanted: Asked) -> Cutting:
        return Cutting(file, record, wanted, by_pieces=self._archive.is_cut_only(record.did))

    async def _streamed(self, identity: Identity, wanted: Asked, told: dict[str, str]) -> Response:
        """Begin a large answer in its turn. Until then nothing of it is in memory: it is planned anew."""
        seconds = self._site.allowance(identity).sync.total_seconds()
        stack = ExitStack()
        try:
            async with asyncio.timeout(seconds):
                await self._large.enter(identity.name, 1, _MOST_LARGE)
                stack.callback(self._large.leave, identity.name)
                parts = await self._threads.back(self._begun, stack, self._record(identity, wanted.did), wanted, told)
            cached = _cached(self._record(identity, wanted.did))
        except TimeoutError as error:
            stack.close()
            raise Fault(_LARGE, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"}) from error
        except BaseException:  # whatever it is, no file stays open and the next one gets the place
            stack.close()
            raise
        patience = Patience(seconds, seconds + int(told["Content-Length"]) / _LEAST_RATE)
        return PartAnswer(self._threads, parts, told | cached, patience, stack.close)

    def _begun(self, stack: ExitStack, record: Record, wanted: Asked, told: dict[str, str]) -> Iterator[Sequence[Any]]:
        """Return the parts of an answer, the first of them read. Runs in a thread."""
        file = stack.enter_context(self._opened(record))
        cutting = stack.enter_context(self._cutting(file, record, wanted))
        if told != {"ETag": cutting.tag} | _described(cutting, wanted):
            raise Fault(_CHANGED, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
        parts = cutting.parts()
        return chain([next(parts)], parts)


def _described(cutting: Cutting, wanted: Asked) -> dict[str, str]:
    return {
        "Last-Modified": cutting.modified,
        "Content-Type": wanted.form.media_type,
        "Content-Length": str(cutting.size),
        "Content-Disposition": f'attachment; filename="{cutting.name}"',
    }


def _cached(record: Record) -> dict[str, str]:
    """Return what caches are told: they ask each time, as a release may be closed again."""
    return {"Cache-Control": "public, no-cache"} if record.public else {}
