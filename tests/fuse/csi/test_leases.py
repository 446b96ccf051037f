"""A pod that is started on another node has its user's data there, and the node before, which may live, shows it no more."""

import contextlib
import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from bowerbird_config.pods import Pod
from bowerbird_fuse.csi.errors import Busy
from bowerbird_fuse.csi.leases import Lease, Leases

from tests.fuse.csi.conftest import TAKEN_SECONDS, Node
from tests.support.data_rig import Person, eventually
from tests.support.kubelet import CallFailed, PodVolume

FIRST, SECOND, THIRD = (Pod("users", "ann", f"uid-{number}") for number in (1, 2, 3))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def node_of(storage: Path, number: int, *, later: bool = False) -> Leases:
    """Return the leases as a node's plugin has them; `later` as the next one of that node, when all time to notice is over."""
    return Leases(storage, f"node-{number}", 0 if later else 1000)


def kept(storage: Path) -> dict[str, Any]:
    return dict(json.loads((storage / "users ann").read_bytes()))


def test_the_node_before_is_given_time_once(storage: Path) -> None:
    here, there = node_of(storage, 1), node_of(storage, 2)
    assert here.take(FIRST) == Lease("uid-1", "node-1")
    assert here.lost(FIRST) is None
    lease = there.take(SECOND)
    assert (lease.before, there.seconds_left(lease) > 990) == ("node-1", True)
    assert here.lost(FIRST) == lease
    # Kubelet asks again, and so does the next plugin's.
    assert there.take(SECOND) == node_of(storage, 2).take(SECOND) == lease
    assert node_of(storage, 2, later=True).seconds_left(lease) == 0
    assert there.lost(SECOND) is None


def of_before_numbers(storage: Path) -> None:
    """Let the lease be one that the plugin of before has written."""
    told = kept(storage)
    del told["number"]
    (storage / "users ann").write_bytes(json.dumps(told).encode().ljust(4096))


def test_a_lease_of_before_numbers_is_waited_for_and_given_back_as_any(storage: Path) -> None:
    node_of(storage, 1).take(FIRST)
    of_before_numbers(storage)
    here = node_of(storage, 1)
    assert here.mine() == {FIRST}
    lease = node_of(storage, 2).take(SECOND)
    assert lease.before == "node-1"
    assert here.lost(FIRST) == lease
    of_before_numbers(storage)
    later = node_of(storage, 2, later=True)
    assert later.mine() == {SECOND}
    later.give_back(SECOND)
    assert kept(storage)["free"] is True


def test_a_lease_that_a_plugin_of_before_numbers_has_taken_is_not_late(storage: Path) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    node_of(storage, 2).take(SECOND)
    of_before_numbers(storage)
    assert here.lost(FIRST) is not None
    assert kept(storage)["uid"] == "uid-2"


def test_a_lease_that_is_taken_while_it_is_given_back_stays_this_nodes(storage: Path) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    # What is read at the first look would hide it.
    here.mine()
    taking = threading.Thread(target=here.take, args=(FIRST,))

    class Slow(dict[Pod, Lease | None]):
        def pop(self, *told: Any) -> Any:
            taking.start()
            # As long as it might take to take it, were it not kept out.
            taking.join(0.3)
            return super().pop(*told)

    here._mine = Slow(here._mine)
    here.give_back(FIRST)
    taking.join(10)
    assert here.mine() == {FIRST}
    assert kept(storage)["free"] is False


def test_the_next_pod_on_the_node_waits_for_what_the_last_one_waited_for(storage: Path) -> None:
    node_of(storage, 1).take(FIRST)
    there = node_of(storage, 2)
    waited = there.take(SECOND)
    assert there.take(THIRD) == replace(waited, uid="uid-3")
    assert node_of(storage, 1).lost(FIRST) == replace(waited, uid="uid-3")


def test_a_node_that_has_booted_waits_anew_and_not_for_ever(storage: Path) -> None:
    node_of(storage, 1).take(FIRST)
    there = node_of(storage, 2)
    there.take(SECOND)
    # As of a machine that was up for longer.
    (storage / "users ann").write_text(json.dumps(kept(storage) | {"taken": time.monotonic() + 1e6}))
    assert 990 < there.seconds_left(there.take(SECOND)) <= 1000


def test_a_lease_that_was_given_back_makes_nobody_wait(storage: Path) -> None:
    here, there = node_of(storage, 1), node_of(storage, 2)
    here.take(FIRST)
    here.give_back(FIRST)
    assert here.mine() == set()
    assert there.take(SECOND) == Lease("uid-2", "node-2")
    # It is another's by now.
    here.give_back(FIRST)
    assert here.lost(FIRST) == Lease("uid-2", "node-2")


def test_a_node_that_comes_back_late_has_lost_what_was_given_back_since(storage: Path) -> None:
    here, there = node_of(storage, 1), node_of(storage, 2, later=True)
    here.take(FIRST)
    there.take(SECOND)
    there.give_back(SECOND)
    assert kept(storage)["free"] is True
    lost = here.lost(FIRST)
    assert lost is not None
    assert lost.node == "node-2"
    assert node_of(storage, 3).take(THIRD) == Lease("uid-3", "node-3")


def test_a_lease_stays_while_the_node_before_has_yet_to_notice(storage: Path) -> None:
    node_of(storage, 1).take(FIRST)
    there = node_of(storage, 2)
    there.take(SECOND)
    there.give_back(SECOND)
    assert there.mine() == {SECOND}
    assert kept(storage)["free"] is False
    assert node_of(storage, 3).take(THIRD).before == "node-2"
    assert node_of(storage, 1).lost(FIRST) is not None


def test_a_lease_of_a_pod_that_is_here_is_not_given_back(storage: Path) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    here.give_back(FIRST, lambda pod: pod == FIRST)
    assert here.mine() == {FIRST}
    assert kept(storage)["free"] is False


def test_the_next_plugin_knows_the_leases_of_its_node(storage: Path) -> None:
    node_of(storage, 1).take(FIRST)
    node_of(storage, 2).take(Pod("users", "bob", "uid-4"))
    node_of(storage, 1).take(Pod("users", "cyd", "uid-5"))
    node_of(storage, 1).give_back(Pod("users", "cyd", "uid-5"))
    (storage / "users dan").symlink_to("nowhere")
    assert node_of(storage, 1).mine() == {FIRST}


def test_a_lease_that_another_node_writes_is_asked_for_again(storage: Path) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    with (storage / "users ann").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for ask in (here.take, here.give_back, node_of(storage, 2).take):
            with pytest.raises(Busy):
                ask(SECOND)
        # To look is no writing.
        assert here.lost(FIRST) is None
    assert here.take(FIRST) == Lease("uid-1", "node-1")


def test_of_many_nodes_one_at_a_time_has_the_lease(storage: Path) -> None:
    names = [f"node-{number}" for number in range(8)]

    def take(name: str) -> Lease:
        pod = Pod("users", "ann", f"uid-of-{name}")
        while True:
            with contextlib.suppress(Busy):
                return Leases(storage, name, 1000).take(pod)

    with ThreadPoolExecutor(len(names)) as pool:
        taken = list(pool.map(take, names))
    # Each has another one before it, and one has none.
    assert sorted([*(lease.before for lease in taken), kept(storage)["node"]]) == ["", *names]


def test_a_pod_of_another_name_or_the_next_one_on_the_same_node_takes_nothing_from_a_node(storage: Path) -> None:
    here, there = node_of(storage, 1), node_of(storage, 2)
    here.take(FIRST)
    assert there.take(Pod("users", "ann--second", "uid-3")).before == ""
    assert here.lost(FIRST) is None
    assert here.take(SECOND).before == ""
    # Kubelet ends it.
    assert here.lost(FIRST) is None
    assert there.lost(FIRST) == Lease("uid-2", "node-1")


def test_a_node_that_hung_while_it_took_a_lease_has_not_taken_it(storage: Path) -> None:
    # All time is over when it goes on.
    hung = Leases(storage, "node-1", 1000, locked_seconds=-1)
    with pytest.raises(Busy, match="the storage did not answer in time about the lease of pod users/ann"):
        hung.take(FIRST)
    assert (storage / "users ann").read_bytes() == b""
    there = node_of(storage, 2)
    assert there.take(SECOND).before == ""
    for act in (hung.take, lambda pod: hung.give_back(replace(pod, uid="uid-2"))):
        with contextlib.suppress(Busy):
            act(FIRST)
        assert there.lost(SECOND) is None
    assert kept(storage)["uid"] == "uid-2"


@pytest.mark.parametrize("free", [False, True])
def test_what_a_hung_node_writes_late_takes_nothing_from_who_came_after_it(storage: Path, free: bool) -> None:
    node_of(storage, 3).take(THIRD)
    before = (storage / "users ann").read_bytes()
    node_of(storage, 1).take(FIRST)
    late = (storage / "users ann").read_text()
    # Its lock was taken from it, and what it wrote has not come yet.
    (storage / "users ann").write_bytes(before)
    there = node_of(storage, 2)
    taken = there.take(SECOND)
    (storage / "users ann").write_text(json.dumps(json.loads(late) | {"free": free}))
    assert there.lost(SECOND) is None
    assert kept(storage)["uid"] == "uid-2"
    # Who comes after it has a higher number.
    assert node_of(storage, 3).take(THIRD).before == "node-2"
    lost = there.lost(SECOND)
    assert (lost and lost.uid, taken.before) == ("uid-3", "node-3")


def test_a_lease_that_was_free_for_months_is_removed_when_a_plugin_starts(storage: Path) -> None:
    here = node_of(storage, 1)
    names = ("ann", "bob", "cyd")
    for name in names:
        here.take(Pod("users", name, "uid"))
    for name in ("ann", "bob"):
        here.give_back(Pod("users", name, "uid"))
    long_ago = time.time() - 91 * 86400
    for name in ("ann", "cyd"):
        os.utime(storage / f"users {name}", (long_ago, long_ago))
    assert node_of(storage, 2).mine() == set()
    assert {path.name for path in storage.iterdir()} == {"users bob", "users cyd"}
    assert node_of(storage, 2).take(SECOND) == Lease("uid-2", "node-2")


def test_a_lease_that_is_removed_while_it_is_opened_is_asked_for_again(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    flock = fcntl.flock

    def removed(fd: int, how: int) -> None:
        (storage / "users ann").unlink(missing_ok=True)
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", removed)
    with pytest.raises(Busy, match="made anew"):
        here.take(FIRST)
    monkeypatch.undo()
    assert here.take(FIRST) == Lease("uid-1", "node-1")


def test_a_lease_that_cannot_be_read_takes_nothing_away(storage: Path) -> None:
    here = node_of(storage, 1)
    here.take(FIRST)
    next(storage.iterdir()).write_bytes(b"\0" * 8)
    assert here.lost(FIRST) is None


def pod_of(volume: PodVolume, uid: str) -> Pod:
    said = volume.context
    return Pod(said["csi.storage.k8s.io/pod.namespace"], said["csi.storage.k8s.io/pod.name"], uid)


def taken_elsewhere(node: Node, *volumes: PodVolume) -> None:
    """Start pods of the same names on node-2."""
    for volume in volumes:
        assert Leases(node.rig.var.leases, "node-2", 1000).take(pod_of(volume, "of-the-next")).before == "node-1"


def lease_of(node: Node, pod: str) -> Path:
    return node.rig.var.leases / f"people {pod}"


def free(node: Node, pod: str) -> bool:
    return bool(json.loads(lease_of(node, pod).read_bytes())["free"])


# What somebody at work does: writes to a file that is open, and when that ends opens it anew as often as may be; says how the
# first ended, how many lines were written, and how many of them after that.
WRITING = """
    file = open('home/diary', 'ab', buffering=0)
    Path('home/started').touch()
    lines, end, after, until = 0, None, 0, time.monotonic() + 60
    while time.monotonic() < until:
        try:
            file.write(b'line\\n')
            lines, after = lines + 1, after + bool(end)
        except OSError as error:
            if not end:
                end, until = errno.errorcode[error.errno], time.monotonic() + 4
            try: file = open('/mnt/data/home/diary', 'ab', buffering=0)
            except OSError: pass
        time.sleep(0.02)
    answer = [end, lines, after]
    os._exit(print(json.dumps(answer), flush=True) or 0)
"""


@pytest.mark.root
@pytest.mark.fuse
def test_a_node_that_was_only_cut_off_finds_its_writes_refused(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    ann = node.published("ann1")
    child = Person(ann.record, volume.target).start("os.chdir('data')\n" + dedent(WRITING))
    other = node.published("bob1", "bob")
    eventually((node.rig.var.homes / "ann/started").exists, 20)
    taken_elsewhere(node, volume)
    out, err = child.communicate(timeout=60)
    assert out, err
    end, lines, after = json.loads(out)
    assert (end in {"ENOTCONN", "ECONNABORTED"}, after) == (True, 0)
    assert (node.rig.var.homes / "ann/diary").stat().st_size == lines * len("line\n")
    assert node.views() == ["bob"]
    assert node.mounted(volume) == 0
    assert other.do("answer = sorted(os.listdir('releases/sky'))") == ["dr1", "dr3", "dr4"]
    node.kubelet.unpublish(volume)
    assert not free(node, "ann1")


@pytest.mark.root
@pytest.mark.fuse
def test_another_pod_of_the_same_user_goes_on_with_a_view_mounted_anew(node: Node) -> None:
    node.published("ann1")
    second = node.published("ann2")
    volume = node.kubelet.volume("ann1")
    taken_elsewhere(node, volume)
    eventually(lambda: node.mounted(volume) == 0, 20)
    eventually(lambda: node.mounted(node.kubelet.volume("ann2")) == 2, 20)
    second.do("Path('home/f').write_text('goes on')")


@pytest.mark.root
@pytest.mark.fuse
def test_a_lease_that_cannot_be_opened_keeps_no_other_pod_its_data(node: Node) -> None:
    for pod, user in (("ann1", "ann"), ("bob1", "bob"), ("ann2", "ann")):
        node.published(pod, user)
    lease_of(node, "ann1").unlink()
    lease_of(node, "ann1").symlink_to("nowhere")
    lost = [node.kubelet.volume("bob1"), node.kubelet.volume("ann2")]
    taken_elsewhere(node, *lost)
    eventually(lambda: [node.mounted(volume) for volume in lost] == [0, 0], 20)


@pytest.mark.root
@pytest.mark.fuse
def test_what_is_lost_is_not_shown_again_where_its_directory_cannot_be_removed(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    volume.target.mkdir()
    (volume.target / "in-the-way").touch()
    node.kubelet.publish(volume)
    taken_elsewhere(node, volume)
    eventually(lambda: not node.left(), 20)
    eventually(lambda: node.views() == [], 20)
    assert node.mounted(volume) == 0
    assert node.rig.log.read_text().count("what it had of ann here is taken away") == 1


@pytest.mark.root
@pytest.mark.fuse
def test_storage_that_does_not_answer_keeps_no_other_pod_its_data(node: Node) -> None:
    node.published("ann1")
    node.published("ann2")
    first, second = node.kubelet.volume("ann1"), node.kubelet.volume("ann2")
    with unanswered(lease_of(node, "ann1")):
        call = threading.Thread(target=node.kubelet.unpublish, args=(first,))
        call.start()
        eventually(lambda: node.mounted(first) == 0, 20)
        worker = node.rig.worker("ann")
        node.rig.kill_holder()
        node.rig.kill_keeper()
        os.kill(worker, signal.SIGKILL)
        node.rig.start()
        eventually(lambda: node.mounted(second) == 2, 20)
        assert call.is_alive()
    call.join(20)
    eventually(lambda: free(node, "ann1"), 20)


@contextlib.contextmanager
def unanswered(path: Path) -> Iterator[None]:
    """Let whoever opens a file wait: the kernel asks us to give up the file's lease, and we do not, for less than its 45 s."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with path.open("r+b") as file:
            # It is refused while somebody has the file open, as the plugin has now and then.
            eventually(lambda: _leased(file.fileno()))
            yield
    finally:
        signal.signal(signal.SIGIO, before)


def _leased(fd: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    return False


@pytest.mark.root
@pytest.mark.fuse
def test_a_pod_that_was_on_another_node_is_shown_its_data_when_that_has_noticed(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    last = pod_of(volume, "of-the-last")
    there = Leases(node.rig.var.leases, "node-2", 1000)
    there.take(last)
    began = time.monotonic()
    refused = list(asked_until_published(node, volume))
    assert time.monotonic() - began >= TAKEN_SECONDS
    assert {failed.code for failed in refused} == {"UNAVAILABLE"}
    assert refused[0].words == "pod people/ann1 was on node node-2, which is given time to notice that it is here now"
    assert there.lost(last) is not None
    node.kubelet.unpublish(volume)
    assert free(node, "ann1")


def asked_until_published(node: Node, volume: PodVolume) -> Iterator[CallFailed]:
    """Ask for a volume as kubelet does, again and again, and yield each refusal."""
    while True:
        try:
            node.kubelet.publish(volume)
        except CallFailed as failed:
            yield failed
            assert node.mounted(volume) == 0
            time.sleep(0.1)
        else:
            return


@pytest.mark.root
@pytest.mark.fuse
def test_the_lease_of_a_pod_that_gets_nothing_is_given_back_when_the_node_before_had_its_time(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    there = Leases(node.rig.var.leases, "node-2", 1000)
    there.take(pod_of(volume, "of-the-last"))
    began = time.monotonic()
    with pytest.raises(CallFailed):
        node.kubelet.publish(volume)
    # The pod is deleted, and kubelet asks no more.
    eventually(lambda: free(node, "ann1"), 20)
    assert time.monotonic() - began >= TAKEN_SECONDS


@pytest.mark.root
@pytest.mark.fuse
def test_the_lease_of_a_volume_that_could_not_be_mounted_is_given_back(node: Node) -> None:
    node.knows(ghost="ghost")  # The hub never says who that is.
    with pytest.raises(CallFailed):
        node.kubelet.publish(node.kubelet.volume("ghost"))
    eventually(lambda: free(node, "ghost"), 20)


@pytest.mark.root
@pytest.mark.fuse
def test_the_next_plugin_gives_back_what_shows_nothing_and_keeps_what_does(node: Node) -> None:
    node.published("ann1")
    node.stop()
    gone = Pod("people", "ann2", "of-an-earlier-boot")
    Leases(node.rig.var.leases, "node-1", 1000).take(gone)
    node.start()
    eventually(lambda: free(node, "ann2"), 20)
    assert not free(node, "ann1")


@pytest.mark.root
@pytest.mark.fuse
def test_a_pod_that_only_reads_has_no_lease(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    node.kubelet.publish(volume, readonly=True)
    node.kubelet.unpublish(volume)
    assert not lease_of(node, "ann1").exists()
