"""A cluster that can only be read: objects by path over HTTP, as `bowerbird check --cluster` asks for them, and what one may do there.

An object that is not there is a 404, a list is what lies right below its path, and what is forbidden is a 403.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Object = dict[str, Any]

# The kinds that a cluster without operators knows, of those that the chart makes.
KINDS = {
    "v1": ["ConfigMap", "Namespace", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["DaemonSet", "Deployment"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    "storage.k8s.io/v1": ["CSIDriver"],
}
OPERATOR = {"monitoring.coreos.com/v1": ["PrometheusRule", "ServiceMonitor", "PodMonitor"]}
# What is asked for as a list; any other path is that of one object.
_LISTED = frozenset({"nodes", "storageclasses", "ingressclasses", "priorityclasses", "csidrivers", "daemonsets", "leases"})
_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}


@dataclass
class ReadCluster:
    """What there is, by path."""

    objects: dict[str, Object] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=lambda: dict(KINDS))
    forbidden: set[str] = field(default_factory=set)
    # Verb and resource of what whoever asks may not do.
    denied: set[tuple[str, str]] = field(default_factory=set)
    ahead: timedelta = timedelta(0)
    refuse: int | None = None
    changed: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def now(self) -> datetime:
        """The clock of the cluster."""
        return datetime.now(UTC) + self.ahead

    def put(self, path: str, thing: Object | None = None, **metadata: Any) -> None:
        """Make an object, named after the end of its path."""
        name = path.rpartition("/")[2]
        self.objects[path] = {**(thing or {}), "metadata": {"name": name, **metadata}}

    def kubeconfig(self, folder: Path) -> Path:
        """Return a file that leads here."""
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": {"token": "t"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}],
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(told))
        return file

    async def answer(self, request: web.Request) -> web.Response:
        found = await self._found(request)
        found.headers["Date"] = format_datetime(self.now, usegmt=True)
        return found

    async def _found(self, request: web.Request) -> web.Response:
        path = request.path
        if self.refuse is not None:
            return _status(self.refuse)
        if path.endswith("/selfsubjectaccessreviews") and request.method == "POST":
            return self._review(await request.json())
        if request.method != "GET":
            self.changed.append(f"{request.method} {path}")
            return _status(405)
        return _status(403) if path in self.forbidden else self._read(path)

    def _read(self, path: str) -> web.Response:
        if path in self.objects:
            return web.json_response(self.objects[path])
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in self.kinds:
            return web.json_response({"kind": "APIResourceList", "resources": list(_resources(self.kinds[version]))})
        return self._list(path)

    def _list(self, path: str) -> web.Response:
        if path.rpartition("/")[2] not in _LISTED:
            return _status(404)
        return web.json_response({"items": [thing for at, thing in self.objects.items() if self._belongs(at, path)]})

    def _belongs(self, at: str, path: str) -> bool:
        if at.rpartition("/")[0] == path:
            return True
        # Those of all namespaces.
        front, _, kind = path.rpartition("/")
        return "/namespaces/" not in path and at.startswith(f"{front}/namespaces/") and at.split("/")[-2] == kind

    def _review(self, review: Object) -> web.Response:
        asked = review["spec"]["resourceAttributes"]
        allowed = (asked["verb"], asked["resource"]) not in self.denied
        return web.json_response({**review, "status": {"allowed": allowed}}, status=201)


def _resources(kinds: Iterable[str]) -> Iterable[Object]:
    for kind in kinds:
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        yield {"name": plural, "kind": kind}
        yield {"name": f"{plural}/status", "kind": kind}


def _status(code: int) -> web.Response:
    return web.Response(text=json.dumps({"kind": "Status", "code": code}), status=code, content_type="application/json")


@asynccontextmanager
async def read_cluster() -> AsyncIterator[ReadCluster]:
    """Serve an empty cluster on a random port."""
    cluster = ReadCluster()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cluster.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    cluster.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield cluster
    finally:
        await runner.cleanup()
