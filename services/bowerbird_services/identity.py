"""Who asks: a credential becomes a name by the hub's word, and the name an identity by the hub's identity records."""

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
from bowerbird_config import sockets
from bowerbird_config.access import Action, Decision, ReleaseRef, decide
from bowerbird_config.identity import ANONYMOUS, Identity, IdentityRecord
from bowerbird_config.platform import Platform
from pydantic import ValidationError
from starlette.requests import HTTPConnection

from bowerbird_services.vo.dali import Fault

SCOPE = "access:services"
# The hub is asked again after this, so that a revoked token is of no use within a second.
REMEMBER_SECONDS = 0.5
SILENCE_SECONDS = 15.0
_AGAIN_SECONDS = 0.2
_MOST_REMEMBERED = 10_000
_MOST_TOKEN = 512

_log = logging.getLogger("bowerbird.services.identity")


class Away(Fault):
    """The hub does not answer, so nobody can be told who somebody is; `what` says what is not possible for that."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; try again in some seconds", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})


class Names(Protocol):
    """Tells whose a credential is."""

    async def name_of(self, token: str) -> str | None:
        """Return the owner of a token; None where it is none, or not for this service."""


class Records:
    """The platform and the identity records as the hub serves them, always the newest ones."""

    def __init__(self, platform: Platform | None = None) -> None:
        self._platform = platform
        self._records: dict[str, IdentityRecord] = {}
        self._synced = platform is not None
        self._changed: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call that function after each change."""
        self._changed.append(listener)

    @property
    def synced(self) -> bool:
        """Whether the hub has told all of it."""
        return self._synced

    @property
    def platform(self) -> Platform:
        """The platform that is in force; Away before the hub has said any."""
        if self._platform is None or not self._synced:
            raise Away("the hub has not yet said who is who")
        return self._platform

    def identity(self, name: str, at: datetime) -> Identity:
        """Return the identity of that name as doors meet it; nobody's where the hub does not know it."""
        platform, record = self.platform, self._records.get(name)
        return platform.let_in(record.identity, at) if record else ANONYMOUS

    def decide(self, identity: Identity, collection: str, release: str, at: datetime) -> Decision:
        """Decide whether that identity may read a release."""
        return decide(self.platform, identity, Action.READ, ReleaseRef(collection, release), at)

    def take(self, message: Mapping[str, Any]) -> None:
        """Take up one message of the feed; ValueError, KeyError or TypeError where it is none."""
        match message.get("kind"):
            case "platform":
                self._platform = Platform.model_validate(message["platform"])
            case "identity":
                record = IdentityRecord.from_json(message["record"])
                self._records[record.name] = record
            case "forget":
                self._records.pop(message["name"], None)
            case "synced":
                self._synced = True
            case _:
                return
        for listener in self._changed:
            listener()

    def forget_all(self) -> None:
        """Know nobody until the hub has told all of it again."""
        self._records.clear()
        self._synced = False


class Feed(ABC):
    """Keeps records fresh from the hub; while it is away, nobody is known."""

    def __init__(self, records: Records) -> None:
        self._records = records

    @abstractmethod
    def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the hub's feed, from its beginning; OSError or ValueError where they stop."""

    async def follow(self) -> None:
        """Follow the hub's feed for ever."""
        said = ""
        while True:
            try:
                await self._listen()
                said = ""
            except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
                if type(error).__name__ != said:  # a hub that is away for long is one line
                    said = type(error).__name__
                    _log.warning("the hub's feed of identities broke off (%s); asking again", said)
            self._records.forget_all()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(self) -> None:
        async with aclosing(self.lines()) as lines:
            self._records.forget_all()
            async for line in lines:
                self._records.take(sockets.decode(line))


class SocketFeed(Feed):
    """The feed at the hub's socket on this machine."""

    def __init__(self, path: Path, records: Records) -> None:
        super().__init__(records)
        self._path = path

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines as they come."""
        connection = await asyncio.to_thread(sockets.connect, self._path, 5.0)
        connection.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=sockets.MAX_LINE)
        try:
            writer.write(sockets.encode({"op": "subscribe"}))
            while line := await asyncio.wait_for(reader.readline(), SILENCE_SECONDS):
                yield line
        finally:
            writer.close()


class HubNames:
    """Asks the hub whose a token is, and remembers it for less than a second."""

    def __init__(self, api_url: str, service: str, client: httpx.AsyncClient) -> None:
        self._url = f"{api_url.rstrip('/')}/user"
        self._scopes = {SCOPE, f"{SCOPE}!service={service}"}
        self._client = client
        self._known: dict[bytes, tuple[float, asyncio.Future[str | None]]] = {}

    def forget(self) -> None:
        """Remember no answer any more."""
        self._known.clear()

    async def name_of(self, token: str) -> str | None:
        """Return the owner of a token by the hub's word; Away where the hub does not answer."""
        key, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
        asked, answer = self._known.get(key, (0.0, None))
        if answer is None or now - asked > REMEMBER_SECONDS or (answer.done() and answer.exception() is not None):
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            answer = asyncio.ensure_future(self._ask(token))
            self._known[key] = (now, answer)
        return answer.result() if answer.done() else await asyncio.shield(answer)

    async def _ask(self, token: str) -> str | None:
        try:
            answer = await self._client.get(self._url, headers={"Authorization": f"token {token}"})
            if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                return None
            answer.raise_for_status()
            told = answer.json()
            if told.get("kind") != "user" or self._scopes.isdisjoint(told.get("scopes", ())):
                return None
            return str(told["name"])
        except (httpx.HTTPError, ValueError, KeyError, AttributeError) as error:
            raise Away("the hub does not answer, so nobody can be signed in now") from error


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request brought to show who asks."""

    token: str
    user: str | None = None


def credential(connection: HTTPConnection) -> Credential | None:
    """Return the credential of a request's header, None where there is none; Fault where it is none that we know."""
    header = connection.headers.get("authorization")
    if header is None:
        return None
    kind, _, rest = header.partition(" ")
    match kind.lower():
        case "bearer" | "token":
            found = Credential(rest.strip())
        case "basic":
            found = _basic(rest)
        case _:
            raise unauthorised(f"{kind!r} is no way to sign in here; send a token of the hub as Bearer, or as the password of Basic")
    if not found.token or len(found.token) > _MOST_TOKEN or not found.token.isascii():
        raise unauthorised("there is no token in what was sent to sign in")
    return found


def _basic(encoded: str) -> Credential:
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthorised("what was sent as Basic cannot be read") from error
    return Credential(password, user)


CHALLENGES = 'Bearer realm="Bowerbird", Basic realm="Bowerbird (a token of the hub is the password)", charset="UTF-8"'


def unauthorised(message: str) -> Fault:
    """Return the refusal of a credential that is none."""
    return Fault(message, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": CHALLENGES})


class Identities:
    """Resolves requests to identities."""

    def __init__(self, records: Records, names: Names, clock: Callable[[], datetime]) -> None:
        self.records = records
        self._names = names
        self._clock = clock

    def named(self, name: str | None) -> Identity:
        """Return the identity of that name as it is now, nobody's for None; Away where the hub has not told it yet."""
        return self.records.identity(name, self._clock()) if name is not None else ANONYMOUS

    async def of_token(self, token: str) -> Identity:
        """Return whose a token is that a browser keeps, nobody's where it does not hold any more; Away where the hub does not answer."""
        return self.named(await self._names.name_of(token))

    async def of(self, connection: HTTPConnection) -> Identity:
        """Return who asks; a credential that does not hold is refused, never taken for nobody's."""
        found = credential(connection)
        if found is None:
            _ = self.records.platform
            return ANONYMOUS
        name = await self._names.name_of(found.token)
        if name is None:
            raise unauthorised("the token is not known to the hub, has ended, or is not for this service; make one on the page Connect")
        if found.user and found.user != name:
            raise unauthorised("the token is somebody else's than the user that was named")
        identity = self.records.identity(name, self._clock())
        if identity.name is None:
            raise Fault(f"{name} may not sign in on this platform now", HTTPStatus.FORBIDDEN)
        return identity
