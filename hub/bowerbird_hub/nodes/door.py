"""The HTTP server that node plugins ask. Every question carries the plugin's own token; one about a pod, the pod's too.

A pod's token proves which pod it is, by name and uid, and which service account it has, and no more: whose server runs in
that pod, the hub's own record says. The pods of the HTTP services are known by their service account, and by nothing else.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from bowerbird_config.pods import Pod
from bowerbird_hub.identity.feed import PING_SECONDS
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_hub.nodes.reviews import Bearer, Reviewer, ReviewFailed, ServiceAccount
from bowerbird_hub.nodes.services import SERVICES_RECORD
from bowerbird_hub.nodes.signatures import Signatures
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

_log = logging.getLogger("bowerbird.nodes")
_LONGEST_REQUEST = 256 << 10
_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class VolumeOf:
    """What a pod's volume shows: whose view, and texts by file name, of which `secrets` are for that uid alone.

    A pod with another service account than `account` is not the one that is meant.
    """

    account: str
    user: str
    uid: int
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class NotYet(Exception):
    """The hub may have made that pod, and cannot say so yet."""


class WrongNode(Exception):
    """A server of ours is on a node that does not reach its home; the text is the sentence that says so."""


class Servers(Protocol):
    """The hub's own record of the pods that it made."""

    async def volume_of(self, pod: Pod, storage: str) -> VolumeOf | None:
        """Return what the volume of that pod shows; None for a pod that is no server of ours, NotYet where that is to be seen.

        `storage` is the mark of its node's storage; WrongNode where homes are on another.
        """

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        """Take note that what was open in the view of that pod is lost; return the files by which its volume tells the user."""

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        """Take note how many processes of that pod were ended for want of memory, as `remounted` does."""


class Refused(Exception):
    """A question is not answered; the text is the sentence that says why."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may ask: the audience of all tokens, which is the driver's name, and whose pods have which service account.

    The HTTP services have a token of the platform's own too; where there is none, no service may ask.
    """

    audience: str
    plugin: ServiceAccount
    services: ServiceAccount
    reviewer: Reviewer
    # What tells of a server's pod without a question, and of a node plugin without one each time; else each is for the reviewer.
    signatures: Signatures | None = None
    of_plugins: Reviewer | None = None
    services_token: str = field(default="", repr=False)

    def service(self, authorization: str | None) -> None:
        """Return where the HTTP services ask; Refused where it is another."""
        own = f"token {self.services_token}".encode()
        if not self.services_token or not hmac.compare_digest((authorization or "").encode(), own):
            raise Refused(HTTPStatus.UNAUTHORIZED, "a service must bring its own token")

    async def plugin_of(self, authorization: str | None) -> None:
        """Return where a node plugin asks; Refused where it is another, or that cannot be said."""
        if not (authorization or "").startswith(_BEARER):
            raise Refused(HTTPStatus.UNAUTHORIZED, "a node plugin must bring its own token")
        found = await self._review(str(authorization).removeprefix(_BEARER), self.of_plugins or self.reviewer)
        if found is None or found.service_account != self.plugin:
            raise Refused(HTTPStatus.UNAUTHORIZED, f"the token is not one of {'/'.join(self.plugin)} for {self.audience}")

    async def pod_of(self, pod: Pod, token: str) -> Bearer:
        """Return what the token proves of that pod, which it is the own one of; Refused where it is another's, or that cannot be said."""
        found = await self._signed(token) or await self._review(token, self.reviewer)
        if found is None:
            raise Refused(HTTPStatus.FORBIDDEN, f"the token of pod {pod} is not good")
        if (found.namespace, found.pod_name, found.pod_uid) != (pod.namespace, pod.name, pod.uid):
            raise Refused(HTTPStatus.FORBIDDEN, f"the token that pod {pod} brings is not its own")
        return found

    async def _signed(self, token: str) -> Bearer | None:
        found = None if self.signatures is None else await self.signatures.bearer(token, self.audience)
        # Whether a pod of the services still is there, no record of the hub's says.
        return None if found is None or found.service_account in (self.services, self.plugin) else found

    async def _review(self, token: str, reviewer: Reviewer) -> Bearer | None:
        try:
            return await reviewer.review(token, self.audience)
        except ReviewFailed as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


class _Handler(RequestHandler):
    def initialize(self, trust: Trust, servers: Servers, feed: NodeFeed) -> None:
        self.trust, self.servers, self.nodes = trust, servers, feed

    async def prepare(self) -> None:
        await self.trust.plugin_of(self.request.headers.get("Authorization"))

    def check_xsrf_cookie(self) -> None:
        """Ask for no XSRF token: no browser comes here, and a cookie proves nothing."""

    def write_error(self, status_code: int, **how: Any) -> None:
        error = how.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            self.set_status(error.status)
            if error.status is HTTPStatus.FORBIDDEN:
                _log.warning("a node plugin was refused: %s", error)
        self.finish({"error": str(error) if isinstance(error, Refused) else "the hub could not answer"})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, Refused):
            super().log_exception(typ, value, tb)

    def asked(self) -> dict[str, Any]:
        """Return what was sent."""
        try:
            told = json.loads(self.request.body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "what a node plugin asks is a JSON object")
        return told

    def pod(self, told: Mapping[str, Any]) -> Pod:
        """Return the pod that is asked about."""
        try:
            parts = [told["pod"][part] for part in ("namespace", "name", "uid")]
        except (KeyError, TypeError):
            parts = [None]
        if not all(isinstance(part, str) and part for part in parts):
            raise Refused(HTTPStatus.BAD_REQUEST, "a pod has namespace, name and uid")
        return Pod(*parts)

    def answer(self, pod: Pod, note: Callable[[Pod], Mapping[str, str]]) -> None:
        """Have a note taken about a pod, and answer with the files by which its user is told."""
        try:
            self.finish({"files": dict(note(pod))})
        except NotYet as error:
            raise _not_yet(pod) from error


def _not_yet(pod: Pod) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"the hub does not know pod {pod} yet")


class _Pods(_Handler):
    async def post(self) -> None:
        told = self.asked()
        pod, token = self.pod(told), told.get("token")
        bearer = await self.trust.pod_of(pod, token if isinstance(token, str) else "")
        volume = self._of_services() if bearer.service_account == self.trust.services else await self._of_server(pod, told.get("storage"))
        if volume.account != bearer.account:
            raise Refused(HTTPStatus.FORBIDDEN, f"pod {pod} has the service account {bearer.account}, and a server has {volume.account}")
        self.finish({"user": volume.user, "uid": volume.uid, "files": dict(volume.files), "secrets": dict(volume.secrets)})

    def _of_services(self) -> VolumeOf:
        return VolumeOf(self.trust.services[1], SERVICES_RECORD.name, SERVICES_RECORD.uid)

    async def _of_server(self, pod: Pod, storage: object) -> VolumeOf:
        try:
            volume = await self.servers.volume_of(pod, storage if isinstance(storage, str) else "")
        except NotYet as error:
            raise _not_yet(pod) from error
        except WrongNode as error:
            raise Refused(HTTPStatus.FORBIDDEN, str(error)) from error
        if volume is None:
            raise Refused(HTTPStatus.FORBIDDEN, f"pod {pod} is no server that this hub has started")
        return volume


class _Remounts(_Handler):
    def post(self) -> None:
        pod = self.pod(self.asked())
        _log.warning("the view of pod %s was mounted anew: what was open in it is lost", pod)
        self.answer(pod, self.servers.remounted)


class _Kills(_Handler):
    def post(self) -> None:
        told = self.asked()
        kills = told.get("kills")
        if type(kills) is not int or kills < 0:
            raise Refused(HTTPStatus.BAD_REQUEST, "how many processes were ended is a number")
        self.answer(self.pod(told), lambda pod: self.servers.killed(pod, kills))


class _Feed(_Handler):
    async def get(self) -> None:
        self.set_header("Content-Type", "application/x-ndjson")
        with self.nodes.subscription() as lines:
            try:
                async for piece in lines:
                    self.write(piece)
                    await self.flush()
            except StreamClosedError:
                return


class _ServicesFeed(_Feed):
    async def prepare(self) -> None:
        self.trust.service(self.request.headers.get("Authorization"))


class NodeDoor:
    """Answers node plugins, and the HTTP services, at a port of its own, while it is open."""

    def __init__(self, trust: Trust, servers: Servers, feed: NodeFeed) -> None:
        about = {"trust": trust, "servers": servers, "feed": feed}
        routes: list[Any] = [
            ("/nodes/pods", _Pods, about),
            ("/nodes/remounts", _Remounts, about),
            ("/nodes/kills", _Kills, about),
            ("/nodes/feed", _Feed, about),
            ("/services/feed", _ServicesFeed, about),
        ]
        self._application = Application(routes, log_function=lambda _handler: None)
        self._feed = feed
        self._server: HTTPServer | None = None
        self._pings: asyncio.Task[None] | None = None

    def open(self, port: int, address: str = "", ssl_options: Any = None) -> int:
        """Answer from now on; return the port, which the system chooses where it is 0."""
        sockets = bind_sockets(port, address or None)
        self._server = HTTPServer(self._application, max_body_size=_LONGEST_REQUEST, ssl_options=ssl_options)
        self._server.add_sockets(sockets)
        self._pings = asyncio.create_task(self._ping(), name="node feed pings")
        return int(sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Answer no more."""
        if self._server is None or self._pings is None:
            return
        self._pings.cancel()
        await asyncio.gather(self._pings, return_exceptions=True)
        self._feed.close()
        self._server.stop()
        await self._server.close_all_connections()
        self._server = self._pings = None

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._feed.publish([{"kind": "ping"}])
