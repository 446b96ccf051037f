"""The pages of a CAS sign-on: to the CAS server, back with a ticket, and out again."""

import hmac
import json
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from bowerbird_hub.fetch_metadata import behind_the_page, from_another_site
from bowerbird_hub.sign_on import admission
from bowerbird_hub.sign_on.admission import SignOnRefused
from bowerbird_hub.sign_on.cas_protocol import MAX_LOGOUT_BYTES, MalformedReply, is_service_ticket, parse_logout_request
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.utils import url_path_join

CALLBACK = "cas/callback"
# Sign-ons that one browser may have begun at once (tabs), and for how long each may be finished.
MAX_BEGUN = 5
MAX_NEXT_CHARACTERS = 512
STATE_SECONDS = 900
# Percent-encoding makes a form at most three times as long as what it holds.
LONGEST_FORM = 3
SECONDS_A_DAY = 86400


def safe_path(text: str) -> str:
    """Return a path of this very host, or nothing: no other host, no scheme, nothing that a browser reads as either."""
    if len(text) > MAX_NEXT_CHARACTERS or not text.startswith("/") or text.startswith("//"):
        return ""
    if "\\" in text or " " in text or not text.isprintable():
        return ""
    path = urlsplit(text).path
    if "//" in path or any(part in {".", ".."} for part in path.replace("%2e", ".").replace("%2E", ".").split("/")):
        return ""
    return text


class _CASHandler(BaseHandler):
    """What the pages share: the sign-ons that this browser began, each with where it wanted to go."""

    @property
    def _cookie_name(self) -> str:
        # Cookies do not know ports: two platforms on one machine would overwrite each other's.
        return f"bowerbird-sign-on-{urlsplit(self.authenticator.public_url).port or 'web'}"

    def _begun(self) -> list[list[str]]:
        raw = self.get_signed_cookie(self._cookie_name, max_age_days=STATE_SECONDS / SECONDS_A_DAY)
        return json.loads(raw) if raw else []

    def _remember(self, begun: list[list[str]]) -> None:
        self._set_cookie(
            self._cookie_name,
            json.dumps(begun[-MAX_BEGUN:]),
            encrypted=True,
            path=url_path_join(self.hub.base_url, "cas/"),
            expires_days=STATE_SECONDS / SECONDS_A_DAY,
            samesite="Lax",
            **({"secure": True} if self.authenticator.origin.startswith("https:") else {}),
        )

    def append_query_parameters(self, url: str, exclude: list[str] | None = None) -> str:
        """Carry nothing of this request on: its query holds the ticket."""
        return url

    def set_default_headers(self) -> None:
        """Keep these pages out of caches and their addresses out of the Referer of what they load."""
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")

    async def _show(self, refused: SignOnRefused) -> None:
        # Rendered, not raised: tornado writes the whole URL of a raised error, ticket and all, into the log.
        self.log.warning("%s", refused.refusal.sentence)
        self.set_status(refused.status)
        page = await self.render_template(
            "error.html",
            status_code=refused.status,
            status_message=refused.refusal.what,
            message=refused.refusal.sentence,
            message_html="",
            refusal=refused.refusal,
            retry_url=self.authenticator.login_url(self.hub.base_url),
        )
        self.finish(page)


class CASLogin(_CASHandler):
    """Sends a browser to the CAS server, with a state that only this browser knows."""

    async def get(self) -> None:
        """Begin a sign-on."""
        wanted = safe_path(self.get_query_argument("next", ""))
        if self.current_user:
            self.redirect(wanted or self.get_next_url(self.current_user))
            return
        origin = self.authenticator.origin
        if self.request.host != urlsplit(origin).netloc and not self.get_query_argument("moved", ""):
            # The ticket will come to the configured host, so the state must wait there. Once only: a proxy may rename hosts.
            query = urlencode({"next": wanted, "moved": "1"} if wanted else {"moved": "1"})
            self.redirect(f"{origin}{self.request.path}?{query}")
            return
        state = secrets.token_urlsafe(24)
        self._remember([*self._begun(), [state, wanted]])
        service = self.authenticator.service_url(self.hub.base_url, urlencode({"state": state}))
        self.redirect(self.authenticator.server.login_url(service))


class CASCallback(_CASHandler):
    """The service URL: a browser comes with a ticket, the CAS server with the news that somebody signed out."""

    def check_xsrf_cookie(self) -> None:
        """Ask for no XSRF token: the CAS server that posts here has none, and a ticket is proof enough."""

    async def get(self) -> None:
        """Finish a sign-on."""
        if not self.request.query:
            await self._signed_out()
            return
        try:
            ticket, service, wanted = self._take()
            user = await self.login_user({"ticket": ticket, "service": service, "username": "by CAS"})
            if user is None:
                raise admission.fail(self.authenticator.live.platform, "the hub did not take the name", status=403)
        except SignOnRefused as refused:
            await self._show(refused)
            return
        self._jupyterhub_user = user
        self.redirect(safe_path(wanted) or self.get_next_url(user))

    def _take(self) -> tuple[str, str, str]:
        """Return ticket, service URL and where to go, once, of a sign-on that this very browser began."""
        platform = self.authenticator.live.platform
        state = self.get_query_argument("state", "")
        begun = self._begun()
        matching = [entry for entry in begun if hmac.compare_digest(entry[0].encode(), state.encode())]
        if not matching:
            raise admission.fail(platform, "it was not begun in this browser, or more than 15 minutes ago", status=403)
        self._remember([entry for entry in begun if entry not in matching])
        tickets = self.get_query_arguments("ticket")
        if not tickets:
            raise admission.fail(platform, "the sign-on server sent no ticket", status=400)
        if len(tickets) != 1 or not is_service_ticket(tickets[0]):
            raise admission.fail(platform, "the sign-on server sent something that is not a ticket", status=400)
        service = self.authenticator.service_url(self.hub.base_url, urlencode({"state": state}))
        return tickets[0], service, matching[0][1]

    async def _signed_out(self) -> None:
        if self.current_user:
            self.redirect(self.get_next_url(self.current_user))
            return
        self.finish(await self.render_template("logout.html"))

    async def post(self) -> None:
        """End every session of the person whose ticket a single-logout request names."""
        try:
            ticket = parse_logout_request(self._logout_request())
        except MalformedReply as error:
            self.log.warning("A single-logout request was refused: %s", error)
            self.set_status(400)
            return
        # The request is not signed: only who knows the ticket, which is a secret, may end what it began.
        sign_on = self.authenticator.live.sign_ons.of_ticket(ticket)
        user = self.find_user(sign_on.user) if sign_on is not None else None
        if user is not None:
            await self.authenticator.end_sessions(user)

    def _logout_request(self) -> bytes:
        body: bytes = self.request.body
        if len(body) > LONGEST_FORM * MAX_LOGOUT_BYTES:
            raise MalformedReply("the request is too long")
        try:
            # The form may say any content type; tornado reads it as a form only under one of them.
            fields = parse_qs(body.decode("ascii"), max_num_fields=8)
        except (UnicodeDecodeError, ValueError) as error:
            raise MalformedReply("the request is not a form") from error
        requests = fields.get("logoutRequest", [])
        if len(requests) != 1:
            raise MalformedReply("the form holds no single logoutRequest")
        return requests[0].encode()


class CASLogout(LogoutHandler):
    """Signs out of the hub, then of the CAS server."""

    async def get(self) -> None:
        """Sign out who asks to; not who has merely opened a page of another site that asks for it unseen."""
        headers = self.request.headers
        if from_another_site(headers) and behind_the_page(headers):
            self.set_status(403)
            return
        await super().get()

    async def default_handle_logout(self) -> None:
        """End this browser's session, so that a copy of its cookie is worth nothing."""
        user, session = self.current_user, self.get_session_cookie()
        await super().default_handle_logout()
        if user and session:
            await self.authenticator.live.sign_ons.end_session(user.name, session)

    async def render_logout_page(self) -> None:
        """Send the browser to the CAS server, which sends it back to a page that says so."""
        self.redirect(self.authenticator.server.logout_url(self.authenticator.service_url(self.hub.base_url)))
