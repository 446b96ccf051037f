"""Clusters with all that two examples of the chart need, for `bowerbird check --cluster` to look at; and the check itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from bowerbird_config.chart import helm
from bowerbird_config.chart.values_file import read_values
from bowerbird_config.cli import cli
from bowerbird_hub.chart import make_secrets
from bowerbird_hub.cluster_check.cluster import api_of, read
from bowerbird_hub.cluster_check.lacks import lacks
from bowerbird_hub.cluster_check.wanted import Wanted
from click.testing import CliRunner, Result

from tests.support.charts import CHART
from tests.support.read_cluster import KINDS, OPERATOR, ReadCluster, read_cluster

EXAMPLES = CHART / "examples"
OURS = {"meta.helm.sh/release-name": "bowerbird", "meta.helm.sh/release-namespace": "bowerbird"}
ENFORCE = "pod-security.kubernetes.io/enforce"
STORAGE = "/apis/storage.k8s.io/v1"
INGRESS = "/apis/networking.k8s.io/v1/ingressclasses"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CALICO = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"
PULL = {".dockerconfigjson": "e30="}
KEYS = dict.fromkeys(make_secrets.KEYS, "eA==")


def node(cluster: ReadCluster, name: str, *, cpu: str = "8", memory: str = "32Gi", taints: tuple[dict[str, str], ...] = (), **labels: str):
    ready = [{"type": "Ready", "status": "True"}]
    status = {"allocatable": {"cpu": cpu, "memory": memory}, "conditions": ready}
    cluster.put(f"/api/v1/nodes/{name}", {"spec": {"taints": list(taints)}, "status": status}, labels=labels)
    cluster.put(f"{LEASES}/{name}", {"spec": {"renewTime": f"{cluster.now:%Y-%m-%dT%H:%M:%S.%fZ}"}})


def default_class(cluster: ReadCluster, name: str = "local-path", provisioner: str = "rancher.io/local-path"):
    path = f"{STORAGE}/storageclasses/{name}"
    cluster.put(path, {"provisioner": provisioner}, annotations={"storageclass.kubernetes.io/is-default-class": "true"})


@asynccontextmanager
async def k3s_cluster() -> AsyncIterator[ReadCluster]:
    """A k3s of one server, as docs/k3s.md makes it."""
    async with read_cluster() as cluster:
        cluster.objects["/version"] = {"gitVersion": "v1.34.4+k3s1"}
        node(cluster, "server")
        default_class(cluster)
        cluster.put(f"{INGRESS}/traefik")
        cluster.put("/api/v1/namespaces/bowerbird")
        secret(cluster, "bowerbird", "bowerbird-tls", {"tls.crt": "eA==", "tls.key": "eA=="})
        yield cluster


@asynccontextmanager
async def observatory_cluster() -> AsyncIterator[ReadCluster]:
    """A cluster of two nodes for examples/production.yaml, with all that it names."""
    async with read_cluster() as cluster:
        cluster.kinds = {**KINDS, **OPERATOR}
        cluster.objects["/version"] = {"gitVersion": "v1.32.0"}
        node(cluster, "one", role="servers", memory="64Gi")
        node(cluster, "two", role="servers", disk="fast", taints=({"key": "reduction", "value": "true", "effect": "NoSchedule"},))
        cluster.put(f"{STORAGE}/storageclasses/longhorn", {"provisioner": "driver.longhorn.io"})
        cluster.put(f"{INGRESS}/traefik")
        cluster.put(CALICO)
        cluster.put("/apis/scheduling.k8s.io/v1/priorityclasses/servers")
        for name, level in (("bowerbird", ""), ("observatory-data", "privileged"), ("observatory-users", "restricted")):
            cluster.put(f"/api/v1/namespaces/{name}", labels={ENFORCE: level} if level else {})
            secret(cluster, name, "registry", PULL)
        claim(cluster, "ReadWriteMany")
        secret(cluster, "bowerbird", "bowerbird-secrets", KEYS)
        secret(cluster, "bowerbird", "bowerbird-database", {"url": "eA=="})
        yield cluster


def secret(cluster: ReadCluster, namespace: str, name: str, data: dict[str, str]):
    cluster.put(f"/api/v1/namespaces/{namespace}/secrets/{name}", {"data": data})


def claim(cluster: ReadCluster, mode: str, storage_class: str = "longhorn"):
    spec = {"accessModes": [mode], "storageClassName": storage_class}
    cluster.put("/api/v1/namespaces/observatory-data/persistentvolumeclaims/data", {"spec": spec})


async def check(cluster: ReadCluster, folder: Path, name: str = "one-node", *more: str) -> Result:
    arguments = ["check", "--cluster", "-f", str(EXAMPLES / f"{name}.yaml"), "--kubeconfig", str(cluster.kubeconfig(folder)), *more]
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert not cluster.changed
    return result


@cache
def _wanted(name: str) -> Wanted:
    values, tree = read_values(EXAMPLES / f"{name}.yaml")
    return Wanted.of("bowerbird", "bowerbird", values, helm.render(CHART, tree, "bowerbird", "bowerbird"))


async def said(cluster: ReadCluster, folder: Path, name: str = "one-node") -> list[str]:
    """Return the sentences about what an example lacks, which Helm renders once for all tests."""
    async with api_of(cluster.kubeconfig(folder), None) as client:
        found = lacks(_wanted(name), await read(client, _wanted(name)), ">=1.32.0-0")
    assert not cluster.changed
    return [str(lack) for lack in found]
