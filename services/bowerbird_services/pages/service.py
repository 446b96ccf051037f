"""The addresses of the pages: an index, one for each collection and table, and the way to sign in."""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from bowerbird_config.clients import Clients
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_services.pages import content, footprint, images, sky
from bowerbird_services.pages.frame import Frame, Visitor
from bowerbird_services.pages.markup import Html, Part, tag
from bowerbird_services.pages.refusals import ABSENT, Refusals
from bowerbird_services.pages.sign_in import CALLBACK, SignIn
from bowerbird_services.site import Site
from bowerbird_services.store import coverage, surveys
from bowerbird_services.store.catalogues import SeenRelease, Sight, TableStore
from bowerbird_services.tables import Table
from bowerbird_services.vo import moc
from bowerbird_services.vo.dali import Fault
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

_OF_CLIENTS = ("tap", "sia2", "datalink", "soda", "hips", "moc")
_Page = Callable[[Request], Awaitable[Response]]


@lru_cache(maxsize=64)
def _picture(rows: Path, table: str) -> Html | None:
    """Return where on the sky the rows of a file are; a file has a name of its own for each making."""
    counted = coverage.read(rows)
    return sky.picture(counted, table) if counted else None


@lru_cache(maxsize=64)
def _footprint(files: tuple[Path, ...], name: str) -> Html | None:
    """Return where on the sky images are, by their MOCs; a folder has a name of its own for each making."""
    if not files:
        return None
    try:
        return footprint.picture(moc.together(files), name)
    except (OSError, ValueError):
        return None


class Pages:
    """Shows what a store has, to each as the access decision allows."""

    def __init__(self, site: Site, store: TableStore, frame: Frame, sign_in: SignIn | None = None) -> None:
        self._site = site
        self._store = store
        self._frame = frame
        self._sign_in = sign_in
        self.refusals = Refusals(site, frame, sign_in)

    def routes(self) -> list[Route]:
        """Return the addresses below the service's own."""
        prefix, signing = self._frame.prefix, self._sign_in
        found = [
            Route(f"{prefix}/", self._told(self._known(self.index))),
            Route(f"{prefix}/collections/{{name}}", self._told(self._known(self.collection))),
            Route(f"{prefix}/tables/{{name}}", self._told(self._known(self.table))),
            *(Route(f"{prefix}/{name}", self.of_clients) for name in _OF_CLIENTS),
        ]
        if signing is not None:
            found += [Route(f"{prefix}/sign-in", self._told(signing.begin)), Route(f"{prefix}/{CALLBACK}", self._told(signing.end))]
        return found

    def _told(self, page: _Page) -> _Page:
        """Return a page that says what is wrong as a page, and not as clients want it."""

        async def show(request: Request) -> Response:
            try:
                return await page(request)
            except Fault as error:
                return self.refusals.page(error)

        return show

    def _known(self, page: _Page) -> _Page:
        """Return a page that who is signed in at the hub sees as the one they are, without a sign-in here."""

        async def show(request: Request) -> Response:
            signing = self._sign_in
            if signing is None or not signing.may_ask(request) or await self._is_signed_in(signing.token(request)):
                return await page(request)
            return signing.ask(request, self._here(request))

        return show

    async def _is_signed_in(self, token: str | None) -> bool:
        return token is not None and (await self._site.identities.of_token(token)).name is not None

    def _here(self, request: Request) -> str:
        """Return the path of a page of ours, made of the address alone."""
        return request.url.path.removeprefix(f"{self._frame.prefix}/")

    async def _looked(self, request: Request) -> tuple[Visitor, Identity, Sight]:
        """Return who looks, and what they see; a sign-in that has ended is told and not taken."""
        site = self._site
        identity, visitor = ANONYMOUS, Visitor()
        token = self._sign_in.token(request) if self._sign_in else None
        if "authorization" in request.headers:
            identity = await site.identities.of(request)
        elif token is not None:
            identity = await site.identities.of_token(token)
            visitor = Visitor(ended=identity.name is None)
        if identity.name is not None:
            visitor = Visitor(identity.name)
        sight = await site.threads.run(self._store.sight, site.identities.records.platform, identity, site.clock())
        return visitor, identity, sight

    async def of_clients(self, _request: Request) -> Response:
        """Lead who opens the address of a service that clients are given, which has nothing to show, to what there is."""
        return RedirectResponse(f"{self._frame.prefix}/", HTTPStatus.SEE_OTHER)

    async def index(self, request: Request) -> Response:
        """Show all that there is."""
        visitor, _, sight = await self._looked(request)
        return self._shown(visitor, "Data", content.index(self._frame, sight.releases), here="")

    async def collection(self, request: Request) -> Response:
        """Show a collection; one with nothing that may be known is not there."""
        visitor, _, sight = await self._looked(request)
        name = request.path_params["name"]
        releases = [release for release in sight.releases if release.collection == name]
        if not releases:
            return self._absent(request, visitor)
        title, address = releases[0].about_collection.title, self._site.address_of(request)
        shown = await self._site.threads.run(lambda: {release.name: self._images(release, address, "h3") for release in releases})
        return self._shown(visitor, title, content.collection(self._frame, releases, shown), here=f"collections/{name}")

    async def table(self, request: Request) -> Response:
        """Show a table; one of an announced release is refused in words, and any other is not there."""
        visitor, _, sight = await self._looked(request)
        schema, _, name = request.path_params["name"].partition(".")
        release = next((one for one in sight.releases if one.schema == schema), None)
        if release is None:
            return self._absent(request, visitor)
        if not release.decision.allowed:
            return self._announced(visitor, release)
        shown = next((table for table in release.tables if table.name == name), None)
        if shown is None:
            return self._absent(request, visitor)
        drawn = await self._site.threads.run(self._content, release, shown, self._site.address_of(request))
        return self._shown(visitor, shown.title or shown.full_name, drawn, here=f"tables/{shown.full_name}")

    def _content(self, release: SeenRelease, shown: Table, address: str) -> list[Part]:
        rows = shown.files[0] if shown.position is not None and len(shown.files) == 1 else None
        drawn = _picture(rows, shown.full_name) if rows is not None and coverage.path_of(rows).exists() else None
        told = self._images(release, address, "h2")
        return content.table(self._frame, release, shown, drawn, Clients(f"{address}/tap"), told)

    def _images(self, release: SeenRelease, address: str, heading: str) -> list[Part]:
        """Return what is told of the images of a release; nothing where it may not be read, or has none."""
        if not release.decision.allowed:
            return []
        if self._site.surveys is None:
            return images.images(release, None, [], address, heading)
        folder = surveys.folder_of(self._site.surveys, release.collection, release.name)
        made = surveys.read(folder)
        drawn = _footprint(tuple(folder / survey.folder / surveys.MOC_FILE for survey in made.surveys), release.about.title)
        names = [(survey.band, f"{release.full_name}{made.part(survey)}") for survey in made.surveys]
        return images.images(release, drawn, names, address, heading)

    def _announced(self, visitor: Visitor, release: SeenRelease) -> Response:
        # The same for every name in its schema: which tables there are is not told.
        words = [tag("h1", release.about.title), tag("p", release.decision.sentence, class_="refusal", role="alert")]
        here = f"collections/{release.collection}"
        return self._shown(visitor, release.about.title, words, here=here, status=HTTPStatus.FORBIDDEN)

    def _absent(self, request: Request, visitor: Visitor) -> Response:
        words = [tag("h1", ABSENT), tag("p", "The address is wrong, or it leads to something that you may not know of.")]
        contact = tag(
            "p", f"Who can help: the admins of the platform ({self._site.identities.records.platform.contact}). Status 404.", class_="quiet"
        )
        # Who signs in comes back to what was asked for, whether that is there or not.
        return self._shown(visitor, ABSENT, [*words, contact], here=self._here(request), status=HTTPStatus.NOT_FOUND)

    def _shown(self, visitor: Visitor, title: str, words: Sequence[Part], *, here: str, status: int = HTTPStatus.OK) -> Response:
        answer = self._frame.page(self._site.identities.records.platform.name, visitor, title, *words, here=here, status=status)
        if visitor.ended and self._sign_in:
            self._sign_in.forget(answer)
        return answer
