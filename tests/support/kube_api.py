"""As much of Kubernetes' API as KubeSpawner asks, over HTTP: pods and events of a namespace, listed, watched, made and deleted.

It keeps versions, label selectors, 404 and 409; there is no kubelet: a test says what becomes of a pod.
"""

import asyncio
import copy
import json
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from bowerbird_config.pods import Pod

Object = dict[str, Any]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABELS = "labelSelector"
_GRACE_SECONDS = 30
_WATCH_SECONDS = 1800


async def _at_once(_step: str) -> None:
    """Keep nobody waiting."""


@dataclass
class KubeApi:
    """The objects, and every change of them for who watches."""

    url: str = ""
    # Called with each new pod; a kubelet would do what it does.
    kubelet: Callable[["KubeApi", Object], None] = lambda _api, _pod: None
    refuse: tuple[int, str] | None = None
    # Whether it answers 503 to whoever lists, as one does whose etcd is away.
    away: bool = False
    # Pods whose end it refuses, by their names.
    kept: dict[str, tuple[int, str]] = field(default_factory=dict)
    # How many deletions it leaves without an answer, and whether pods take their time to end, until a test removes them.
    unheard: int = 0
    lingers: bool = False
    # The seconds that a list takes.
    slow: float = 0.0
    # Awaited before a pod is made (`create`), and before the answers to that (`created`) and to a list (`listed`).
    between: Callable[[str], Awaitable[None]] = _at_once
    # Whom tokens are of, as a review of them says it, and for which audience.
    bearers: dict[str, tuple[str, Object]] = field(default_factory=dict)
    # Requests that changed something, as METHOD and path.
    asked: list[str] = field(default_factory=list)
    # The seconds that each deleted pod was given.
    grace: list[int] = field(default_factory=list)
    _objects: dict[str, dict[str, Object]] = field(default_factory=lambda: {"pods": {}, "events": {}})
    _changes: list[tuple[int, str, str, Object]] = field(default_factory=list)
    _version: int = 1
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pods(self) -> dict[str, Object]:
        return self._objects["pods"]

    def put(self, kind: str, thing: Object) -> None:
        """Make an object, or take a new state of it."""
        name = thing["metadata"]["name"]
        self._tell(kind, "MODIFIED" if name in self._objects[kind] else "ADDED", thing)
        self._objects[kind][name] = thing

    def remove(self, kind: str, name: str) -> None:
        self._tell(kind, "DELETED", self._objects[kind].pop(name))

    def go_away(self) -> None:
        """Answer nobody who lists or watches any more."""
        self.away = True
        self._wake()

    def status(self, name: str, **parts: Any) -> None:
        """Take a new status of a pod."""
        pod = copy.deepcopy(self.pods[name])
        pod["status"].update(parts)
        self.put("pods", pod)

    def runs(self, name: str, address: str, **container: Any) -> None:
        """Say that a pod's server runs, or what else its one container does."""
        state = {
            "name": "notebook",
            "image": "",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {}},
            "lastState": {},
            **container,
        }
        self.status(name, phase="Running", podIP=address, containerStatuses=[state])

    def event(self, pod: str, reason: str, message: str) -> None:
        namespace = self.pods[pod]["metadata"]["namespace"]
        about = {"kind": "Pod", "name": pod, "namespace": namespace}
        metadata = {"name": f"{pod}.{uuid.uuid4().hex}", "namespace": namespace, "uid": uuid.uuid4().hex}
        when = f"2027-03-01T00:00:{len(self._objects['events']):02}Z"
        told = {"reason": reason, "message": message, "type": "Normal", "lastTimestamp": when}
        self.put("events", {"metadata": metadata, "involvedObject": about, **told})

    def _tell(self, kind: str, what: str, thing: Object) -> None:
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        self._changes.append((self._version, kind, what, copy.deepcopy(thing)))
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    # -- HTTP ------------------------------------------------------------------------------------------------------

    async def list(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        if self.away:
            return _error(503, "etcdserver: no leader")
        if request.query.get("watch") in ("true", "True"):
            return await self._watch(kind, request)
        await asyncio.sleep(self.slow)
        items = [thing for thing in self._objects[kind].values() if _matches(thing, request)]
        # As it is now, also where the answer takes its time.
        told = json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self._version)}, "items": items})
        await self.between("listed")
        return web.json_response(text=told)

    async def _watch(self, kind: str, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        seen = int(request.query.get("resourceVersion", "0"))
        with suppress(TimeoutError):
            async with asyncio.timeout(int(request.query.get("timeoutSeconds", _WATCH_SECONDS))):
                while not self.away:
                    news = self._news
                    for version, of, what, thing in self._changes:
                        if version > seen and of == kind and _matches(thing, request):
                            await answer.write(json.dumps({"type": what, "object": thing}).encode() + b"\n")
                        seen = max(seen, version)
                    await news.wait()
        return answer

    async def create(self, request: web.Request) -> web.Response:
        self.asked.append(f"POST {request.match_info['kind']}")
        pod = await request.json()
        name = pod["metadata"]["name"]
        await self.between("create")
        if self.refuse is not None:
            return _error(*self.refuse)
        if not _NAME.fullmatch(name):
            return _error(422, f"Pod {name!r} is invalid")
        if name in self.pods:
            return _error(409, f"pods {name!r} already exists")
        pod["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": request.match_info["namespace"]}
        pod["status"] = {"phase": "Pending"}
        self.put("pods", pod)
        self.kubelet(self, pod)
        await self.between("created")
        return web.json_response(pod, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        self.asked.append(f"DELETE {request.match_info['kind']}")
        self.grace.append(int(request.query.get("gracePeriodSeconds", _GRACE_SECONDS)))
        name = request.match_info["name"]
        if self.unheard:
            self.unheard -= 1
            await asyncio.Event().wait()
        if name not in self.pods:
            return _error(404, f"pods {name!r} not found")
        if name in self.kept:
            return _error(*self.kept[name])
        pod = self.pods[name]
        asked = await request.json() if request.can_read_body else {}
        if asked.get("preconditions", {}).get("uid", pod["metadata"]["uid"]) != pod["metadata"]["uid"]:
            return _error(409, f"the UID of pods {name!r} is another")
        if self.lingers:
            pod = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2027-03-01T00:05:00Z"}}
            self.put("pods", pod)
        else:
            self.remove("pods", name)
        return web.json_response(pod)

    async def review(self, request: web.Request) -> web.Response:
        asked = await request.json()
        audience, user = self.bearers.get(asked["spec"]["token"], ("", {}))
        good = audience in asked["spec"]["audiences"]
        told = {"authenticated": True, "audiences": [audience], "user": user} if good else {"authenticated": False}
        return web.json_response({**asked, "status": told}, status=201)


def bearer(account: str, pod: Pod | None = None) -> Object:
    """Return the user that a token is of: `system:serviceaccount:ACCOUNT`, bound to a pod."""
    told = {"name": pod.name, "uid": pod.uid} if pod else {}
    extra = {f"authentication.kubernetes.io/pod-{part}": [value] for part, value in told.items()}
    return {"username": f"system:serviceaccount:{account}", "extra": extra}


def _matches(thing: Object, request: web.Request) -> bool:
    wanted = [each.partition("=")[::2] for each in request.query.get(_LABELS, "").split(",") if each]
    labels = thing["metadata"].get("labels", {})
    return thing["metadata"]["namespace"] == request.match_info["namespace"] and all(labels.get(key) == value for key, value in wanted)


def _error(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "code": code, "message": message}, status=code)


@asynccontextmanager
async def kube_api(tls: ssl.SSLContext | None = None) -> AsyncIterator[KubeApi]:
    """Serve an empty cluster on a random port of this machine."""
    api = KubeApi()
    app = web.Application()
    path = "/api/v1/namespaces/{namespace}/{kind:pods|events}"
    app.add_routes([web.get(path, api.list), web.post(path, api.create), web.delete(path + "/{name}", api.delete)])
    app.add_routes([web.post("/apis/authentication.k8s.io/v1/tokenreviews", api.review)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
