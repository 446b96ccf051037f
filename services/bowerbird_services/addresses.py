"""Addresses with slashes too many, as people and clients write them: each is taken for the one without."""

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES: Final = re.compile("/{2,}")


class PlainAddresses:
    """Serves each address below `prefix` as the one without slashes too many, but for paths of files, which stand below `exactly`.

    Clients join the address of a service, which people write with a slash at its end, and a name by another slash. They get
    the answer and no redirection, upon which some clients drop the body of their request.
    """

    def __init__(self, app: ASGIApp, prefix: str, exactly: str) -> None:
        self._app = app
        self._prefix = prefix
        self._exactly = f"{prefix}{exactly}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not scope["path"].startswith(self._exactly):
            plain = self.plain(scope["path"])
            if plain != scope["path"]:
                scope = {**scope, "path": plain}
        await self._app(scope, receive, send)

    def plain(self, path: str) -> str:
        """Return the address that is meant."""
        path = _SLASHES.sub("/", path).rstrip("/")
        return f"{path}/" if path in {self._prefix, ""} else path
