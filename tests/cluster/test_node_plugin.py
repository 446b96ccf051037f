"""The node plugin's pods on real kubelets: a pod sees its user's files, one that nobody knows gets nothing, a replaced plugin is a pause.

A door of the tests' own stands in the hub's place (tests/support/cluster/door.py): what it is asked, and whose tokens these are, is real.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from bowerbird_config.identity import IdentityRecord

from tests.support.cluster.busy import BUSY, told
from tests.support.cluster.cluster import Cluster
from tests.support.cluster.machine import wait_for
from tests.support.cluster.node_plugin import await_plugin, delete_plugin, roll_plugin
from tests.support.cluster.release import Release
from tests.support.cluster.standing_door import standing_door, user_pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
ANN = IdentityRecord(1, "ann", 611001, 611001)


@pytest.fixture(scope="module")
def opened(shared_release: Release) -> Iterator[Release]:
    """The release with a door that knows the pods ann-one and ann-two as Ann's."""
    with standing_door(shared_release, dict.fromkeys(("ann-one", "ann-two"), ANN)):
        yield shared_release


@pytest.fixture
def plugin(opened: Release, cluster: Cluster) -> Release:
    """The release, with its node plugin Ready on both nodes."""
    await_plugin(opened)
    return opened


@pytest.fixture
def made(plugin: Release) -> Iterator[Any]:
    """Makes a pod with a user's volume, on the first node; it is deleted afterwards."""
    names: list[str] = []

    def make(name: str, *command: str) -> None:
        plugin.cluster.apply(user_pod(plugin, name, ANN.uid, command or ("sleep", "infinity")))
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


# Five times what is to be, as the machine has other work.
_PAUSE_SECONDS = 15.0


def pauses(plugin: Release, replace: Callable[[Release], None]) -> float:
    """Replace the plugin below a pod that writes, which misses nothing; return the longest that it waited."""
    before = told(plugin, "ann-one")["count"]
    replace(plugin)
    between = told(plugin, "ann-one")["count"]
    wait_for(lambda: told(plugin, "ann-one")["count"] > between + 50, "more lines", 60)
    after = told(plugin, "ann-one")
    assert after["faults"] == []
    assert after["count"] > before
    lines = plugin.cluster.python(plugin.users, "ann-one", f"print(open({after['diary']!r}).read())").split()
    assert lines[: after["count"]] == [f"{number}" for number in range(after["count"])]
    return float(after["longest"])


def test_a_plugin_that_is_replaced_is_a_pause_for_open_files_and_leaves_nothing_on_its_node(plugin: Release, made: Any):
    made("ann-one", "python3", "-c", BUSY)
    plugin.cluster.await_ready(plugin.users, "ann-one", seconds=180)
    assert pauses(plugin, roll_plugin) < _PAUSE_SECONDS
    listed = f"/api/v1/namespaces/{plugin.data}/pods?labelSelector=app.kubernetes.io/component=data"
    wait_for(lambda: len(plugin.cluster.get(listed)["items"]) == 2, "the end of the last pods", 60)
    mounted = plugin.cluster.inside("node1", "cat", "/proc/self/mountinfo").splitlines()
    assert [line for line in mounted if line.split()[4].endswith("/homes")] == []
    pauses(plugin, delete_plugin)


def test_nothing_of_a_volume_is_left_on_its_node(plugin: Release, made: Any):
    made("ann-one")
    plugin.cluster.await_ready(plugin.users, "ann-one", seconds=180)
    uid = plugin.cluster.get(f"/api/v1/namespaces/{plugin.users}/pods/ann-one")["metadata"]["uid"]
    assert f"{uid}/volumes/kubernetes.io~csi" in plugin.cluster.inside("node1", "cat", "/proc/self/mountinfo")
    plugin.cluster.kubectl("delete", "pod", "-n", plugin.users, "ann-one")
    wait_for(lambda: uid not in plugin.cluster.inside("node1", "cat", "/proc/self/mountinfo"), "the mount's end", 60)
