"""`localhost` and the names below it, found on this machine as browsers find them."""

from urllib.parse import urlsplit

import httpx
from bowerbird_hub.origins import Origins

HERE = "127.0.0.1"


def owners_url(url: str, owner: str) -> str:
    """Return the address of an owner's servers beside the hub's at `url`."""
    parts = urlsplit(url)
    return f"{Origins(parts.scheme, parts.hostname or '', parts.port or 80).of_owner(owner)}/"


class OwnMachine(httpx.HTTPTransport):
    """Connects to this machine for its names; cookies and the Host header keep the name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "localhost" or request.url.host.endswith(".localhost"):
            url = request.url.copy_with(host=HERE)
            request = httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions)
        return super().handle_request(request)


def person_client(base_url: str = "") -> httpx.Client:
    """Return a browser without a window, which keeps cookies and follows redirects."""
    return httpx.Client(base_url=base_url, transport=OwnMachine(), follow_redirects=True, timeout=30)
