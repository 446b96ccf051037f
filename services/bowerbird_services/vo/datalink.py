"""DataLink 1.1: what belongs to a product: the file, its cutouts, previews, and its relatives in all releases."""

import threading
from collections.abc import Sequence
from dataclasses import astuple
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from bowerbird.errors import CutoutError
from bowerbird.votable import Field, Header, Info, Service, Writer
from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.archive import Archive, ClosedRecord, NoRecord
from bowerbird_services.etags import is_known
from bowerbird_services.formats import chosen
from bowerbird_services.link_descriptor import STANDARD
from bowerbird_services.links import Link, Links
from bowerbird_services.previews import SIZES, Previews
from bowerbird_services.release_files import ClosedFile, NoFile
from bowerbird_services.site import Site
from bowerbird_services.store.obscore import DATALINK
from bowerbird_services.streams import Threads, unless_gone
from bowerbird_services.turns import Turns, Words
from bowerbird_services.vo import soda_inputs, vosi
from bowerbird_services.vo.dali import VOTABLE, Fault, Parameters, parameters, shown
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.tap import limit_of
from bowerbird_services.vo.tap_service import sign_in_headers
from bowerbird_services.vo.xml import document

# Section 3.2, in the order of `Link`.
_FIELDS: Final = (
    Field("ID", "char", "*", ucd="meta.id;meta.main", description="what was asked about"),
    Field("semantics", "char", "*", ucd="meta.code", description="what the link is to it, by the vocabulary datalink/core"),
    Field("access_url", "char", "*", ucd="meta.ref.url", description="where it is"),
    Field("service_def", "char", "*", ucd="meta.ref", description="id of the descriptor of the service that makes it"),
    Field("error_message", "char", "*", ucd="meta.code.error", description="why there is no link"),
    Field("description", "char", "*", ucd="meta.note", description="what it is, for people"),
    Field("content_type", "char", "*", ucd="meta.code.mime", description="media type of what comes"),
    Field("content_length", "long", unit="byte", ucd="phys.size;meta.file", description="size of what comes"),
    Field("content_qualifier", "char", "*", ucd="meta.code", description="kind of what comes, by the vocabulary product-type"),
    Field("link_auth", "char", "*", ucd="meta.code", description="whether one has to sign in: true, or optional where everybody may read"),
    Field("link_authorized", "boolean", ucd="meta.code", description="whether whoever asked may follow it"),
)
_MOST_IDS: Final = 1000
# Clients send the identifiers of all their rows, and find out how many of them are told at once.
_MOST_FIELDS: Final = 100_000
_FEW_LINKS: Final = 16
# Its own: what reads files keeps no query waiting.
_THREADS: Final = 8
_PICTURES: Final = Words(
    "pictures are being made for you already, the most at once; ask again when one has come", "the picture", "cut a piece of it instead"
)
_LINKS: Final = Words(
    "lists of links are made for you already, the most at once; ask again when one has come", "the list", "ask for fewer ID"
)


def asked(given: Parameters) -> tuple[str, ...]:
    """Return the identifiers that are asked about, however many; none has an answer without rows (section 2.1.1)."""
    return tuple(dict.fromkeys(text for text in given.many("ID") if text))


def document_of(links: Sequence[Link], services: Sequence[Service], form: str | None, overflow: bool) -> bytes:
    """Return the document of some links; that of a few is kept, for whoever gets the very same ones."""
    write = _kept if len(links) <= _FEW_LINKS else written
    return write(tuple(links), tuple(services), form, overflow)


def written(links: Sequence[Link], services: Sequence[Service], form: str | None, overflow: bool) -> bytes:
    """Return the document of some links; Fault where it is asked for in a format that DataLink has not."""
    name = "".join((form or "votable/td").lower().split())
    known = chosen("votable/td" if name in {DATALINK, "votable", VOTABLE} else name)
    if known is None or not known.mime.startswith((VOTABLE, "text/xml")):
        raise Fault(f"RESPONSEFORMAT is {shown(form or '')}; links come as VOTable alone")
    serialization = next((each for each in ("BINARY2", "BINARY") if known.mime.endswith(f"={each}")), "TABLEDATA")
    writer = Writer(Header(_FIELDS, (Info("QUERY_STATUS", "OK"), Info("standardID", STANDARD))), serialization)  # type: ignore[arg-type]  # as above
    rows = list(zip(*map(astuple, links), strict=True)) or [()] * len(_FIELDS)
    infos = (Info("QUERY_STATUS", "OVERFLOW"),) if overflow else ()
    return writer.start() + (writer.rows([list(column) for column in rows]) if links else b"") + writer.end(infos, services)


_kept = lru_cache(maxsize=1024)(written)


class DataLinkService:
    """Answers for the products of one site."""

    def __init__(self, site: Site, archive: Archive, health: Health) -> None:
        self._site = site
        self._archive = archive
        self._health = health
        self._previews = Previews()
        self._threads = Threads(_THREADS)
        self._pictures = Turns(site, self._threads, _PICTURES)
        self._lists = Turns(site, self._threads, _LINKS)

    def routes(self) -> list[Route]:
        """Return the addresses below /datalink."""
        return [
            Route("/links", self.links, methods=["GET", "POST"]),
            Route("/preview", self.preview),
            Route("/capabilities", self.capabilities),
            Route("/availability", self.availability),
        ]

    async def close(self) -> None:
        """Let the threads go."""
        await self._threads.close()

    async def links(self, request: Request) -> Response:
        """Tell what belongs to the products that are named."""
        site = self._site
        identity = await site.identities.of(request)
        given = await parameters(request, most_fields=_MOST_FIELDS)
        await given.close()
        names = asked(given)
        limit = limit_of(given, site.allowance(identity))
        # Section 2.1.1: of more than the most at once, the first are told, and that there are others; clients ask for those again.
        found, services, overflow = await unless_gone(request, self._found(identity, names, site.address_of(request), limit))
        body = document_of(found, services, given.single("RESPONSEFORMAT"), overflow)
        return Response(body, media_type=DATALINK)

    async def _found(self, identity: Identity, names: Sequence[str], base: str, limit: int) -> tuple[list[Link], list[Service], bool]:
        finder, at = Links(self._archive, f"{base}/datalink"), self._site.clock()
        gone = threading.Event()

        def find() -> tuple[list[Link], list[Service], bool]:
            links: list[Link] = []
            services: list[Service] = []
            for number, name in enumerate(names[:_MOST_IDS], 1):
                some, cut = finder.of(identity, name, at, f"cutout{number}")
                if len(links) + len(some) > limit:  # the links of one ID come together or not at all
                    return links, services, True
                links += some
                if cut is not None:
                    services.append(soda_inputs.descriptor(cut.id, f"{base}/soda/sync", cut.did, cut.product))
                if gone.is_set():
                    break
            return links, services, len(names) > _MOST_IDS

        try:
            return await self._lists.run(identity, find)
        finally:
            gone.set()

    async def preview(self, request: Request) -> Response:
        """Send the picture of a product."""
        identity = await self._site.identities.of(request)
        given = Parameters.of(request.query_params.multi_items())
        pixels = given.count("SIZE") or SIZES["preview"]
        if pixels not in SIZES.values():
            raise Fault(f"SIZE is {pixels}; it is {' or '.join(map(str, SIZES.values()))}")
        name = given.needed("ID")
        try:
            picture, tag = await unless_gone(request, self._pictures.run(identity, self._picture, request, identity, name, pixels))
        except (NoRecord, NoFile):
            raise Fault("there is no such product", HTTPStatus.NOT_FOUND) from None
        except (ClosedRecord, ClosedFile) as error:
            raise Fault(str(error), HTTPStatus.FORBIDDEN) from error
        except CutoutError as error:
            raise Fault(f"there is no picture of this product: {error}", HTTPStatus.NOT_FOUND) from error
        if picture is None:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
        return Response(picture, media_type="image/png", headers={"ETag": tag})

    def _picture(self, request: Request, identity: Identity, name: str, pixels: int) -> tuple[bytes | None, str]:
        """Return a picture with its tag; None for the one that the client has already."""
        record = self._archive.record(identity, name, self._site.clock())
        with self._archive.opened(record) as file:
            tag = f'{file.tag[:-1]}-{pixels}"'
            return None if is_known(request, tag) else self._previews.of(record.did, file, pixels), tag

    async def capabilities(self, request: Request) -> Response:
        """Tell what the service can do, and how to sign in; this is no secret."""
        identity = await self._site.identities.of(request)
        base = f"{self._site.address_of(request)}/datalink"
        answer = document(vosi.simple_capabilities(STANDARD, base, "links", "1.1"))
        answer.headers.update(sign_in_headers(identity))
        return answer

    async def availability(self, _request: Request) -> Response:
        """Tell whether the service can answer."""
        return document(vosi.availability(self._site.started, self._health.of_products()))
