"""What the node plugin keeps of a pod's limits, by control groups of both versions laid out as kubelet does; on a cluster they are real."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.pods import LIMITS, Pod
from bowerbird_fuse.csi.claims import Admission
from bowerbird_fuse.csi.contents import Contents
from bowerbird_fuse.csi.limits import Groups, Limits
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.csi.volumes import Book, Volume, file_name, volumes_directory

UID = "0f5a9c1e-77aa-4d0e-9b1c-b2f3e4d5c6a7"
SLICE = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
FIRST = {controller: f"{controller}/kubepods/burstable/pod{UID}" for controller in ("pids", "memory")}
LAYOUTS = {"version 1": FIRST, "version 2": dict.fromkeys(FIRST, f"kubepods/burstable/pod{UID}"), "systemd": dict.fromkeys(FIRST, SLICE)}
KIND = f"kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID.replace('-', '_')}.slice"
LAYOUTS["below a root of kubelet's"] = dict.fromkeys(FIRST, KIND)
ANN = Volume("csi-1", Target(Path("/pods"), UID, "data"), Pod("people", "server-ann", UID), False, "ann")


@pytest.fixture(params=LAYOUTS, ids=str)
def layout(request: pytest.FixtureRequest) -> dict[str, str]:
    return LAYOUTS[request.param]


def made(top: Path, layout: dict[str, str]) -> tuple[Path, Path]:
    """Lay out a pod's groups, and one of another pod; return the file of its processes, and that of its container's kills."""
    for place in (*layout.values(), *(path.replace(UID[:8], "another") for path in layout.values())):
        (top / place / "container").mkdir(parents=True, exist_ok=True)
    pids, memory = (top / layout[controller] for controller in ("pids", "memory"))
    (pids / "pids.max").write_text("max\n")
    kills = memory / "container/memory.oom_control" if layout is FIRST else memory / "memory.events"
    if layout is FIRST:
        (memory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    kills.write_text("oom_kill 0\n")
    return pids / "pids.max", kills


def found(top: Path) -> Groups:
    groups = Groups(top)
    groups.find({UID})
    return groups


def test_processes_are_limited_and_kills_are_counted(layout: dict[str, str], tmp_path: Path) -> None:
    groups = found(tmp_path)
    assert not groups.limit_processes(UID, 100)
    assert groups.memory_kills(UID) == 0
    most, kills = made(tmp_path, layout)
    groups.find({UID})
    assert groups.limit_processes(UID, 100)
    assert most.read_text() == "100"
    kills.write_text("oom_kill 2\n")
    assert groups.memory_kills(UID) == 2


def test_lower_limit_of_the_node_stays(layout: dict[str, str], tmp_path: Path) -> None:
    most, _ = made(tmp_path, layout)
    for before, after in (("50\n", "50\n"), ("100\n", "100\n"), ("101\n", "100")):
        most.write_text(before)
        assert found(tmp_path).limit_processes(UID, 100)
        assert most.read_text() == after


def test_pods_without_a_group_cost_one_walk_of_each_tree_and_ever_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, FIRST)
    walked: list[str] = []
    walk = os.walk

    def counted(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        walked.append(top.name)
        return walk(top)

    monkeypatch.setattr(os, "walk", counted)
    groups, uids = Groups(tmp_path), {UID, *(f"{number:08}-77aa-4d0e-9b1c-b2f3e4d5c6a7" for number in range(200))}
    groups.find(uids)
    assert sorted(walked) == ["memory", "pids"]
    assert groups.limit_processes(UID, 100)
    for _ in range(127):
        groups.find(uids)
    assert len(walked) == 2 * 8
    walked.clear()
    groups.find({UID})
    assert walked == []


def test_container_that_was_ended_whole_is_the_clusters_to_tell(tmp_path: Path) -> None:
    _, kills = made(tmp_path, LAYOUTS["version 2"])
    kills.write_text("oom 1\noom_kill 3\noom_group_kill 1\n")
    assert found(tmp_path).memory_kills(UID) == 0


@dataclass
class Node:
    """What the plugin keeps of the pods of a node, and whom it told."""

    groups: Path
    book: Book
    contents: Contents
    told: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[Callable[[], None]] = field(default_factory=list)

    def limits(self, groups: Groups | None = None) -> Limits:
        return Limits(groups or Groups(self.groups), self.book, self.contents, self._killed)

    def _killed(self, volume: Volume, kills: int, dropped: Callable[[], None]) -> None:
        self.told.append((volume.user, kills))
        self.dropped.append(dropped)

    def says(self, volume: Volume, limits: str | None = json.dumps({"processes": 100})) -> None:
        self.book.write(volume)
        self.contents.write(file_name(volume.volume), Admission(volume.user, 1234, {} if limits is None else {LIMITS: limits}))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    contents = Contents(tmp_path / "contents")
    yield Node(tmp_path / "groups", Book(volumes_directory(Var(tmp_path)), Path("/pods")), contents)
    contents.close()


@pytest.mark.root
def test_pod_whose_volume_names_limits_has_them_and_each_change_is_told(node: Node) -> None:
    node.says(ANN)
    limits = node.limits()
    limits.look()
    assert limits.unlimited == 1
    most, kills = made(node.groups, FIRST)
    limits.look()
    assert (most.read_text(), limits.unlimited) == ("100", 0)
    for count in (1, 1, 2, 0):
        kills.write_text(f"oom_kill {count}\n")
        limits.look()
    assert node.told == [("ann", 1), ("ann", 2), ("ann", 0)]
    # What the hub names no limits of, such as the services, is left alone.
    node.says(ANN, None)
    most.write_text("max")
    limits.look()
    assert most.read_text() == "max"


@pytest.mark.root
def test_kills_that_nobody_was_told_of_are_told_again(node: Node) -> None:
    node.says(ANN)
    _, kills = made(node.groups, FIRST)
    kills.write_text("oom_kill 2\n")
    limits = node.limits()
    limits.look()
    node.dropped[0]()
    limits.look()
    limits.look()
    assert node.told == [("ann", 2), ("ann", 2)]


class _Vanishing(Groups):
    """The groups of a node whose first pod ends while it is looked at."""

    def memory_kills(self, uid: str) -> int:
        if uid == UID:
            raise FileNotFoundError(uid)
        return super().memory_kills(uid)


@pytest.mark.root
@pytest.mark.parametrize("words", ["{", "[]", "{}", '{"processes": "many"}', '{"processes": true}', '{"processes": 0}'])
def test_trouble_of_one_pod_is_told_once_and_keeps_no_other_from_its_limit(
    node: Node, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    other = replace(ANN, volume="csi-2", pod=Pod("people", "server-bob", "1" + UID[1:]), user="bob")
    node.says(ANN, words)
    node.says(other)
    made(node.groups, FIRST)
    most, kills = made(node.groups, {controller: place.replace(UID, other.pod.uid) for controller, place in FIRST.items()})
    kills.write_text("oom_kill 1\n")
    limits = node.limits(_Vanishing(node.groups))
    limits.look()
    limits.look()
    assert (most.read_text(), node.told, limits.unlimited) == ("100", [("bob", 1)], 1)
    assert caplog.text.count("are not limited yet") == 1


@pytest.mark.root
def test_news_reach_a_volume_also_after_a_plugin_that_was_killed_between(node: Node, tmp_path: Path) -> None:
    node.says(ANN)
    (tmp_path / "contents" / file_name(ANN.volume) / "news.json").touch(0o444)
    for words in ("told", "told more"):
        node.contents.add(file_name(ANN.volume), {"news.json": words})
        assert node.contents.read(file_name(ANN.volume), "news.json") == words
