"""What was read of a cluster, for the checks to judge; every request is made here. Nothing is changed."""

import asyncio
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientError
from bowerbird_hub.cluster_check.wanted import Manifest, Wanted
from kubernetes_asyncio.client import ApiClient, ApiException, Configuration
from kubernetes_asyncio.config import ConfigException, load_kube_config

VERSION = "/version"
NODES = "/api/v1/nodes"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
DRIVERS = "/apis/storage.k8s.io/v1/csidrivers"
DAEMON_SETS = "/apis/apps/v1/daemonsets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LISTS = (VERSION, NODES, STORAGE_CLASSES, INGRESS_CLASSES, PRIORITY_CLASSES, DRIVERS, DAEMON_SETS, LEASES)
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_NAME_ONE = "name one with --kubeconfig"
_SECONDS = 15
_AT_ONCE = 8
_GONE, _UNKNOWN_TO_IT, _FORBIDDEN = 404, 401, 403


class NoCluster(Exception):
    """Nothing can be asked of the cluster; the text says why."""


class MayNotRead(Exception):
    """Whoever asks may not read it."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """To do something with objects of a kind, in a namespace or, where that is empty, in the whole cluster."""

    namespace: str
    verb: str
    group: str
    resource: str
    name: str = ""

    @property
    def kind(self) -> str:
        """The objects, as kubectl names them."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


@dataclass(frozen=True, slots=True)
class Cluster:
    """The answers by path, None where there is nothing; who asks may not have read all of it."""

    answers: Mapping[str, Manifest | None]
    forbidden: frozenset[str] = frozenset()
    rights: Mapping[Right, bool] = field(default_factory=dict)
    # The API server's clock and ours, at the same moment.
    clock: tuple[datetime, datetime] | None = None

    def one(self, path: str) -> Manifest | None:
        """Return an object, None where there is none; MayNotRead where it may not be read."""
        if path in self.forbidden:
            raise MayNotRead(path)
        return self.answers.get(path)

    def items(self, path: str) -> list[Manifest]:
        """Return the objects of a list."""
        return list((self.one(path) or {}).get("items") or ())

    def resource(self, api_version: str, kind: str) -> str | None:
        """Return the plural by which the API knows a kind; None where the cluster has no such kind."""
        known = (self.one(api_path(api_version)) or {}).get("resources") or ()
        return next((each["name"] for each in known if each["kind"] == kind and "/" not in each["name"]), None)


def api_path(api_version: str) -> str:
    """Return the path of a part of the API."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def object_path(kind: str, namespace: str, name: str) -> str:
    """Return the path of a core object in a namespace, by its kind's plural."""
    return f"/api/v1/namespaces/{namespace}/{kind}/{name}"


def namespace_path(name: str) -> str:
    """Return the path of a namespace."""
    return f"/api/v1/namespaces/{name}"


@asynccontextmanager
async def api_of(kubeconfig: Path | None, context: str | None) -> Any:
    """Open the API server that a kubeconfig leads to; NoCluster where it leads nowhere."""
    _check_kubeconfig(kubeconfig)
    configuration = type.__call__(Configuration)  # one of our own, not the library's default
    try:
        await load_kube_config(str(kubeconfig) if kubeconfig else None, context, configuration, persist_config=False)
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        named = kubeconfig or "the kubeconfig"
        raise NoCluster(f"{named} leads to no cluster ({error}); {_NAME_ONE} and --context") from error
    async with ApiClient(configuration) as client:
        yield client


def _check_kubeconfig(named: Path | None) -> None:
    """Return where a kubeconfig is there; NoCluster where there is none, or something else in its place."""
    told = str(named) if named else os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [Path(each).expanduser() for each in told.split(os.pathsep) if each]
    found = [file for file in files if file.exists()]
    if not found:
        raise NoCluster(f"there is no file {' or '.join(map(str, files))}; {_NAME_ONE}")
    for file in found:
        # What comes through a pipe is there once, for the library.
        if not (file.is_file() or file.is_dir()):
            continue
        try:
            content = yaml.safe_load(file.read_bytes())
        except OSError as error:
            raise NoCluster(f"{file} cannot be read ({error.strerror}); {_NAME_ONE}") from error
        except yaml.YAMLError:
            content = None
        if not isinstance(content, dict) or content.get("kind", "Config") != "Config":
            raise NoCluster(f"{file} is no kubeconfig; {_NAME_ONE}")


async def read(client: ApiClient, wanted: Wanted) -> Cluster:
    """Read all that the checks look at; NoCluster where the API server does not answer."""
    paths = [*_LISTS, *_of(wanted)]
    reader = _Reader(client)
    try:
        await asyncio.gather(*(reader.get(path) for path in paths))
        found = Cluster(reader.answers, frozenset(reader.forbidden), clock=reader.clock)
        asked = sorted({*rights_to_create(wanted, found), *(right for pair in rights_to_hand_on(wanted) for right in pair)})
        allowed = await asyncio.gather(*(reader.may(right) for right in asked))
    except (ClientError, OSError, TimeoutError) as error:
        host = client.configuration.host
        raise NoCluster(f"the API server at {host} does not answer ({str(error) or type(error).__name__}); is the cluster up?") from error
    return Cluster(reader.answers, frozenset(reader.forbidden), dict(zip(asked, allowed, strict=True)), reader.clock)


def _of(wanted: Wanted) -> Iterable[str]:
    yield from (api_path(version) for version in wanted.api_versions)
    yield from (namespace_path(name) for name in wanted.namespaces)
    yield from (object_path("persistentvolumeclaims", *claim) for claim in wanted.claims)
    yield from (object_path("secrets", secret.namespace, secret.name) for secret in {*wanted.secrets, *wanted.pull_secrets})


def rights_to_create(wanted: Wanted, cluster: Cluster) -> set[Right]:
    """Return what an install has to create, Helm's own record of the release among it; kinds that are unknown are left out."""
    found = {Right(wanted.namespace, "create", "", "secrets")}
    for each in wanted.manifests:
        resource = cluster.resource(each["apiVersion"], each["kind"])
        if resource:
            group = each["apiVersion"].rpartition("/")[0]
            found.add(Right(each["metadata"].get("namespace", ""), "create", group, resource))
    return found


def rights_to_hand_on(wanted: Wanted) -> set[tuple[Right, Right]]:
    """Return each right that a Role gives, with the one that lets you give what you do not hold."""
    found = set()
    for role in (*wanted.of_kind("Role"), *wanted.of_kind("ClusterRole")):
        namespace = role["metadata"].get("namespace", "")
        escalate = Right(namespace, "escalate", "rbac.authorization.k8s.io", f"{role['kind'].lower()}s")
        for rule in role["rules"]:
            given = (
                Right(namespace, verb, group, resource, name)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
                for name in rule.get("resourceNames", [""])
            )
            found |= {(right, escalate) for right in given}
    return found


class _Reader:
    """Asks, and keeps the answers."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.answers: dict[str, Manifest | None] = {}
        self.forbidden: set[str] = set()
        self.clock: tuple[datetime, datetime] | None = None

    async def get(self, path: str) -> None:
        try:
            self.answers[path] = await self._ask("GET", path)
        except ApiException as error:
            if error.status == _FORBIDDEN:
                self.forbidden.add(path)
            elif error.status == _GONE:
                self.answers[path] = None
            else:
                raise self._no_cluster(path, error) from error

    async def may(self, right: Right) -> bool:
        attributes = {key: getattr(right, key) for key in ("namespace", "verb", "group", "resource", "name") if getattr(right, key)}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        try:
            return bool((await self._ask("POST", _REVIEWS, review))["status"]["allowed"])
        except ApiException as error:
            raise self._no_cluster(_REVIEWS, error) from error

    def _no_cluster(self, path: str, error: ApiException) -> NoCluster:
        if error.status == _UNKNOWN_TO_IT:
            return NoCluster(f"the API server at {self._client.configuration.host} does not know you; is the kubeconfig still good?")
        return NoCluster(f"the API server answered {path} with {error.status} ({error.reason}); try again, or look at its log")

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        async with self._turn:
            began = time.time()
            answer = await self._client.call_api(
                path,
                method,
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                query_params=[],
                _preload_content=False,
                _request_timeout=_SECONDS,
            )
            text = await answer.read()
        # Beside the leases, whose times it is compared with.
        if path == LEASES and "Date" in answer.headers:
            here = datetime.fromtimestamp((began + time.time()) / 2, UTC)
            self.clock = (parsedate_to_datetime(answer.headers["Date"]), here)
        if answer.status >= 400:  # noqa: PLR2004  # HTTP's own
            raise ApiException(status=answer.status, reason=answer.reason)
        return json.loads(text)
