"""`bowerbird check --cluster` of examples/production.yaml: what a cluster of several nodes lacks."""

import pytest
import pytest_asyncio

from tests.support.checked_clusters import ENFORCE, STORAGE, check, claim, default_class, node, observatory_cluster, said
from tests.support.read_cluster import KINDS


@pytest_asyncio.fixture
async def observatory():
    async with observatory_cluster() as cluster:
        yield cluster


@pytest.mark.asyncio
async def test_a_cluster_with_all_that_production_names_lacks_nothing(observatory, tmp_path):
    result = await check(observatory, tmp_path, "production")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the cluster lacks nothing\n", "")


def _no_secret(cluster):
    del cluster.objects["/api/v1/namespaces/bowerbird/secrets/bowerbird-secrets"]
    del cluster.objects["/api/v1/namespaces/bowerbird/secrets/bowerbird-database"]["data"]["url"]


def _no_pull_secret(cluster):
    del cluster.objects["/api/v1/namespaces/observatory-users/secrets/registry"]


def _labels_lost(cluster):
    cluster.put("/api/v1/namespaces/observatory-users")
    cluster.put("/api/v1/namespaces/observatory-data", labels={ENFORCE: "restricted"})


def _namespace_lost(cluster):
    del cluster.objects["/api/v1/namespaces/observatory-data"]


def _one_writer(cluster):
    claim(cluster, "ReadWriteOnce")
    node(cluster, "three", role="servers")


def _on_one_disk(cluster):
    claim(cluster, "ReadWriteMany", "local-path")
    default_class(cluster)


def _no_claim(cluster):
    del cluster.objects["/api/v1/namespaces/observatory-data/persistentvolumeclaims/data"]


def _no_operator(cluster):
    cluster.kinds = dict(KINDS)


def _others(cluster):
    del cluster.objects[f"{STORAGE}/storageclasses/longhorn"], cluster.objects["/apis/scheduling.k8s.io/v1/priorityclasses/servers"]


def _no_fast_disk(cluster):
    node(cluster, "two", role="servers")


_MAKE_SHARED = "make it of storage that gives ReadWriteMany, such as NFS, CephFS or Longhorn, or let users.nodeSelector leave one node"
_KEYS = "'cookie-secret', 'crypt-key', 'culler-token', 'metrics-token', 'proxy-token', 'services-token'"

LACKS_OF_PRODUCTION = {
    "secrets that are missing": (
        _no_secret,
        [
            "Secret 'bowerbird-database' in namespace 'bowerbird', which database.existingSecret names, has no key 'url'; add it",
            "Secret 'bowerbird-secrets', which secrets.existingSecret names, is not in namespace 'bowerbird';"
            f" make it there, with keys {_KEYS}",
        ],
    ),
    "nothing to pull images with": (
        _no_pull_secret,
        [
            "Secret 'registry', which images.pullSecrets names, is not in namespace 'observatory-users';"
            " make it there, with key '.dockerconfigjson'"
        ],
    ),
    "namespaces with other labels": (
        _labels_lost,
        [
            "namespace 'observatory-users' enforces no Pod Security, and user pods belong into one that enforces 'restricted';"
            f" 'kubectl label --overwrite namespace observatory-users {ENFORCE}=restricted', or another name as users.namespace",
            "namespace 'observatory-data' enforces Pod Security 'restricted', which refuses the node plugin: it mounts /data;"
            f" 'kubectl label --overwrite namespace observatory-data {ENFORCE}=privileged', or another name as data.namespace",
        ],
    ),
    "no namespace": (
        _namespace_lost,
        [f"namespace 'observatory-data' is not there, and data.createNamespace is false; make it, with the label {ENFORCE}=privileged"],
    ),
    "data for one node alone": (
        _one_writer,
        [
            "user pods may run on 3 nodes, and claim 'data' of the data is ReadWriteOnce and not ReadWriteMany: one node alone reaches it;"
            f" {_MAKE_SHARED}"
        ],
    ),
    "data on a disk of one node": (
        _on_one_disk,
        [
            "user pods may run on 2 nodes, and claim 'data' of the data is of storage class 'local-path',"
            f" whose volumes are a directory of one node; {_MAKE_SHARED}"
        ],
    ),
    "no claim": (_no_claim, ["claim 'data' is not in namespace 'observatory-data'; make it before the roll-out"]),
    "no operator": (
        _no_operator,
        [
            f"the cluster knows no {kind}, which monitoring.{value} asks for;"
            f" install the Prometheus operator first, or write monitoring.{value}: false"
            for kind, value in (("PrometheusRule", "alerts"), ("PodMonitor and no ServiceMonitor", "serviceMonitor"))
        ],
    ),
    "classes by other names": (
        _others,
        [
            "the cluster has no storage class 'longhorn', which hub.volume.storageClass names; there: none",
            "the cluster has no storage class 'longhorn', which services.volume.storageClass names; there: none",
            "the cluster has no priority class 'servers', which users.priorityClass names; there: none",
        ],
    ),
    "no node for a profile": (
        _no_fast_disk,
        ["no node may run profile 'eso': none of 2 has the labels role=servers, disk=fast; label a node, or change the nodeSelector"],
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", LACKS_OF_PRODUCTION)
async def test_what_a_large_cluster_lacks_gets_its_sentence(name, observatory, tmp_path):
    spoil, sentences = LACKS_OF_PRODUCTION[name]
    spoil(observatory)
    assert await said(observatory, tmp_path, "production") == sentences
