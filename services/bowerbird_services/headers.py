"""What every answer says beside its content: nothing of it runs, public ones are open to pages of others, and the rest is nobody else's."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A sandbox makes each page an origin of its own, so that no page of ours can act as the hub's, which has the same host.
POLICY: Final = (
    "sandbox allow-forms allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# No `Authorization` among the headers that others' pages may send: they come as nobody.
_PREFLIGHT: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
    "Access-Control-Allow-Headers": "Accept, Content-Type, If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": "3600",
}
_EXPOSED: Final = "Accept-Ranges, Content-Range, ETag, Location, Retry-After, WWW-Authenticate"


class AnswerHeaders:
    """Adds them to each answer of the application that it wraps."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        if scope["method"] == "OPTIONS":
            await _say_what_is_allowed(send)
            return
        signed = "authorization" in asked or "cookie" in asked

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), signed)
            await send(message)

        await self._app(scope, receive, with_headers)


def _add(headers: MutableHeaders, signed: bool) -> None:
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    headers.add_vary_header("Authorization")
    if signed:
        headers["Cache-Control"] = "private, no-store"
    else:
        headers.setdefault("Cache-Control", "no-cache")
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = _EXPOSED


async def _say_what_is_allowed(send: Send) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in {**_ALWAYS, **_PREFLIGHT}.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
