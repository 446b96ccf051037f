"""`localhost` and the names below it, found on this machine as browsers find them."""

import ssl
from pathlib import Path

import httpx
from bowerbird_hub.origins import Origins

HERE = "127.0.0.1"
# A host that only the tests know, with names below it.
HOST = "data.example.org"


def owners_url(url: str, owner: str) -> str:
    """Return the address of an owner's servers beside the hub's at `url`."""
    return f"{Origins.at(url).of_owner(owner)}/"


class OwnMachine(httpx.HTTPTransport):
    """Connects to this machine for its names, and AT an address for the tests' own host; cookies and the Host header keep the name."""

    def __init__(self, authority: Path | None = None, at: str = HERE) -> None:
        super().__init__(verify=ssl.create_default_context(cafile=authority) if authority else True)
        self._places = {".localhost": HERE, f".{HOST}": at}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        if at := next((at for ending, at in self._places.items() if f".{name}".endswith(ending)), None):
            url, extensions = request.url.copy_with(host=at), {**request.extensions, "sni_hostname": name}
            request = httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        return super().handle_request(request)


def person_client(base_url: str = "", authority: Path | None = None) -> httpx.Client:
    """Return a browser without a window, which keeps cookies and follows redirects."""
    return httpx.Client(base_url=base_url, transport=OwnMachine(authority), follow_redirects=True, timeout=30)
