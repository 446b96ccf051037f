"""An application as somebody meets it whose way to it adds their token to each request: for programs that cannot sign in themselves."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send


class SignedIn:
    """Serves an application to one person."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope = {**scope, "headers": list(scope["headers"])}
            MutableHeaders(scope=scope)["Authorization"] = f"Bearer {self._token}"
        await self._app(scope, receive, send)
