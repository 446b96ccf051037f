"""Which request carries a token: those below the addresses that it was given for, and no other. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from bowerbird.vo.addresses import own

_TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of the variable
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by the address below which each may go; nothing of them is in a repr."""

    by_address: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return what the platform tells a server: its token is for its own services."""
        token = environment.get(_TOKEN)
        return cls({address: token for address in own(environment)} if token else {})

    def token(self, url: str) -> str | None:
        """Return the token for an address, or None where it must not go."""
        wanted = _place(url)
        if wanted is None:
            return None
        for address, token in self.by_address.items():
            known = _place(address)
            if known and known[:3] == wanted[:3] and f"{wanted[3]}/".startswith(f"{known[3]}/"):
                return token
        return None

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers that sign a request."""
        token = self.token(url)
        return {"Authorization": f"Bearer {token}"} if token else {}


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _place(url: str) -> tuple[str, str, int | None, str] | None:
    """Return where an address leads, or None where its path or its authority could be read in two ways."""
    try:
        parts = urlsplit(url)
        where = origin(url)
    except ValueError:
        return None
    path = unquote(parts.path).rstrip("/")
    if parts.username is not None or "\\" in url or {"..", "."} & set(path.split("/")):
        return None
    return (*where, path)
