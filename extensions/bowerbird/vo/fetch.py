"""An answer brought into the spool, or the error that it says."""

import asyncio
from http import HTTPStatus
from typing import IO

import httpx

from bowerbird.errors import QueryRefused, ServiceError, TooLarge
from bowerbird.vo.http import HTTP, Asked, refuse
from bowerbird.vo.results import Answer, spool
from bowerbird.vo.said import words

MOST_BYTES = 4 << 30
_SAID_BYTES = 64 << 10


async def fetched(http: HTTP, asked: Asked, service: str, most_bytes: int = MOST_BYTES) -> Answer:
    """Return what a request brings, read; `service` is the address that errors name."""
    file = spool()
    try:
        async with http.stream(asked) as response:
            if response.status_code != HTTPStatus.OK:
                raise await _refused(http, response, file, asked, service)  # noqa: TRY301  # the file is closed below
            await http.spool(response, file, most_bytes, asked.query)
        answer = Answer(service, asked.query, file, _private(http, asked, response))
        await asyncio.to_thread(lambda: answer.votable)
    except BaseException:  # whatever stopped it, also an interrupt, nobody else could close the file
        file.close()
        raise
    return answer


def _private(http: HTTP, asked: Asked, response: httpx.Response) -> bool:
    # Beside our tokens, httpx takes what ~/.netrc says.
    signed = http.tokens.token(asked.url) is not None or "authorization" in response.request.headers
    told = response.headers.get("Cache-Control", "").lower()
    return signed or "private" in told or "no-store" in told


async def _refused(http: HTTP, response: httpx.Response, file: IO[bytes], asked: Asked, service: str) -> ServiceError:
    status, signed = response.status_code, http.tokens.token(asked.url) is not None
    try:
        await http.spool(response, file, _SAID_BYTES, asked.query)
    except TooLarge:
        return refuse(asked, status, "", signed)
    file.seek(0)
    said = words(file.read())
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} or not said or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return refuse(asked, status, said, signed)
    return QueryRefused(service, said, query=asked.query)
