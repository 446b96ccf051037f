"""What is refused, told to whoever asked: to a browser as a page, which shows no VOTable, and to programs as DALI wants it."""

from http import HTTPStatus
from typing import Final

from bowerbird_services.identity import Away
from bowerbird_services.pages.browsers import wants_page
from bowerbird_services.pages.frame import Frame, Visitor
from bowerbird_services.pages.markup import Html, tag
from bowerbird_services.pages.sign_in import SignIn
from bowerbird_services.site import Site
from bowerbird_services.vo.dali import Fault, error_response
from starlette.requests import Request
from starlette.responses import Response

ABSENT: Final = "There is nothing here that is open to you"
_TROUBLE: Final = "That is not possible now"
_WRONG: Final = "That is not possible"
# Where the first name of a path is a collection's.
_OF_COLLECTIONS: Final = frozenset({"products", "hips", "moc"})
_CLOSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class Refusals:
    """Tells refusals of one site."""

    def __init__(self, site: Site, frame: Frame, sign_in: SignIn | None = None) -> None:
        self._site = site
        self._frame = frame
        self._sign_in = sign_in

    async def told(self, request: Request, fault: Fault) -> Response:
        """Return the answer of a request for what may be no page."""
        if wants_page(request.headers):
            answer = self.page(fault, await self._visitor(request), self._here(request))
        else:
            answer = error_response(fault)
        answer.headers.add_vary_header("Accept")
        return answer

    def page(self, fault: Fault, visitor: Visitor | None = None, here: str = "") -> Response:
        """Return a refusal as a page; `here` is the page to which a sign-in comes back."""
        words = str(fault)
        said = tag("p", f"{words[:1].upper()}{words[1:].removesuffix('.')}.", class_="refusal", role="alert")
        heading = _heading(fault.status)
        more = _of_programs() if fault.status in _CLOSED else None
        told = (tag("h1", heading), said, more)
        return self._frame.page(
            self._platform(), visitor or Visitor(), heading, *told, here=here, status=fault.status, headers=fault.headers
        )

    def _platform(self) -> str:
        try:
            return self._site.identities.records.platform.name
        except Away:
            return "Bowerbird"

    async def _visitor(self, request: Request) -> Visitor:
        """Return who looks, where that can be told."""
        token = self._sign_in.token(request) if self._sign_in else None
        if token is None:
            return Visitor()
        try:
            return Visitor((await self._site.identities.of_token(token)).name)
        except Away:
            return Visitor()

    def _here(self, request: Request) -> str:
        """Return the page of what was asked for, made of the address alone."""
        part, _, rest = request.url.path.removeprefix(f"{self._frame.prefix}/").partition("/")
        return f"collections/{rest.partition('/')[0]}" if part in _OF_COLLECTIONS and rest else ""


def _heading(status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return ABSENT
    return _TROUBLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _WRONG


def _of_programs() -> Html:
    connect = tag("a", "Connect", href="/hub/connect")
    public = "A browser gets files and answers of services only where they are public, even when you are signed in. "
    servers = " tells, and your servers have the files below /data."
    return tag("p", public, "Programs that bring a token of yours get more, as ", connect, servers)
