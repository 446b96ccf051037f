"""A door of the tests' own in the place of a release's hub, and pods that it knows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bowerbird_config.identity import IdentityRecord

from tests.support.cluster import door
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object, pod
from tests.support.cluster.platform_images import name_of
from tests.support.cluster.release import Release

_READY_SECONDS = 180
# What a volume that a node mounts later is seen at.
VOLUME = "/run/volume"


@contextmanager
def standing_door(release: Release, users: Mapping[str, IdentityRecord]) -> Iterator[None]:
    """Put the hub away and let a door answer node plugins while the block runs, to which pods of those names are those users'."""
    cluster, name = release.cluster, release.name
    cluster.kubectl("scale", "-n", name, f"deployment/{name}-hub", "--replicas=0")
    known = json.dumps({pod_name: record.to_json() for pod_name, record in users.items()})
    files = {"door.py": Path(door.__file__).read_text(encoding="utf-8"), "users.json": known}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-door", "namespace": name}, "data": files})
    cluster.apply(_door_pod(release))
    try:
        cluster.await_ready(name, "door", seconds=_READY_SECONDS)
        wait_for(lambda: release.all_ready("data", release.data, 2), "the node plugins", 60)
        yield
    finally:
        cluster.kubectl("delete", "pod", "-n", name, "door")
        cluster.kubectl("scale", "-n", name, f"deployment/{name}-hub", "--replicas=1")


def _door_pod(release: Release) -> Object:
    """Return the pod that answers node plugins in the hub's place: its labels, its account, and so its policies and rights."""
    configured = release.cluster.get(f"/apis/apps/v1/namespaces/{release.name}/deployments/{release.name}-hub")["spec"]["template"]
    (hub, *_) = configured["spec"]["containers"]
    files = [("door", f"{release.name}-door"), ("platform", f"{release.name}-platform")]
    container = {
        "name": "door",
        "image": name_of("hub"),
        "imagePullPolicy": "Never",
        "command": ["python3", "/door/door.py", release.driver, "/platform/platform.yaml", "/door/users.json"],
        "env": [each for each in hub["env"] if each["name"].startswith(("BOWERBIRD_NODE_", "BOWERBIRD_SERVICES_ACCOUNT"))],
        "ports": [{"name": "nodes", "containerPort": 8083}],
        "readinessProbe": {"tcpSocket": {"port": "nodes"}, "periodSeconds": 1},
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name, _ in files],
    }
    spec = {
        "serviceAccountName": f"{release.name}-hub",
        "terminationGracePeriodSeconds": 0,
        "securityContext": configured["spec"]["securityContext"],
        "containers": [container],
        "volumes": [{"name": name, "configMap": {"name": source}} for name, source in files],
    }
    metadata = {"name": "door", "namespace": release.name, "labels": configured["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def user_pod(release: Release, name: str, uid: int, command: Sequence[str] = ("sleep", "infinity"), volume: Any = None) -> Object:
    """Return a pod on the first node that asks for its user's volume, or has another in that place."""
    own = {"csi": {"driver": release.driver, "volumeAttributes": {"layout": "1"}}}
    return pod(release.users, name, node="node1", volumes={VOLUME: volume or own}, uid=uid, command=command)
