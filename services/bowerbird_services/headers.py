"""What every answer says beside its content: nothing of it runs, public ones are open to pages of others, and the rest is nobody else's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
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
_VARY: Final = b"vary"
_EXPOSED: Final = "Accept-Ranges, Content-Range, ETag, Location, Retry-After, WWW-Authenticate"


_Raw = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Added:
    """What answers of one kind get, as it is sent: `missing` where the answer has it not, `always` instead of what it has."""

    missing: _Raw
    always: _Raw

    @property
    def replaced(self) -> frozenset[bytes]:
        return frozenset({_VARY, *(name for name, _ in self.always)})


def _raw(headers: Mapping[str, str]) -> _Raw:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_SIGNED: Final = _Added(_raw(_ALWAYS), _raw({"Cache-Control": "private, no-store"}))
_OPEN: Final = _Added(
    _raw({**_ALWAYS, "Cache-Control": "no-cache"}),
    _raw({"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}),
)


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
        added = _SIGNED if "authorization" in asked or "cookie" in asked else _OPEN

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with(message["headers"], added)
            await send(message)

        await self._app(scope, receive, with_headers)


def _with(told: _Raw, added: _Added) -> _Raw:
    """Return headers with those that are added; a name in each is written in small letters."""
    names = {name for name, _ in told}
    varying = [value for name, value in told if name == _VARY]
    kept = [pair for pair in told if pair[0] not in added.replaced]
    missing = [pair for pair in added.missing if pair[0] not in names]
    return [*kept, *missing, *added.always, (_VARY, b", ".join([*varying, b"Authorization, Cookie"]))]


async def _say_what_is_allowed(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": _raw({**_ALWAYS, **_PREFLIGHT})})
    await send({"type": "http.response.body", "body": b""})
