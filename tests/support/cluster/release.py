"""Our chart on a cluster of the tests' own, installed by Helm's library as an administrator would by Helm."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import helm_python

from tests.support.cas import free_port
from tests.support.charts import CHART, example
from tests.support.cluster.cluster import NODES, SERVERS, Cluster, condition
from tests.support.cluster.forward import forwarded
from tests.support.cluster.platform_images import archive_of, name_of

_SECONDS = 240
# The services' is loaded where they are asked: elsewhere their pod waits for it, and has its volume all the same.
LOADED = ("hub", "data", "lab")
# Who can sign in by the demo CAS server.
ACCOUNTS = ("researcher", "visitor", "owner", "admin")
_HTTP = 8000
# On a node that is lost a server stays as long as on k3s; what has no word of its own the tests' cluster gives up sooner.
_LOST_SECONDS = 300
_STAYS = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "seconds": _LOST_SECONDS}
    for state in ("unreachable", "not-ready")
]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart; namespace and release have one name."""

    cluster: Cluster
    name: str
    # The address that people are given.
    url: str

    @property
    def users(self) -> str:
        """The namespace of servers."""
        return f"{self.name}-users"

    @property
    def data(self) -> str:
        """The namespace of node plugin and holder."""
        return f"{self.name}-data"

    @property
    def driver(self) -> str:
        """The CSI driver's name."""
        return f"{self.name}.csi.bowerbird"

    def pods(self, component: str, namespace: str = "") -> list[dict[str, Any]]:
        """Return the pods of a component that are not being deleted."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        found = self.cluster.get(f"/api/v1/namespaces/{namespace or self.name}/pods?labelSelector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def proxy(self) -> tuple[str, int]:
        """Return where the proxy listens at this moment; LookupError where it does not."""
        for pod in self.pods("proxy"):
            if condition(pod, "Ready"):
                return pod["status"]["podIP"], _HTTP
        raise LookupError("no proxy is Ready")

    def all_ready(self, component: str, namespace: str, count: int) -> bool:
        """Tell whether a component has so many pods, all of them Ready."""
        pods = self.pods(component, namespace)
        return len(pods) == count and all(condition(pod, "Ready") for pod in pods)


def load_images(cluster: Cluster) -> None:
    """Bring our own images to every node."""
    loads = [(archive_of(part), name) for part in LOADED for name in NODES]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda load: cluster.load(*load), loads))


def values_for_tests() -> dict[str, Any]:
    """Return the values of the trial, with images that the nodes have."""
    told = example("trial")
    named = {part: dict(zip(("repository", "tag"), name_of(part).rsplit(":", 1), strict=True)) for part in ("hub", "services", "data")}
    told["images"] = {**named, "proxy": named["hub"], "demoCas": named["hub"]}
    told["platform"]["sign_on"]["demo"]["accounts"] = demo_accounts()
    told["ingress"]["port"] = free_port()
    # On the first node, so that the second can be lost; to the hub the storage is the node's own, and so are servers.
    told.update({part: {"nodeSelector": {"kubernetes.io/hostname": NODES[0]}} for part in ("hub", "proxy", "services")})
    # What an upgrade ceases to name stays all the same.
    told["hub"]["volume"] = {"storageClass": "local-path"}
    told["users"] = {"images": {"lab": name_of("lab")}, "nodeSelector": {SERVERS: "here"}, "tolerations": _STAYS}
    return told


def demo_accounts() -> dict[str, Any]:
    """Return the accounts of those who can sign in."""
    return {name: {"title": name.capitalize(), "groups": ["craft"] if name == "researcher" else []} for name in ACCOUNTS}


def uninstall(release: Release, seconds: int = _SECONDS) -> None:
    """Take it away as an administrator does, and leave what Helm leaves; HelmError where that is not done in time."""
    with _helm(release.cluster, release.name) as helm:
        helm.uninstall(release.name, timeout=seconds)


def refusal(cluster: Cluster, name: str, values: Mapping[str, Any]) -> str:
    """Return the words with which Helm refuses an install; AssertionError where it does not."""
    with _helm(cluster, name) as helm:
        try:
            helm.install(CHART, name, dict(values), namespace=name, create_namespace=True, timeout=_SECONDS)
        except helm_python.HelmError as refused:
            return str(refused)
    raise AssertionError(f"{name} was installed")


def would_install(cluster: Cluster, name: str, values: Mapping[str, Any]) -> None:
    """Have Helm ask the cluster all that it asks before an install, and make nothing; HelmError where it would refuse."""
    with _helm(cluster, name) as helm:
        helm.install(CHART, name, dict(values), namespace=name, dry_run="server", timeout=_SECONDS)


def left(cluster: Cluster, name: str) -> set[str]:
    """Return every object that says it is of a release."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    asked = ",".join(kind for kind in kinds if not kind.startswith("events"))
    named = ("-o", 'jsonpath={range .items[*]}{.kind} {.metadata.name}{"\\n"}{end}')
    return set(cluster.kubectl("get", asked, "-A", "-l", f"app.kubernetes.io/instance={name}", *named).splitlines())


def _url(door: Mapping[str, Any]) -> str:
    """Return the address of a release: that of its Ingress, or a port of this machine."""
    return f"https://{door['host']}/" if door.get("enabled", True) else f"http://{door['host']}:{door['port']}/"


@contextmanager
def install(cluster: Cluster, name: str, values: Mapping[str, Any]) -> Iterator[Release]:
    """Keep a release while the block runs. What Helm keeps after an uninstall goes as well."""
    try:
        with install_for_good(cluster, name, values) as release:
            yield release
    finally:
        with _helm(cluster, name) as helm:
            helm.uninstall(name, ignore_not_found=True, timeout=_SECONDS)
        for namespace in (name, f"{name}-users", f"{name}-data"):
            cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


@contextmanager
def install_for_good(cluster: Cluster, name: str, values: Mapping[str, Any]) -> Iterator[Release]:
    """Install a release, which goes with its cluster, and lead people to it while the block runs."""
    door = values["ingress"]
    release = Release(cluster, name, _url(door))
    leads = nullcontext() if door.get("enabled", True) else forwarded(door["port"], release.proxy)
    with _helm(cluster, name) as helm:
        helm.install(CHART, name, dict(values), namespace=name, create_namespace=True, timeout=_SECONDS)
    with leads:
        yield release


def upgrade(release: Release, change: Callable[[dict[str, Any]], None]) -> None:
    """Give a release other values, as an administrator does by Helm; return when Helm does."""
    with _helm(release.cluster, release.name) as helm:
        values = helm.get_values(release.name)
        change(values)
        helm.upgrade(CHART, release.name, values, namespace=release.name, timeout=_SECONDS)


def roll_back(release: Release) -> None:
    """Give a release the values that it had before its last upgrade."""
    with _helm(release.cluster, release.name) as helm:
        helm.rollback(release.name, timeout=_SECONDS)


def bring_back(release: Release) -> None:
    """Roll a release back to its last revision, as after an uninstall that failed."""
    with _helm(release.cluster, release.name) as helm:
        last = max(each["revision"] for each in helm.history(release.name))
        helm.rollback(release.name, version=last, timeout=_SECONDS)


def _helm(cluster: Cluster, namespace: str) -> helm_python.Config:
    return helm_python.Config(kubeconfig_path=str(cluster.kubeconfig), namespace=namespace)
