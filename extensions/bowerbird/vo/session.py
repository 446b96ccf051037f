"""What the functions of a notebook share: one pool of connections on the one loop, and the services that were asked."""

import os
from collections.abc import Mapping

from bowerbird.errors import BadArgument
from bowerbird.vo import addresses
from bowerbird.vo.cache import Cache
from bowerbird.vo.http import HTTP
from bowerbird.vo.records import Records
from bowerbird.vo.tap import TAP
from bowerbird.vo.tokens import Tokens


class Session:
    """The services of one process, by address. Used on one loop only."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._http: HTTP | None = None
        self._services: dict[str, TAP] = {}
        self._process = os.getpid()
        self.records = Records.of(environment)
        self.cache = Cache.of(environment)

    @property
    def http(self) -> HTTP:
        """The one pool."""
        if self._http is None:
            self._http = HTTP(Tokens.of(self._environment))
        return self._http

    def tap(self, service: str | None) -> TAP:
        """Return a service; None is the platform's own, ValueError where there is none."""
        address = addresses.named(service) if service else self._environment.get(addresses.PLATFORM)
        if not address:
            raise BadArgument("no platform is here that has tables: name a TAP service, as in service='https://example.org/tap'")
        if address not in self._services:
            self._services[address] = TAP(self.http, address, self.records, kept=self.cache)
        return self._services[address]

    def beside(self, path: str) -> str | None:
        """Return the address of another service of the platform; None where there is no platform."""
        return addresses.beside(self._environment, path)

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
        self._http, self._services = None, {}

    @property
    def alive(self) -> bool:
        """Whether it belongs to this process: connections are not shared with a forked one."""
        return self._process == os.getpid()


_held: list[Session] = []


def session() -> Session:
    """Return the session of this process."""
    if not _held or not _held[0].alive:
        _held[:] = [Session(os.environ)]
    return _held[0]
