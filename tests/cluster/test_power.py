"""A node that loses its power is missed, and comes back with its pods and their files."""

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]


def test_a_node_without_power_is_missed_and_comes_back_with_its_pods(cluster: Cluster, namespace: str):
    cluster.apply(pod(namespace, "lost", node="node2", volumes={"/scratch": {"emptyDir": {}}}))
    cluster.await_ready(namespace, "lost")
    cluster.python(namespace, "lost", "open('/scratch/word', 'w').write('still here')")
    cluster.power_cut("node2")
    wait_for(lambda: cluster.ready() == {"node1"}, "that node2 is missed", 60)
    cluster.boot("node2")
    wait_for(lambda: "node2" in cluster.ready(), "that node2 is back", 60)
    wait_for(lambda: _restarts(cluster, namespace) == 1, "the pod's restart", 60)
    cluster.await_ready(namespace, "lost")
    assert cluster.python(namespace, "lost", "print(open('/scratch/word').read())") == "still here\n"


def _restarts(cluster: Cluster, namespace: str) -> int:
    statuses = cluster.get(f"/api/v1/namespaces/{namespace}/pods/lost")["status"].get("containerStatuses", [])
    return sum(int(status["restartCount"]) for status in statuses)
