"""A claim of the default storage class is made on a node's disk, and keeps its files from pod to pod."""

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.objects import claim, pod

pytestmark = pytest.mark.cluster


def test_a_claim_keeps_its_files_from_pod_to_pod(cluster: Cluster, namespace: str):
    volumes = {"/kept": {"persistentVolumeClaim": {"claimName": "kept"}}}
    cluster.apply(claim(namespace, "kept"), pod(namespace, "writer", volumes=volumes))
    cluster.await_ready(namespace, "writer")
    cluster.python(namespace, "writer", "open('/kept/word', 'w').write('kept')")
    cluster.kubectl("delete", "pod", "-n", namespace, "writer", "--wait")
    cluster.apply(pod(namespace, "reader", volumes=volumes))
    cluster.await_ready(namespace, "reader")
    assert cluster.python(namespace, "reader", "print(open('/kept/word').read())") == "kept\n"
