"""Origins: one for the hub and one for each owner of servers, so that nobody's pages run in the place of another's. Pure."""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from bowerbird_config.platform import Platform

# Where the proxy sends what it has no route for. The hub's own pages stand under the hub's own host name alone.
ELSEWHERE = "elsewhere"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_LABEL = 63
# What a label may be as it is. Two hyphens in a row are kept for the labels that are made here, so that none is anybody's name.
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_READABLE_CHARACTERS = 20
_HASH_CHARACTERS = 32


def label_of(name: str) -> str:
    """Return the DNS label of a user's servers: the name itself where DNS takes it, else a readable part of it and its hash.

    Two names never have one label: a hash of 128 bits tells apart what the readable part does not.
    """
    if _PLAIN.fullmatch(name) and "--" not in name and len(name) <= _LONGEST_LABEL:
        return name
    readable = re.sub(r"[^a-z0-9]", "", name)[:_READABLE_CHARACTERS] or "x"
    return f"u-{readable}--{hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]}"


@dataclass(frozen=True, slots=True)
class Origins:
    """Scheme, host and port under which browsers know one platform."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, platform: Platform, port: int) -> "Origins":
        """Return the origins of a platform that is reached by that port."""
        return cls("https" if platform.runtime.tls else "http", platform.runtime.public_host, port)

    @classmethod
    def at(cls, url: str) -> "Origins":
        """Return the origins of a platform known by that address, such as `https://data.example.org/`; ValueError for no such one."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a platform")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    def _at(self, host: str) -> str:
        # As browsers write it: the usual port is left out.
        return f"{self.scheme}://{host}" if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.scheme}://{host}:{self.port}"

    @property
    def hub(self) -> str:
        """The hub's own origin."""
        return self._at(self.host)

    @property
    def home(self) -> str:
        """The address that people are given."""
        return f"{self.hub}/"

    @property
    def of_servers(self) -> str:
        """Every owner's origin, as a Content Security Policy names them."""
        return self._at(f"*.{self.host}")

    def of_owner(self, name: str) -> str:
        """Return the origin of one owner's servers."""
        return self._at(self.domain(name))

    def domain(self, name: str, _domain: str = "", kind: str = "user") -> str:
        """Return the host name of an owner's servers, or of a service; JupyterHub's `subdomain_hook`."""
        label = label_of(name) if kind == "user" else f"{kind}--{label_of(name)}"
        return f"{label}.{self.host}"
