"""Pods find services by name, reach them on the other node, and a NetworkPolicy holds between nodes."""

from contextlib import suppress

import httpx
import pytest

from tests.support.cluster.cluster import Cluster, KubectlError
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import SERVE, only_from, pod, service

pytestmark = pytest.mark.cluster
_FIND = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
_FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=2).status)"


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    """A server on the first node, and two clients on the second: a friend and a stranger."""
    clients = [pod(namespace, name, node="node2") for name in ("friend", "stranger")]
    cluster.apply(pod(namespace, "web", node="node1", command=SERVE), service(namespace, "web"), *clients)
    cluster.await_ready(namespace, "web", "friend", "stranger")
    wait_for(lambda: _finds(cluster, namespace), "the service's name", 15)
    return namespace


def _finds(cluster: Cluster, namespace: str) -> bool:
    """Tell whether the cluster's DNS has heard of the service."""
    with suppress(KubectlError):
        return bool(cluster.python(namespace, "friend", _FIND, "web"))
    return False


def _reaches(cluster: Cluster, namespace: str, client: str) -> bool:
    try:
        return cluster.python(namespace, client, _FETCH, "http://web") == "200\n"
    except KubectlError as failed:
        return _no_answer(failed)


def _no_answer(failed: Exception) -> bool:
    """Return False where the network refused; raise what else went wrong, as that is no answer."""
    if "timed out" in str(failed) or "refused" in str(failed):
        return False
    raise failed


def _from_node(cluster: Cluster, node: str, url: str) -> bool:
    try:
        return cluster.inside(node, "python3", "-c", _FETCH, url) == "200\n"
    except RuntimeError as failed:
        return _no_answer(failed)


def test_a_pod_finds_a_service_by_its_name_and_reaches_it_on_the_other_node(cluster: Cluster, web: str):
    address = cluster.get(f"/api/v1/namespaces/{web}/services/web")["spec"]["clusterIP"]
    for name in ("web", f"web.{web}.svc.cluster.local"):
        assert cluster.python(web, "friend", _FIND, name) == f"{address}\n"
    wait_for(lambda: _reaches(cluster, web, "friend"), "the service on the other node", 15)


def test_a_name_of_the_world_is_not_found_as_nothing_leaves_the_cluster(cluster: Cluster, web: str):
    with pytest.raises(KubectlError, match="Name or service not known"):
        cluster.python(web, "friend", _FIND, "example.org")


def test_this_machine_reaches_a_pod(cluster: Cluster, web: str):
    address = cluster.get(f"/api/v1/namespaces/{web}/pods/web")["status"]["podIP"]
    assert httpx.get(f"http://{address}:8080", timeout=5, trust_env=False).status_code == httpx.codes.OK


def test_a_program_of_a_node_reaches_a_service(cluster: Cluster, web: str):
    address = cluster.get(f"/api/v1/namespaces/{web}/services/web")["spec"]["clusterIP"]
    # kube-proxy hears of a new service a moment after its pod is Ready.
    wait_for(lambda: _from_node(cluster, "node2", f"http://{address}"), "the service from a node", 15)


def test_a_policy_holds_between_nodes_and_goes_with_its_object(cluster: Cluster, web: str):
    wait_for(lambda: _reaches(cluster, web, "stranger"), "the service, open to all", 15)
    cluster.apply(only_from(web, "web", "friend"))
    wait_for(lambda: not _reaches(cluster, web, "stranger"), "the policy", 15)
    # A machine with other work may not answer in time at once; a policy that shuts out its friend never lets it in.
    wait_for(lambda: _reaches(cluster, web, "friend"), "the friend, who is let in", 15)
    cluster.kubectl("delete", "networkpolicy", "-n", web, "web")
    wait_for(lambda: _reaches(cluster, web, "stranger"), "the policy's end", 15)
