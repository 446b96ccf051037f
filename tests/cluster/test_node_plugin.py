"""The node plugin's pods on real kubelets: a pod sees its user's files, one that nobody knows gets nothing, a replaced plugin is a pause.

A door of the tests' own stands in the hub's place (tests/support/cluster/door.py): what it is asked, and whose tokens these are, is real.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.identity import IdentityRecord

from tests.support.cluster import door
from tests.support.cluster.cluster import Cluster
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object, pod
from tests.support.cluster.platform_images import name_of
from tests.support.cluster.release import Release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
ANN = IdentityRecord(1, "ann", 611001, 611001)
# Appends a line every 20 ms to an open file, looks into the directory, and tells how long it waited at most and what went wrong.
_BUSY = """
import json, os, time
file, longest, faults, count = open("/run/volume/data/home/diary", "a"), 0.0, [], 0
while True:
    began = time.monotonic()
    try:
        file.write(f"{count}\\n"); file.flush(); os.listdir("/run/volume/data/home"); count += 1
    except OSError as error:
        faults.append(str(error))
    longest = max(longest, time.monotonic() - began)
    with open("/tmp/told.new", "w") as told: json.dump({"count": count, "longest": longest, "faults": faults}, told)
    os.rename("/tmp/told.new", "/tmp/told")
    time.sleep(0.02)
"""


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
        "env": [each for each in hub["env"] if each["name"].startswith("BOWERBIRD_NODE_")],
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


@pytest.fixture(scope="module")
def opened(shared_release: Release) -> Iterator[Release]:
    """The release with a door that knows the pods ann-one and ann-two as Ann's."""
    cluster, name = shared_release.cluster, shared_release.name
    cluster.kubectl("scale", "-n", name, f"deployment/{name}-hub", "--replicas=0")
    users = json.dumps(dict.fromkeys(("ann-one", "ann-two"), ANN.to_json()))
    files = {"door.py": Path(door.__file__).read_text(encoding="utf-8"), "users.json": users}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-door", "namespace": name}, "data": files})
    cluster.apply(_door_pod(shared_release))
    cluster.await_ready(name, "door", seconds=180)
    yield shared_release
    cluster.kubectl("delete", "pod", "-n", name, "door")
    cluster.kubectl("scale", "-n", name, f"deployment/{name}-hub", "--replicas=1")


@pytest.fixture
def plugin(opened: Release, cluster: Cluster) -> Release:
    """The release, with its node plugin Ready on both nodes."""
    wait_for(lambda: opened.all_ready("data", opened.data, 2), "the node plugins", 60)
    return opened


@pytest.fixture
def made(plugin: Release) -> Iterator[Any]:
    """Makes a pod with a user's volume, on the first node; it is deleted afterwards."""
    names: list[str] = []

    def make(name: str, *command: str) -> None:
        volume = {"csi": {"driver": plugin.driver, "volumeAttributes": {"layout": "1"}}}
        wished = pod(
            plugin.users, name, node="node1", volumes={"/run/volume": volume}, uid=ANN.uid, command=command or ("sleep", "infinity")
        )
        plugin.cluster.apply(wished)
        names.append(name)

    yield make
    for name in names:
        plugin.cluster.kubectl("delete", "pod", "-n", plugin.users, name, "--ignore-not-found")


def test_what_is_written_in_one_pod_is_read_in_the_next(plugin: Release, made: Any):
    made("ann-one")
    plugin.cluster.await_ready(plugin.users, "ann-one", seconds=180)
    run = partial(plugin.cluster.python, plugin.users)
    run("ann-one", "open('/run/volume/home/ann/word', 'w').write('kept')")
    assert run("ann-one", "print(open('/run/volume/etc/passwd').read(), end='')").startswith("ann:x:611001:")
    assert run("ann-one", "print(open('/run/volume/etc/token').read())") == "of-the-server\n"
    plugin.cluster.kubectl("delete", "pod", "-n", plugin.users, "ann-one")
    made("ann-two")
    plugin.cluster.await_ready(plugin.users, "ann-two", seconds=180)
    assert (
        run("ann-two", "import os; print(open('/run/volume/data/home/word').read(), os.stat('/run/volume/data/home/word').st_uid)")
        == "kept 611001\n"
    )


def test_a_pod_that_the_hub_has_not_made_gets_nothing_and_its_event_says_so(plugin: Release, made: Any):
    made("stranger")
    sentence = f"pod {plugin.users}/stranger is no server that this hub has started"

    def refused() -> bool:
        return sentence in plugin.cluster.kubectl("events", "-n", plugin.users, "--for", "pod/stranger")

    wait_for(refused, "the refusal", 60, every=0.5)


def test_a_plugin_that_is_replaced_is_a_pause_for_open_files(plugin: Release, made: Any):
    made("ann-one", "python3", "-c", _BUSY)
    plugin.cluster.await_ready(plugin.users, "ann-one", seconds=180)
    before = _told(plugin)
    (old,) = (each for each in plugin.pods("data", plugin.data) if each["spec"]["nodeName"] == "node1")
    plugin.cluster.kubectl("delete", "pod", "-n", plugin.data, old["metadata"]["name"], seconds=120)
    wait_for(lambda: plugin.all_ready("data", plugin.data, 2), "the next plugin", 90)
    between = _told(plugin)["count"]
    wait_for(lambda: _told(plugin)["count"] > between + 50, "more lines", 60)
    after = _told(plugin)
    assert after["faults"] == []
    assert after["count"] > before["count"]
    lines = plugin.cluster.python(plugin.users, "ann-one", "print(open('/run/volume/data/home/diary').read())").split()
    assert lines[: after["count"]] == [f"{number}" for number in range(after["count"])]


def _told(release: Release) -> dict[str, Any]:
    wait_for(lambda: bool(_words(release)), "its first words", 30)
    told: dict[str, Any] = json.loads(_words(release))
    return told


def _words(release: Release) -> str:
    program = "import os; print(open('/tmp/told').read() if os.path.exists('/tmp/told') else '', end='')"
    return release.cluster.python(release.users, "ann-one", program)


def test_nothing_of_a_volume_is_left_on_its_node(plugin: Release, made: Any):
    made("ann-one")
    plugin.cluster.await_ready(plugin.users, "ann-one", seconds=180)
    assert "kubernetes.io~csi" in plugin.cluster.inside("node1", "cat", "/proc/self/mountinfo")
    plugin.cluster.kubectl("delete", "pod", "-n", plugin.users, "ann-one")
    wait_for(lambda: "kubernetes.io~csi" not in plugin.cluster.inside("node1", "cat", "/proc/self/mountinfo"), "the mount's end", 60)
