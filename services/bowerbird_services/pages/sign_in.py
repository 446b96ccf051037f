"""The hub's sign-in for a person's browser: OAuth 2.0 with PKCE at the hub; what comes back is a token that the hub knows.

The token stands in a cookie that scripts cannot read, and only pages take it, which do nothing: a page of somebody else
that makes a browser ask for one cannot read the answer. It ends with the sign-in at the hub.

Who is signed in at the hub need not say so here: a browser that asks for a page is sent to the hub to be told who it is, and comes
back as nobody where the hub knows nobody.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
from bowerbird_services.identity import Away
from bowerbird_services.pages.browsers import wants_page
from bowerbird_services.vo.dali import Fault
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

CALLBACK = "signed-in"
# Where the hub tells who looks, and asks nobody to sign in for it.
_WHO = "/hub/who-looks"
# JupyterHub's: it stands at all paths of the hub's name from a sign-in on, is another after each, and opens nothing.
_HUB_SESSION = "jupyterhub-session-id"
# So long a browser is not sent to the hub again for the same session there, whatever came of it.
_ASKED_SECONDS = 60
_STATE_SECONDS = 600
_NEXT = re.compile(r"(?:|(?:collections|tables)/[A-Za-z0-9_.~%-]{1,300})")
_STATE = re.compile(r"[A-Za-z0-9_-]{20,60}")


@dataclass(frozen=True, slots=True)
class Application:
    """What the hub knows of us: `api_url` is where we ask it, `address` where browsers find us."""

    client_id: str
    secret: str
    api_url: str
    address: str

    def __repr__(self) -> str:
        return f"Application({self.client_id!r}, {self.address!r})"


class SignIn:
    """Leads a browser to the hub and takes it back."""

    def __init__(self, application: Application, client: httpx.AsyncClient) -> None:
        self._application = application
        self._client = client
        parts = urlsplit(application.address)
        self._secure = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/"
        self._hub = f"{parts.scheme}://{parts.netloc}"

    @property
    def _prefix(self) -> str:
        # Where browsers honour it, no server of the domain can set or overwrite the cookie.
        return "__Host-bowerbird-vo" if self._secure else "bowerbird-vo"

    def token(self, request: Request) -> str | None:
        """Return the token that a browser shows."""
        found = request.cookies.get(self._prefix)
        return found if found and found.isascii() and len(found) <= 512 else None  # noqa: PLR2004  as in a header

    def _set(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        path = "/" if self._secure else self._path
        response.set_cookie(name, value, max_age=max_age, path=path, secure=self._secure, httponly=True, samesite="lax")

    def forget(self, response: Response) -> None:
        """Take the cookie back."""
        self._set(response, self._prefix, "", 0)

    @property
    def _asked(self) -> str:
        return f"{self._prefix}-asked"

    def may_ask(self, request: Request) -> bool:
        """Tell whether the hub can be asked who looks: by a browser that wants a page, was signed in there, and has not asked just now."""
        session, headers = _session(request), request.headers
        looks = request.method == "GET" and wants_page(headers) and "authorization" not in headers
        return looks and session is not None and request.cookies.get(self._asked) != session

    def ask(self, request: Request, page: str) -> Response:
        """Send a browser to the hub to be told who looks; it comes back to the page, whether the hub knows anybody or not."""
        answer = self._sent(_WHO, page)
        self._set(answer, self._asked, _session(request) or "", _ASKED_SECONDS)
        return answer

    async def begin(self, request: Request) -> Response:
        """Send a browser to the hub to sign in; it comes back to `next`, a page of ours."""
        return self._sent("/hub/api/oauth2/authorize", request.query_params.get("next", ""))

    def _sent(self, path: str, page: str) -> Response:
        wanted = quote(page, safe="/~")
        if not _NEXT.fullmatch(wanted):
            wanted = ""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": self._application.client_id,
            "redirect_uri": f"{self._application.address}/{CALLBACK}",
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = RedirectResponse(f"{self._hub}{path}?{urlencode(asked)}", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        self._set(answer, f"{self._prefix}-{state}", f"{verifier}:{quote(wanted, safe='')}", _STATE_SECONDS)
        return answer

    async def end(self, request: Request) -> Response:
        """Take a browser back, where it is the one that was sent."""
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        name = f"{self._prefix}-{state}"
        verifier, _, wanted = request.cookies.get(name, "").partition(":")
        known_to_nobody = request.query_params.get("error") == "login_required"
        if not (_STATE.fullmatch(state) and verifier and (code or known_to_nobody)):
            raise Fault("this sign-in was not begun in this browser, or too long ago; begin it again with Sign in")
        token = None if known_to_nobody else await self._token(code, verifier)
        path = unquote(wanted)
        answer = RedirectResponse(
            f"{self._path}{path if _NEXT.fullmatch(path) else ''}", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"}
        )
        if token is not None:
            self._set(answer, self._prefix, token)
        self._set(answer, name, "", 0)
        return answer

    async def _token(self, code: str, verifier: str) -> str:
        asked = {
            "client_id": self._application.client_id,
            "client_secret": self._application.secret,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self._application.address}/{CALLBACK}",
            "code_verifier": verifier,
        }
        try:
            answer = await self._client.post(f"{self._application.api_url.rstrip('/')}/oauth2/token", data=asked)
            if answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise Fault(
                    "the hub does not know this sign-in, or it was used already; begin it again with Sign in", HTTPStatus.BAD_REQUEST
                )
            answer.raise_for_status()
            return str(answer.json()["access_token"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Away("the hub does not answer, so nobody can be signed in now") from error


def _session(request: Request) -> str | None:
    """Return what tells one session at the hub from another, and is fit for a cookie of ours; None where a browser shows none."""
    shown = request.cookies.get(_HUB_SESSION)
    return None if shown is None else hashlib.sha256(shown.encode()).hexdigest()
