"""The command of the DaemonSet as it is run there, with a hub over HTTP: keeper and plugin supervised, and what a roll-out is."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_fuse import mount
from bowerbird_fuse.csi import options
from bowerbird_fuse.csi.asking import PODS, REMOUNTS

from tests.fuse.conftest import two_teams
from tests.fuse.csi.conftest import DRIVER
from tests.support.cas import free_port
from tests.support.data_rig import DataRig, Person, eventually, member, record
from tests.support.hub_door import HubDoor
from tests.support.kubelet import CallFailed, Kubelet, PodVolume
from tests.support.watcher import processes_logging_to

ANN = record("ann", member("ant"))


class Hub:
    """What a hub says over HTTP: the feed of one platform and ann, and that the pod ann1 is ann's."""

    def __init__(self, door: HubDoor, platform: Platform) -> None:
        self.door = door
        self.away = False
        self._lines = [
            {"kind": "platform", "version": 1, "platform": platform.model_dump(mode="json")},
            {"kind": "identity", "version": 1, "record": ANN.to_json()},
            {"kind": "synced", "version": 1},
        ]
        door.answer = self._answer
        door.feed = self._feed

    def _feed(self, send: Callable[[bytes], None]) -> None:
        for line in self._lines:
            send(json.dumps(line).encode() + b"\n")
        while not self.away:
            time.sleep(0.1)
            send(b'{"kind":"ping"}\n')

    def _answer(self, path: str, body: Any) -> tuple[int, bytes]:
        if self.away:
            return 503, b""
        if path == PODS and body["pod"]["name"] != "ann1":
            return 403, json.dumps({"error": "that pod is nobody's"}).encode()
        files = {"passwd": "p", "group": "g"}
        return 200, json.dumps({"user": "ann", "uid": ANN.uid, "files": files, "secrets": {}} if path == PODS else {}).encode()

    def remounts(self) -> list[str]:
        return [body["pod"]["name"] for path, _, body in self.door.asked if path == REMOUNTS]


class Supervised:
    """The command, running over a rig that has a holder and no keeper of its own."""

    def __init__(self, rig: DataRig, hub: Hub, kubelet: Kubelet) -> None:
        self.rig, self.hub, self.kubelet = rig, hub, kubelet
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0
        self.metrics = free_port()
        (rig.var.root / "token").write_text("of-the-plugin")

    @property
    def warm(self) -> Path:
        """Where the parts of the one that was started last say that they are ready to take their turn."""
        return self.rig.var.root / f"warm{self.started}"

    def start(self) -> None:
        var = self.rig.var.root
        self.started += 1
        words = ("--var", str(var), "--kubelet", str(self.kubelet.root), "--driver", DRIVER, "--node", "node-1")
        self.process = self.rig.start_part(
            "bowerbird_fuse.csi",
            *words,
            "--hub",
            self.hub.door.url,
            "--token-file",
            str(var / "token"),
            "--metrics-port",
            str(self.metrics),
            "--warm",
            str(self.warm),
        )

    def is_warm(self) -> bool:
        return {path.name for path in self.warm.glob("*")} == {"keeper", "plugin"}

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def pid_of(self, module: str) -> int:
        """Return the pid of the process that runs that module, once there is one alone."""
        found: list[int] = []

        def look() -> bool:
            lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in processes_logging_to(self.rig.log)}
            words = {pid: line.read_bytes().split(b"\0") for pid, line in lines.items() if line.exists()}
            found[:] = [pid for pid, told in words.items() if [b"-m", module.encode()] in (told[1:3], told[2:4])]
            return len(found) == 1

        eventually(look, 20)
        return found[0]

    def well(self) -> bool:
        """Whether the keeper takes orders, and the view answers."""
        with contextlib.suppress(OSError):
            return bool(self.rig.view("ann")["healthy"])
        return False

    def published(self) -> Person:
        volume = self.kubelet.volume("ann1")
        self.publish(volume)
        return Person(ANN, volume.target / "data")

    def publish(self, volume: PodVolume) -> None:
        """Publish as kubelet does: again, where it is told that somebody was away."""
        end = time.monotonic() + 40
        while True:
            try:
                self.kubelet.publish(volume)
                return
            except CallFailed as failed:
                if failed.code != "UNAVAILABLE" or time.monotonic() > end:
                    raise


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Supervised]:
    platform = two_teams()
    rig = DataRig(Var(tmp_path / "var"), platform)
    rig.records["ann"] = ANN
    rig.release("sky", "dr2", {"cubes/deep.fits": bytes(range(256)) * 4096})
    (rig.var.root / "kubelet/pods").mkdir(parents=True)
    mount.share(rig.var.root / "kubelet/pods")
    with tempfile.TemporaryDirectory(prefix="k") as short, HubDoor() as door:
        (Path(short) / "k").symlink_to(rig.var.root / "kubelet")
        hub = Hub(door, platform)
        try:
            rig.prepare()
            node = Supervised(rig, hub, Kubelet(Path(short) / "k", DRIVER))
            node.start()
            yield node
        finally:
            hub.away = True
            rig.clear()
            if node.process is not None:
                node.process.wait(10)


BUSY = """
    Path('home/started').touch()
    held = os.open('releases/sky/dr2/cubes/deep.fits', os.O_RDONLY)
    longest, rounds, begin = 0.0, 0, time.monotonic()
    while not os.path.exists('home/stop'):
        assert os.pread(held, 256, 256 * (rounds % 4096)) == bytes(range(256))
        os.posix_fadvise(held, 0, 0, os.POSIX_FADV_DONTNEED)
        rounds += 1
        begin, longest = time.monotonic(), max(longest, time.monotonic() - begin)
    answer = [rounds, longest]
"""


def finish(node: Supervised, child: "subprocess.Popen[str]") -> float:
    (node.rig.var.homes / "ann/stop").touch()
    out, err = child.communicate(timeout=60)
    assert '"answer"' in out, (out, err, node.rig.log.read_text()[-4000:])
    return float(json.loads(out)["answer"][1])


@pytest.mark.root
@pytest.mark.fuse
def test_who_comes_first_to_a_node_is_served_by_a_worker_that_waited(node: Supervised) -> None:
    waiting = node.pid_of("bowerbird_fuse.worker")
    node.published()
    assert node.rig.view("ann")["worker_pid"] == waiting


@pytest.mark.root
@pytest.mark.fuse
def test_whichever_process_is_killed_comes_back_and_open_files_go_on(node: Supervised) -> None:
    child = node.published().start(BUSY)
    eventually((node.rig.var.homes / "ann/started").exists, 20)
    for module in ("bowerbird_fuse.csi.plugin", "bowerbird_fuse.keeper"):
        old = node.pid_of(module)
        os.kill(old, signal.SIGKILL)
        eventually(lambda module=module, old=old: node.pid_of(module) != old, 30)  # type: ignore[misc]
    node.publish(node.kubelet.volume("ann1"))
    eventually(node.well, 30)
    print(f"plugin and keeper killed: longest round {finish(node, child):.3f} s")
    assert node.hub.remounts() == []
    with urllib.request.urlopen(f"http://127.0.0.1:{node.metrics}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    for line in ("bowerbird_node_volumes 1", "bowerbird_node_views 1", "bowerbird_node_views_unhealthy 0", "bowerbird_node_keeper_up 1"):
        assert line in lines
    assert any(line.startswith('bowerbird_node_calls_total{method="NodePublishVolume",code="OK"}') for line in lines)
    node.kubelet.unpublish(node.kubelet.volume("ann1"))
    assert node.rig.order(op="status")["views"] == []
    assert node.stop() == 0
    # Where no pod has anything, nothing is left for a next one.
    assert [path for path in node.rig.mounts() if path.is_relative_to(node.rig.var.run)] == []
    assert not node.kubelet.registration.exists()


@pytest.mark.root
@pytest.mark.fuse
def test_roll_out_with_the_hub_away_is_a_pause_for_open_files(node: Supervised) -> None:
    child = node.published().start(BUSY)
    eventually((node.rig.var.homes / "ann/started").exists, 20)
    node.hub.away = True
    assert node.stop() == 0
    # As the end of a container does.
    for pid in processes_logging_to(node.rig.log):
        if node.rig.holder is None or pid != node.rig.holder.pid:
            os.kill(pid, signal.SIGKILL)
    node.start()
    eventually(lambda: node.kubelet.registration.exists() and node.rig.var.keeper_socket.exists(), 30)
    print(f"rolled: longest round {finish(node, child):.3f} s")
    assert node.hub.remounts() == []


@pytest.mark.root
@pytest.mark.fuse
def test_the_next_one_waits_warm_and_takes_over_what_is_open_when_the_last_has_ended(node: Supervised) -> None:
    child = node.published().start(BUSY)
    eventually((node.rig.var.homes / "ann/started").exists, 20)
    first, known = node.process, node.kubelet.registration.stat().st_ino
    assert first is not None
    node.start()
    eventually(node.is_warm, 30)
    worker = node.rig.worker("ann")
    assert node.kubelet.registration.stat().st_ino == known
    first.terminate()
    assert first.wait(60) == 0
    eventually(lambda: node.well() and node.kubelet.registration.exists(), 30)
    assert node.rig.worker("ann") != worker
    longest = finish(node, child)
    print(f"followed by one that was warm: longest round {longest:.3f} s")
    # Five times what is measured on a machine with nothing else to do.
    assert longest < 3
    assert node.hub.remounts() == []
    node.publish(node.kubelet.volume("ann1"))


@pytest.mark.root
@pytest.mark.fuse
def test_one_that_is_ended_while_it_waits_leaves_the_other_to_its_work(node: Supervised) -> None:
    node.published()
    first = node.process
    node.start()
    eventually(node.is_warm, 30)
    assert node.stop() == 0
    node.process = first
    assert node.well()
    assert node.kubelet.registration.exists()


@pytest.mark.root
@pytest.mark.fuse
def test_hub_hears_whose_open_files_are_lost(node: Supervised) -> None:
    node.published()
    keeper, worker = node.pid_of("bowerbird_fuse.keeper"), node.rig.worker("ann")
    node.rig.kill_holder()
    for pid in (keeper, worker):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: node.hub.remounts() == ["ann1"], 40)


@pytest.mark.root
@pytest.mark.fuse
def test_refusal_reaches_kubelet_in_the_hubs_words(node: Supervised) -> None:
    with pytest.raises(CallFailed) as failed:
        node.kubelet.publish(node.kubelet.volume("stranger"))
    assert (failed.value.code, failed.value.words) == ("PERMISSION_DENIED", "that pod is nobody's")


NEEDED = ["--var", "v", "--driver", "d", "--hub", "http://hub"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "required"),
        (NEEDED, "the node has no name: --node, or NODE_NAME"),
        ([*NEEDED[:-1], "hub:80", "--node", "n"], "is no http or https address"),
    ],
)
def test_command_line_that_will_not_do_is_told(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(words, {})
    assert sentence in capsys.readouterr().err


def test_node_is_named_by_the_environment() -> None:
    assert options.parse(NEEDED, {"NODE_NAME": "n1"}).node == "n1"
