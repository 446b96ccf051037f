"""The hub's identity feed over the network, for a service in another pod: the lines of the hub's socket, for the service's own token."""

from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus

import httpx
from bowerbird_config import sockets

from bowerbird_services.identity import SILENCE_SECONDS, Feed, Records

PATH = "/services/feed"
_CONNECT_SECONDS = 5.0


class HubFeed(Feed):
    """Keeps records fresh from the hub's door; while the hub is away, nobody is known."""

    def __init__(self, hub: str, token: str, records: Records) -> None:
        super().__init__(records)
        self._url = f"{hub.rstrip('/')}{PATH}"
        self._headers = {"Authorization": f"token {token}"}

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines as they come; OSError where the hub does not give them."""
        # The hub says something every few seconds; one that says nothing for longer is taken for gone.
        timeout = httpx.Timeout(_CONNECT_SECONDS, read=SILENCE_SECONDS)
        try:
            # No proxy of the environment: the token is for the hub alone.
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
                client.stream("GET", self._url, headers=self._headers) as answer,
            ):
                if answer.status_code != HTTPStatus.OK:
                    raise PermissionError(f"the hub answered {answer.status_code}")
                async for line in _whole(answer.aiter_raw()):
                    yield line
        except httpx.HTTPError as error:
            raise ConnectionError(f"the hub's feed broke off ({type(error).__name__})") from error


async def _whole(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield whole lines; ValueError for one that is longer than any of the hub's."""
    held = b""
    async for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            yield line
        if len(held) > sockets.MAX_LINE:
            raise ValueError("the hub's feed has a line that is too long")
