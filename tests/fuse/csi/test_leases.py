"""A pod that is started on another node has its user's data there, and the node before, which may live, shows it no more."""

import json
import time
from pathlib import Path

import pytest
from bowerbird_config.pods import Pod
from bowerbird_fuse.csi.leases import Lease, Leases

from tests.fuse.csi.conftest import Node
from tests.support.data_rig import eventually

FIRST, SECOND = Pod("users", "ann", "uid-1"), Pod("users", "ann", "uid-2")


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def test_the_node_before_is_named_until_it_had_its_time(storage: Path) -> None:
    here, there = Leases(storage, "node-1"), Leases(storage, "node-2")
    assert here.take(FIRST) == Lease("uid-1", "node-1")
    assert here.lost(FIRST) is None
    # The second call is one after a plugin that ended while it waited.
    assert [there.take(SECOND).before for _ in range(2)] == ["node-1", "node-1"]
    assert here.lost(FIRST) == Lease("uid-2", "node-2", "node-1")
    there.settle(SECOND)
    assert there.take(SECOND).before == ""
    assert there.lost(SECOND) is None


def test_a_lease_that_was_given_back_makes_nobody_wait(storage: Path) -> None:
    here, there = Leases(storage, "node-1"), Leases(storage, "node-2")
    here.take(FIRST)
    here.give_back(FIRST)
    assert there.take(SECOND).before == ""
    # It is another's by now.
    here.give_back(FIRST)
    assert here.lost(FIRST) == Lease("uid-2", "node-2")


def test_a_pod_of_another_name_or_the_next_one_on_the_same_node_takes_nothing_from_a_node(storage: Path) -> None:
    here, there = Leases(storage, "node-1"), Leases(storage, "node-2")
    here.take(FIRST)
    assert there.take(Pod("users", "ann--second", "uid-3")).before == ""
    assert here.lost(FIRST) is None
    assert here.take(SECOND).before == ""
    # Kubelet ends it.
    assert here.lost(FIRST) is None
    assert there.lost(FIRST) == Lease("uid-2", "node-1")


def test_a_lease_that_cannot_be_read_takes_nothing_away(storage: Path) -> None:
    here = Leases(storage, "node-1")
    here.take(FIRST)
    next(storage.iterdir()).write_bytes(b"\0" * 8)
    assert here.lost(FIRST) is None


# What somebody at work does: writes to a file that is open, and says how it ended.
WRITING = """
    file = open('home/diary', 'ab', buffering=0)
    Path('home/started').touch()
    end = 'nothing went wrong'
    for number in range(3000):
        try:
            file.write(b'line\\n')
        except OSError as error:
            end = errno.errorcode[error.errno]
            break
        time.sleep(0.02)
    answer = end
"""


@pytest.mark.root
@pytest.mark.fuse
def test_a_node_that_was_only_cut_off_finds_its_writes_refused(node: Node) -> None:
    child = node.published("ann1").start(WRITING)
    other = node.published("bob1", "bob")
    eventually((node.rig.var.homes / "ann/started").exists, 20)
    volume = node.kubelet.volume("ann1")
    there = Leases(node.rig.var.leases, "node-2")
    assert there.take(Pod(volume.context["csi.storage.k8s.io/pod.namespace"], "ann1", "of-the-next")).before == "node-1"
    out, err = child.communicate(timeout=30)
    assert json.loads(out)["answer"] in {"ENOTCONN", "ECONNABORTED"}, (out, err)
    diary = node.rig.var.homes / "ann/diary"
    eventually(lambda: node.views() == ["bob"], 20)
    size = diary.stat().st_size
    assert node.mounted(volume) == 0
    assert other.do("answer = sorted(os.listdir('releases/sky'))") == ["dr1", "dr3", "dr4"]
    node.kubelet.unpublish(volume)
    assert diary.stat().st_size == size
    assert [path.name for path in node.rig.var.leases.iterdir() if "ann1" in path.name] != []


@pytest.mark.root
@pytest.mark.fuse
def test_another_pod_of_the_same_user_goes_on_with_a_view_mounted_anew(node: Node) -> None:
    node.published("ann1")
    second = node.published("ann2")
    volume = node.kubelet.volume("ann1")
    Leases(node.rig.var.leases, "node-2").take(Pod(volume.context["csi.storage.k8s.io/pod.namespace"], "ann1", "of-the-next"))
    eventually(lambda: node.mounted(volume) == 0, 20)
    eventually(lambda: node.mounted(node.kubelet.volume("ann2")) == 2, 20)
    second.do("Path('home/f').write_text('goes on')")


@pytest.mark.root
@pytest.mark.fuse
def test_a_pod_that_was_on_another_node_waits_until_that_has_noticed(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    pod = Pod(volume.context["csi.storage.k8s.io/pod.namespace"], "ann1", "of-the-last")
    Leases(node.rig.var.leases, "node-2").take(pod)
    began = time.monotonic()
    node.kubelet.publish(volume, seconds=60)
    assert time.monotonic() - began > 15
    assert Leases(node.rig.var.leases, "node-2").lost(pod) is not None
    node.kubelet.unpublish(volume)
    assert list(node.rig.var.leases.iterdir()) == []
