"""What the node plugin keeps of a pod's limits, by control groups of both versions laid out as kubelet does; on a cluster they are real."""

import json
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


def test_processes_are_limited_and_kills_are_counted(layout: dict[str, str], tmp_path: Path) -> None:
    groups = Groups(tmp_path)
    assert not groups.limit_processes(UID, 100)
    assert groups.memory_kills(UID) == 0
    most, kills = made(tmp_path, layout)
    assert groups.limit_processes(UID, 100)
    assert most.read_text() == "100"
    kills.write_text("oom_kill 2\n")
    assert groups.memory_kills(UID) == 2


def test_container_that_was_ended_whole_is_the_clusters_to_tell(tmp_path: Path) -> None:
    _, kills = made(tmp_path, LAYOUTS["version 2"])
    kills.write_text("oom 1\noom_kill 3\noom_group_kill 1\n")
    assert Groups(tmp_path).memory_kills(UID) == 0


@pytest.mark.root
def test_pod_whose_volume_names_limits_has_them_and_each_change_is_told(tmp_path: Path) -> None:
    book, contents = Book(volumes_directory(Var(tmp_path)), Path("/pods")), Contents(tmp_path / "contents")
    told: list[tuple[str, int]] = []
    limits = Limits(Groups(tmp_path / "groups"), book, contents, lambda volume, kills: told.append((volume.user, kills)))
    try:
        book.write(ANN)
        contents.write(file_name(ANN.volume), Admission("ann", 1234, {LIMITS: json.dumps({"processes": 100})}))
        limits.look()
        most, kills = made(tmp_path / "groups", FIRST)
        limits.look()
        assert most.read_text() == "100"
        for count in (1, 1, 2, 0):
            kills.write_text(f"oom_kill {count}\n")
            limits.look()
        assert told == [("ann", 1), ("ann", 2), ("ann", 0)]
        contents.add(file_name(ANN.volume), {"news.json": "told"})
        assert contents.read(file_name(ANN.volume), "news.json") == "told"
        # What the hub names no limits of, such as the services, is left alone.
        contents.write(file_name(ANN.volume), Admission("ann", 1234))
        most.write_text("max")
        limits.look()
        assert most.read_text() == "max"
    finally:
        contents.close()
