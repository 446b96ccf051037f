"""The addresses of TAP beside the jobs: sync, capabilities, availability, tables, examples."""

import asyncio
from collections.abc import Mapping

from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.engine import Answer
from bowerbird_services.formats import Description
from bowerbird_services.identity import CHALLENGES
from bowerbird_services.site import Site
from bowerbird_services.streams import Outflow
from bowerbird_services.tables import Catalogue
from bowerbird_services.vo import uploads, vosi
from bowerbird_services.vo.dali import Fault, Parameters, parameters
from bowerbird_services.vo.examples import examples, page
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.tap import STANDARD, Asked, asked, named_table
from bowerbird_services.vo.upload_sources import UploadSources
from bowerbird_services.vo.xml import document


class TAPService:
    """Answers for one site; `features` is what it can do beside plain ADQL."""

    def __init__(self, site: Site, features: tuple[vosi.Feature, ...], sources: UploadSources, health: Health) -> None:
        self._site = site
        self._health = health
        self._sources = sources
        self._features = features

    def routes(self) -> list[Route]:
        """Return the addresses below the service's own."""
        return [
            Route("/sync", self.sync, methods=["GET", "POST"]),
            Route("/capabilities", self.capabilities),
            Route("/availability", self.availability),
            Route("/tables", self.tables),
            Route("/tables/{name:path}", self.one_table),
            Route("/examples", self.examples),
        ]

    async def sync(self, request: Request) -> Response:
        """Answer a query at once."""
        site = self._site
        identity = await site.identities.of(request)
        allowance = site.allowance(identity)
        given = await parameters(request, allowance.upload_bytes)
        try:
            query = asked(given, allowance)
            uploaded = await self._sources.opened(given, identity, site.address_of(request))
            loaded = await site.threads.run(uploads.loaded, uploaded.files, allowance.upload_bytes) if uploaded.files else {}
            uploaded.close()
        finally:
            await given.close()

        def begin() -> Answer:
            catalogue = site.engine.catalogue(identity, site.clock())
            return site.engine.answer(query.adql, catalogue, limit=query.limit + 1, uploads=loaded)

        def describe(answer: Answer) -> Description:
            return site.described(answer, (*self.infos(query), *site.access_infos(answer.tables)), site.spool)

        flow = Outflow(begin, query.form, describe, query.limit, overflow=query.overflow)
        return await site.answer(request, identity, flow, query.form.mime, query.form.text)

    def infos(self, query: Asked) -> tuple[tuple[str, str], ...]:
        """Return what an answer tells of its making."""
        return (STANDARD, ("QUERY", query.adql), ("TIMESTAMP", f"{self._site.clock():%Y-%m-%dT%H:%M:%SZ}"))

    async def capabilities(self, request: Request) -> Response:
        """Tell what the service can do, and how to sign in; this is no secret."""
        identity = await self._site.identities.of(request)
        base = f"{self._site.address_of(request)}/tap"
        # Beside the threads of queries, as below.
        catalogue = await asyncio.to_thread(self._site.engine.catalogue, identity, self._site.clock())
        models = vosi.models(catalogue)
        answer = document(vosi.capabilities(base, self._features, self._site.allowance(identity), models))
        answer.headers.update(sign_in_headers(identity))
        return answer

    async def availability(self, _request: Request) -> Response:
        """Tell whether queries can be answered."""
        # Beside the threads of queries, so that it is told while all of those compute.
        return document(vosi.availability(self._site.started, await asyncio.to_thread(self._health.state)))

    async def tables(self, request: Request) -> Response:
        """Tell which tables there are for whoever asks."""
        detail = (Parameters.of(request.query_params.multi_items()).single("DETAIL") or "max").lower()
        if detail not in {"min", "max"}:
            raise Fault(f"detail is {detail!r}; it is min or max")
        return document(vosi.tableset(await self._catalogue(request), detail == "max"))

    async def one_table(self, request: Request) -> Response:
        """Tell all of one table; what may not be seen is not there."""
        table = named_table(await self._catalogue(request), request.path_params["name"])
        answer = document(vosi.one_table(table))
        answer.headers["ETag"] = f'"{table.edition}"'
        return answer

    async def examples(self, request: Request) -> Response:
        """Show queries that work."""
        text = page(examples(await self._catalogue(request)))
        return Response(text, media_type="application/xhtml+xml")

    async def _catalogue(self, request: Request) -> Catalogue:
        identity = await self._site.identities.of(request)
        return await self._site.threads.run(self._site.engine.catalogue, identity, self._site.clock())


def sign_in_headers(identity: Identity) -> Mapping[str, str]:
    """Return how to sign in, or that somebody is (SSO 2.0: clients look at the headers of /capabilities)."""
    return {"WWW-Authenticate": CHALLENGES} if identity.name is None else {"X-VO-Authenticated": identity.name}
