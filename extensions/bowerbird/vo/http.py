"""One pool of connections: who gets the token, what is asked again, and how much may come."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urljoin

import httpx

from bowerbird.errors import QueryRefused, ServiceError, ServiceGone, SignInNeeded, TooLarge, tells_whom_to_ask
from bowerbird.spaced import spaced
from bowerbird.vo.tokens import Tokens, origin

_TROUBLED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_REDIRECTS = {301, 302, 303, 307, 308}
_KEEPS_METHOD = {307, 308}
_MOST_REDIRECTS = 5
_LONGEST_PAUSE_SECONDS = 30.0
_SMALL_BYTES = 16 << 20
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `repeatable` says that asking twice does no more than asking once; a GET always is. `known` is an ETag.

    Whoever has the answer with that ETag gets a 304 where it holds still.
    """

    method: str
    url: str
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes, str]] = field(default_factory=dict)
    repeatable: bool = False
    query: str = ""
    known: str = ""

    @property
    def safe(self) -> bool:
        """Whether it may be sent again without knowing what became of the first."""
        return self.repeatable or self.method in {"GET", "HEAD", "DELETE"}


@dataclass(frozen=True, slots=True)
class Small:
    """A small answer, read whole."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class HTTP:
    """Sends requests; used in `async with`, or closed with `close`."""

    def __init__(self, tokens: Tokens, *, attempts: int = 4, pause_seconds: float = 0.2, idle_seconds: float = 60) -> None:
        self.tokens = tokens
        self._attempts = attempts
        self._pause = pause_seconds
        # No redirect is followed by the library: each hop is signed, or not, by where it leads.
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(idle_seconds, connect=10))

    async def __aenter__(self) -> "HTTP":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def small(self, asked: Asked, *, follow: bool = True) -> Small:
        """Return an answer that fits in memory."""
        async with self.stream(asked, follow=follow) as response:
            body = bytearray()
            async for piece in response.aiter_bytes(_CHUNK):
                body += piece
                if len(body) > _SMALL_BYTES:
                    raise TooLarge(asked.url, f"answered with more than {_SMALL_BYTES >> 20} MB", "ask its administrator", asked.query)
            return Small(str(response.url), response.status_code, dict(response.headers), bytes(body))

    async def spool(self, response: httpx.Response, file: IO[bytes], most_bytes: int, query: str) -> None:
        """Write an answer's body to a file as it comes; raises TooLarge beyond `most_bytes`."""
        size = 0
        async for piece in response.aiter_bytes(_CHUNK):
            size += len(piece)
            if size > most_bytes:
                way_out = "ask for fewer rows or columns, or allow more with most_bytes="
                raise TooLarge(_named(response), f"answers with more than {spaced(most_bytes)} bytes", way_out, query)
            await asyncio.to_thread(file.write, piece)

    @asynccontextmanager
    async def stream(self, asked: Asked, *, follow: bool = True) -> AsyncIterator[httpx.Response]:
        """Yield the answer with its body still to come; what breaks off later is said as ServiceGone."""
        response = await self._answered(asked, follow)
        try:
            yield response
        except httpx.HTTPError as error:
            raise gone(asked, error) from error
        finally:
            await asyncio.shield(response.aclose())

    async def _answered(self, asked: Asked, follow: bool) -> httpx.Response:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = await self._followed(asked, follow)
            except httpx.HTTPError as error:
                # Where no connection came about, nothing was done: anything may be asked again.
                if last or not (asked.safe or isinstance(error, httpx.ConnectError)):
                    raise gone(asked, error) from error
                await self._wait(attempt, None)
                continue
            if response.status_code not in _TROUBLED or last or not asked.safe:
                return response
            await response.aclose()
            await self._wait(attempt, response.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")

    async def _wait(self, attempt: int, told: str | None) -> None:
        pause = self._pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311  # jitter, no secret
        if told and told.isdigit():
            pause = max(pause, float(told))
        await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))

    async def _followed(self, asked: Asked, follow: bool) -> httpx.Response:
        method, url = asked.method, asked.url
        for _ in range(_MOST_REDIRECTS):
            sent = asked.method == method
            response = await self._once(method, url, asked if sent else Asked(method, url))
            target = response.headers.get("Location")
            if not follow or response.status_code not in _REDIRECTS or not target:
                return response
            await response.aclose()
            url = urljoin(url, target)
            if not url.startswith(("http://", "https://")):
                raise ServiceGone(asked.url, f"leads to {url}, which is no web address", "ask its administrator", asked.query)
            if response.status_code not in _KEEPS_METHOD and method == "POST":
                method = "GET"
            self._check_redirect(asked, method, url)
        raise ServiceGone(asked.url, "leads round in a circle of addresses", "ask its administrator", asked.query)

    def _check_redirect(self, asked: Asked, method: str, url: str) -> None:
        """Refuse to carry a query and its upload, which may hold what is not public, to an origin that was not asked."""
        if method == "POST" and origin(url) != origin(asked.url):
            host = origin(url)[1]
            raise ServiceGone(asked.url, f"sends the query on to {host}", f"give service={url!r} if you trust it", asked.query)

    async def _once(self, method: str, url: str, asked: Asked) -> httpx.Response:
        body: dict[str, Any] = {}
        if method == "POST":
            body = {"data": dict(asked.form), **({"files": dict(asked.files)} if asked.files else {})}
        headers = {"Accept-Encoding": "gzip", **({"If-None-Match": asked.known} if asked.known else {}), **self.tokens.headers(url)}
        request = self._client.build_request(method, url, headers=headers, **body)
        return await self._client.send(request, stream=True)


def gone(asked: Asked, error: httpx.HTTPError) -> ServiceGone:
    """Return what to say where no answer came."""
    what = str(error) or type(error).__name__
    return ServiceGone(asked.url, f"cannot be reached ({what})", "try again later, or ask another service with service=", asked.query)


def refuse(asked: Asked, status: int, said: str, signed: bool) -> ServiceError:
    """Return the error for a status that no answer has."""
    if tells_whom_to_ask(said):
        return QueryRefused(asked.url, said, query=asked.query)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        if signed:
            why = f": {said}" if said else "; it may have run out"
            way_out = "in a notebook, restart your server, which gets a new one"
            return SignInNeeded(asked.url, f"does not take the token that it got{why}", way_out, asked.query)
        way_out = "use a service of this platform, or ask its administrator"
        return SignInNeeded(asked.url, f"wants you to sign in{_said(said)}", way_out, asked.query)
    return ServiceGone(asked.url, f"answered {status}{_said(said)}", "try again later, or ask another service with service=", asked.query)


def _said(words: str) -> str:
    return f" ({words})" if words else ""


def _named(response: httpx.Response) -> str:
    return str(response.url.copy_with(query=None))
