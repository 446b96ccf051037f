"""The node plugin over gRPC, on real mounts: what a pod sees, what is refused, what is left, and who goes on after whom."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.user_names import SERVICES_ACCOUNT

from tests.fuse.csi.conftest import DRIVER, Node
from tests.support.data_rig import Person, eventually
from tests.support.kubelet import CallFailed, PodVolume

pytestmark = [pytest.mark.root, pytest.mark.fuse]


def refused(node: Node, volume: PodVolume, seconds: float = 30) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        node.kubelet.publish(volume, seconds=seconds)
    return failed.value


def text(answer: list[tuple[int, int | bytes]]) -> dict[int, str]:
    return {number: value.decode() for number, value in answer if isinstance(value, bytes)}


def test_plugin_says_who_it_is_and_kubelet_finds_it(node: Node) -> None:
    call = node.kubelet.call
    assert text(call("csi.v1.Identity/GetPluginInfo")) == {1: DRIVER, 2: "0.1"}
    assert call("csi.v1.Identity/GetPluginCapabilities") == []
    assert call("csi.v1.Identity/Probe") == [(1, b"\x08\x01")]
    assert call("csi.v1.Node/NodeGetCapabilities") == []
    assert text(call("csi.v1.Node/NodeGetInfo")) == {1: "node-1"}
    about = text(call("pluginregistration.Registration/GetInfo", socket=node.kubelet.registration))
    assert about == {1: "CSIPlugin", 2: DRIVER, 3: str(node.kubelet.socket), 4: "1.0.0"}
    assert call("pluginregistration.Registration/NotifyRegistrationStatus", b"\x08\x01", socket=node.kubelet.registration) == []
    eventually(lambda: f"kubelet has registered {DRIVER}" in node.rig.log.read_text())
    for socket in (node.kubelet.socket, node.kubelet.registration):
        assert socket.stat().st_mode & 0o777 == 0o600


def test_two_pods_of_a_user_share_a_view_until_the_last_is_gone(node: Node) -> None:
    first, second = node.published("ann1"), node.published("ann2")
    first.do("Path('home/f').write_text('seen')")
    assert second.do("answer = [Path('home/f').read_text(), sorted(os.listdir('releases/sky'))]") == ["seen", ["dr1", "dr2", "dr4"]]
    assert node.views() == ["ann"]
    node.kubelet.unpublish(node.kubelet.volume("ann1"))
    assert second.do("answer = Path('home/f').read_text()") == "seen"
    assert node.views() == ["ann"]
    node.kubelet.unpublish(node.kubelet.volume("ann2"))
    assert node.views() == []
    assert node.left() == []
    assert not first.path.parent.exists()


def test_each_user_sees_what_is_theirs(node: Node) -> None:
    ann, bob = node.published("ann1"), node.published("bob1", "bob")
    assert [who.do("answer = sorted(os.listdir('releases/sky'))") for who in (ann, bob)] == [["dr1", "dr2", "dr4"], ["dr1", "dr3", "dr4"]]
    node.kubelet.unpublish(node.kubelet.volume("bob1"))
    assert node.views() == ["ann"]


def test_publishing_again_changes_nothing(node: Node) -> None:
    ann = node.published("ann1")
    held = ann.start("Path('home/on').touch()\nwhile not os.path.exists('home/off'): time.sleep(0.02)\nanswer = os.listdir('home')")
    eventually((node.rig.var.homes / "ann/on").exists, 20)
    node.knows()  # Whose pod it is, is not asked again.
    node.kubelet.publish(node.kubelet.volume("ann1"))
    assert node.mounted(node.kubelet.volume("ann1")) == 1
    (node.rig.var.homes / "ann/off").touch()
    assert '"answer"' in held.communicate(timeout=20)[0]


def test_unpublishing_what_is_not_there_is_fine(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    node.kubelet.unpublish(volume)
    node.kubelet.publish(volume)
    for _ in range(2):
        node.kubelet.unpublish(volume)
    assert not volume.target.exists()
    assert node.left() == []


# What somebody who may write nowhere is told at each place of a view.
_WRITES = """
    answer = [sorted(os.listdir('.')), os.listdir('teams'), sorted(os.listdir('releases/sky'))]
    answer.append([Path(f'releases/sky/{name}/catalogue.txt').read_text() for name in answer[-1]])
    for place in ('f', 'home/f', 'teams/ant/f', 'releases/f', 'releases/sky/dr2/f', 'releases/sky/dr2/catalogue.txt'):
        try: Path(place).write_text('x')
        except OSError as error: answer.append(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("readonly", [True, False])
def test_services_read_every_release_and_write_nowhere_whatever_their_pod_asks_for(node: Node, readonly: bool) -> None:
    everything = ["dr1", "dr2", "dr3", "dr4"]
    node.rig.know(IdentityRecord(0, SERVICES_ACCOUNT, 611009, 611009))
    node.knows(vo=SERVICES_ACCOUNT)
    volume = node.kubelet.volume("vo")
    node.kubelet.publish(volume, readonly=readonly)
    services = Person(node.rig.records[SERVICES_ACCOUNT], volume.target / "data")
    top, teams, releases, texts, *refusals = services.do(_WRITES)
    assert top == [".view.json", "private", "public", "releases", "teams"]
    assert (teams, releases, texts) == ([], everything, [f"stars of {name}\n" for name in everything])
    assert len(refusals) == 6
    assert set(refusals) <= ({"EROFS", "ENOENT"} if readonly else {"EROFS", "ENOENT", "EACCES"})
    assert not (node.rig.var.homes / SERVICES_ACCOUNT).exists()
    # The next keeper takes the view over.
    node.rig.kill_keeper()
    node.rig.start()
    assert services.do("answer = Path('releases/sky/dr3/catalogue.txt').read_text()") == "stars of dr3\n"
    node.kubelet.unpublish(volume)
    assert node.views() == []
    assert node.left() == []


def test_read_only_volume_is_written_by_nobody(node: Node) -> None:
    volume = node.kubelet.volume("ann1")
    node.kubelet.publish(volume, readonly=True)
    ann = Person(node.rig.records["ann"], volume.target / "data")
    code = "try: Path('home/f').touch()\nexcept OSError as error: answer = errno.errorcode[error.errno]"
    assert ann.do(code) == "EROFS"


def test_volume_has_the_view_the_home_and_what_the_hub_says_of_the_user(node: Node) -> None:
    ann = node.published("ann1")
    volume = Person(ann.record, ann.path.parent)
    code = """
        (Path('data/home') / 'f').write_text('mine')
        answer = [sorted(os.listdir('.')), sorted(os.listdir('etc')), Path('home/ann/f').read_text(), Path('etc/token').read_text()]
        for write in (Path('etc/passwd').write_text, Path('etc/new').write_text, Path('home/bob').write_text):
            try: write('x')
            except OSError as error: answer.append(errno.errorcode[error.errno])
    """
    assert volume.do(code) == [["data", "etc", "home"], ["group", "passwd", "token"], "mine", "of-the-server", *["EROFS"] * 3]
    bob = Person(node.rig.records["bob"], volume.path)
    refused = "try: Path('etc/token').read_text()\nexcept OSError as error: answer = errno.errorcode[error.errno]"
    assert bob.do(refused) == "EACCES"
    assert bob.do("answer = Path('etc/passwd').read_text()").startswith("ann:x:")


def test_pod_that_is_nobodys_gets_nothing(node: Node) -> None:
    volume = node.kubelet.volume("stranger")
    failed = refused(node, volume)
    assert (failed.code, failed.words) == ("PERMISSION_DENIED", "pod people/stranger is nobody's server")
    assert node.left() == []
    assert not volume.target.exists()


def test_attributes_of_a_pods_own_say_nothing(node: Node) -> None:
    volume = node.kubelet.volume("bob1", user="ann", grant="e30.00", path="/", uid="0000-ann1")
    refused(node, PodVolume(volume.id, node.kubelet.volume("bob1").target, volume.context))
    assert node.views() == []
    forged = node.kubelet.volume("stranger", user="ann", identity="ann")
    assert refused(node, forged).code == "PERMISSION_DENIED"
    assert refused(node, node.kubelet.volume("bob1", layout="9")).code == "INVALID_ARGUMENT"


def test_hub_or_keeper_that_is_away_is_asked_again(node: Node) -> None:
    node.knows(ann1=None)
    volume = node.kubelet.volume("ann1")
    assert refused(node, volume).code == "UNAVAILABLE"
    node.knows(ann1="ann", ghost="ghost")
    node.rig.kill_keeper()
    failed = refused(node, volume)
    assert failed.code == "UNAVAILABLE"
    assert "data keeper" in failed.words
    assert node.left() == []
    node.rig.start()
    assert refused(node, node.kubelet.volume("ghost")).words.startswith("the hub has not said who 'ghost' is")
    node.kubelet.publish(volume)


def test_place_that_is_no_directory_of_the_pods_is_refused(node: Node) -> None:
    volume, other = node.kubelet.volume("ann1"), node.kubelet.volume("other")
    for place in (Path("/etc"), volume.target.parent, other.target):
        assert refused(node, PodVolume(volume.id, place, volume.context)).code == "INVALID_ARGUMENT"
    assert node.left() == []
    assert node.views() == []


@pytest.mark.parametrize("link", ["data", "data/mount"])
def test_link_on_the_way_is_not_followed(node: Node, link: str, tmp_path: Path) -> None:
    volume = node.kubelet.volume("ann1")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "mount").mkdir(parents=True)
    at = volume.target.parents[1] / link
    if at.exists():
        at.rmdir()
    at.symlink_to(elsewhere)
    for call in (node.kubelet.publish, node.kubelet.unpublish):
        with pytest.raises(CallFailed):
            call(volume)
    assert (elsewhere / "mount").is_dir()
    assert list((elsewhere / "mount").iterdir()) == []
    assert node.left() == []
    assert node.views() == []


def test_volume_of_another_pod_is_not_taken_over(node: Node) -> None:
    node.published("ann1")
    other = node.kubelet.volume("bob1")
    stolen = PodVolume(node.kubelet.volume("ann1").id, other.target, other.context)
    assert refused(node, stolen).code == "PERMISSION_DENIED"
    assert node.mounted(node.kubelet.volume("ann1")) == 1


def test_no_token_is_ever_in_the_log(node: Node) -> None:
    secret = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2ln"
    node.kubelet.publish(node.kubelet.volume("ann1", token=secret))
    refused(node, node.kubelet.volume("stranger", token=secret))
    broken = node.kubelet.volume("ann2")
    broken.context["csi.storage.k8s.io/serviceAccount.tokens"] = json.dumps({"another.driver": {"token": secret}})[:-1]
    refused(node, broken)
    assert secret not in node.rig.log.read_text()
    assert not any(secret in path.read_text() for path in (node.rig.var.run / "csi").rglob("*.json"))


# Reads and appends, and says how long the longest of its rounds took.
BUSY = """
    Path('home/started').touch()
    held = os.open('releases/sky/dr2/cubes/deep.fits', os.O_RDONLY)
    log = os.open('home/log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    longest, rounds, begin = 0.0, 0, time.monotonic()
    while not os.path.exists('home/stop'):
        assert os.pread(held, 256, 256 * (rounds % 4096)) == bytes(range(256))
        os.write(log, b'%09d\\n' % rounds)
        rounds += 1
        begin, longest = time.monotonic(), max(longest, time.monotonic() - begin)
    answer = [rounds, longest]
"""


def finish(node: Node, child: "subprocess.Popen[str]") -> float:
    log = node.rig.var.homes / "ann/log"
    size = log.stat().st_size
    eventually(lambda: log.stat().st_size > size + 100, 20)
    (node.rig.var.homes / "ann/stop").touch()
    out, err = child.communicate(timeout=30)
    assert '"answer"' in out, (out, err, node.rig.log.read_text())
    rounds, longest = json.loads(out)["answer"]
    assert log.read_text() == "".join(f"{n:09d}\n" for n in range(rounds))
    return float(longest)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_next_plugin_goes_on_and_nobody_notices(node: Node, how: signal.Signals) -> None:
    child = node.published("ann1").start(BUSY)
    eventually((node.rig.var.homes / "ann/log").exists, 20)
    worker = node.rig.worker("ann")
    node.stop(how)
    node.start()
    node.kubelet.publish(node.kubelet.volume("ann1"))
    longest = finish(node, child)
    print(f"plugin ended by {how.name}: longest round {longest:.3f} s")
    assert node.rig.worker("ann") == worker
    assert node.mounted(node.kubelet.volume("ann1")) == 1
    node.kubelet.unpublish(node.kubelet.volume("ann1"))
    assert node.views() == []


def test_plugin_that_is_asked_to_end_finishes_its_call_and_leaves_the_mounts(node: Node) -> None:
    volume = node.kubelet.volume("slow")
    node.knows(slow="ghost")  # The keeper waits for the hub to say who that is.
    failed: list[CallFailed] = []
    call = threading.Thread(target=lambda: failed.append(refused(node, volume)))
    call.start()
    eventually(lambda: bool(node.left()), 20)
    assert node.stop() == 0
    call.join(20)
    assert failed[0].words.startswith("the hub has not said who 'ghost' is")
    assert not node.kubelet.registration.exists()
    assert not node.kubelet.socket.exists()
    assert node.left() == []


def test_all_that_served_a_view_killed_brings_running_pods_back(node: Node) -> None:
    pods = [node.published("ann1"), node.published("ann2")]
    # As a pod has it: the whole volume, bound before what comes later on top.
    servers = [
        Person(pod.record, pod.path.parent).start(f"""
            held = open('data/home/held{at}', 'w'); held.write('x'); held.flush()
            Path('data/home/started{at}').touch()
            answer, end = [], time.monotonic() + 40
            while time.monotonic() < end and not os.path.exists('/mnt/data/home/again{at}'):
                time.sleep(0.05)
            try: os.write(held.fileno(), b'y')
            except OSError as error: answer.append(errno.errorcode[error.errno])
            answer.append(Path('/mnt/home/ann/held{at}').read_text())
            os._exit(print(json.dumps(answer), flush=True) or 0)
        """)
        for at, pod in enumerate(pods)
    ]
    homes = node.rig.var.homes / "ann"
    eventually(lambda: all((homes / f"started{at}").exists() for at in range(2)), 20)
    worker = node.rig.worker("ann")
    node.rig.kill_holder()
    node.rig.kill_keeper()
    os.kill(worker, signal.SIGKILL)
    node.rig.start()
    first, second = node.kubelet.volume("ann1"), node.kubelet.volume("ann2")
    eventually(lambda: node.mounted(first) == node.mounted(second) == 2, 20)
    (homes / "again0").touch()
    assert json.loads(servers[0].communicate(timeout=30)[0]) == ["ENOTCONN", "x"]
    # What is taken away from one pod is not taken away from the other.
    node.kubelet.unpublish(first)
    assert node.mounted(first) == 0
    assert node.mounted(second) == 2
    (homes / "again1").touch()
    assert json.loads(servers[1].communicate(timeout=30)[0]) == ["ENOTCONN", "x"]
    assert node.rig.log.read_text().count("was mounted anew: what pod people/ann") == 2
    node.kubelet.unpublish(second)
    assert node.views() == []
    assert node.left() == []


def test_view_whose_last_pod_went_while_the_keeper_was_away_is_unmounted_later(node: Node) -> None:
    node.published("ann1")
    node.rig.kill_keeper()
    node.kubelet.unpublish(node.kubelet.volume("ann1"))
    node.rig.start()
    eventually(lambda: node.views() == [], 20)


def test_view_that_no_record_tells_of_is_unmounted_by_the_next_plugin(node: Node) -> None:
    node.published("ann1")
    node.rig.mount("bob")
    node.stop()
    node.start()
    eventually(lambda: node.views() == ["ann"], 20)
