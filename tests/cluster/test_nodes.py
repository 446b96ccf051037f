"""The cluster is a Kubernetes of two nodes, whose pods run, log and are let in by `restricted` only."""

import copy

import pytest

from tests.support.cluster.cluster import NODES, Cluster, KubectlError
from tests.support.cluster.objects import Object, pod
from tests.support.cluster.programs import VERSION

pytestmark = pytest.mark.cluster


def test_both_nodes_are_ready_and_of_one_version(cluster: Cluster):
    nodes = cluster.get("/api/v1/nodes")["items"]
    assert cluster.ready() == set(NODES)
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {VERSION}
    assert cluster.get("/version")["gitVersion"] == VERSION


@pytest.mark.parametrize("node", NODES)
def test_a_pod_runs_on_each_node_as_its_user_and_its_words_are_kept(cluster: Cluster, namespace: str, node: str):
    cluster.apply(pod(namespace, "one", node=node, command=("sh", "-c", "echo here I am; exec sleep infinity")))
    cluster.await_ready(namespace, "one")
    assert cluster.kubectl("logs", "-n", namespace, "one") == "here I am\n"
    assert cluster.kubectl("exec", "-n", namespace, "one", "--", "id", "-u") == "1000\n"
    assert cluster.get(f"/api/v1/namespaces/{namespace}/pods/one")["spec"]["nodeName"] == node


def _host_path(wished: Object) -> None:
    wished["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": "/"}}]


def _host_network(wished: Object) -> None:
    wished["spec"]["hostNetwork"] = True


def _privileged(wished: Object) -> None:
    wished["spec"]["containers"][0]["securityContext"] = {"privileged": True}


def _root(wished: Object) -> None:
    wished["spec"]["securityContext"].update(runAsNonRoot=False, runAsUser=0)


@pytest.mark.parametrize(
    ("ask", "word"), [(_host_path, "hostPath"), (_host_network, "host namespaces"), (_privileged, "privileged"), (_root, "runAsNonRoot")]
)
def test_restricted_refuses_a_pod_that_asks_for_more(cluster: Cluster, namespace: str, ask, word: str):
    wished = copy.deepcopy(pod(namespace, "greedy"))
    ask(wished)
    with pytest.raises(KubectlError, match=f'violates PodSecurity "restricted:latest".*{word}'):
        cluster.apply(wished)
    assert cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"] == []
