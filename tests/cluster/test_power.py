"""A node that loses its power is missed, and comes back with its pods and their files."""

from typing import Any

import pytest
from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub.runtimes import pod_status

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
# The tests' cluster gives a pod up sooner than a node comes back on a machine with other work.
_STAYS = [{"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"} for state in ("unreachable", "not-ready")]
_SETTINGS = PodSettings(namespace="users", hub_url="http://hub", driver="data.example.org", images={"lab": "lab:1"})


def test_a_node_without_power_is_missed_and_its_pod_says_so_until_it_is_back_with_its_files(cluster: Cluster, namespace: str):
    stays = pod(namespace, "lost", node="node2", volumes={"/scratch": {"emptyDir": {}}})
    stays["spec"]["tolerations"] = _STAYS
    cluster.apply(stays)
    cluster.await_ready(namespace, "lost")
    cluster.python(namespace, "lost", "open('/scratch/word', 'w').write('still here')")
    assert not pod_status.lost(_pod(cluster, namespace))
    cluster.power_cut("node2")
    wait_for(lambda: pod_status.lost(_pod(cluster, namespace)), "that the pod says it", 60)
    assert "node node2 does not answer the cluster" in pod_status.of_lost(_pod(cluster, namespace), _SETTINGS, "")
    wait_for(lambda: cluster.ready() == {"node1"}, "that node2 is missed", 60)
    cluster.boot("node2")
    wait_for(lambda: "node2" in cluster.ready(), "that node2 is back", 60)
    wait_for(lambda: _restarts(cluster, namespace) == 1, "the pod's restart", 60)
    wait_for(lambda: not pod_status.lost(_pod(cluster, namespace)), "that the pod takes it back", 15)
    cluster.await_ready(namespace, "lost")
    assert cluster.python(namespace, "lost", "print(open('/scratch/word').read())") == "still here\n"


def _pod(cluster: Cluster, namespace: str) -> dict[str, Any]:
    return cluster.get(f"/api/v1/namespaces/{namespace}/pods/lost")


def _restarts(cluster: Cluster, namespace: str) -> int:
    statuses = _pod(cluster, namespace)["status"].get("containerStatuses", [])
    return sum(int(status["restartCount"]) for status in statuses)
