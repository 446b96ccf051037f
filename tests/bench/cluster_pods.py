"""What a volume of /data costs a pod on the tests' Kubernetes: its start, and the pause when a part of the volume is replaced."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

import httpx
from bowerbird_config.identity import IdentityRecord

from tests.bench.row import Row, meets, paired
from tests.support.cluster.busy import BUSY, told
from tests.support.cluster.machine import wait_for
from tests.support.cluster.node_plugin import delete_plugin, roll_plugin
from tests.support.cluster.objects import Object
from tests.support.cluster.release import Release
from tests.support.cluster.standing_door import standing_door, user_pod

_ANN = IdentityRecord(1, "ann", 611001, 611001)
_OURS, _PEER, _BUSY = "ann-volume", "ann-empty", "ann-busy"
# Says when it runs.
_PROGRAM = ("python3", "-c", "import time; print(time.time(), flush=True); time.sleep(3600)")
_START_GOAL = 1.5
_STARTS_A_ROUND = 3
_SECONDS = 120.0
# A count is told through `kubectl exec`, whose own start a round outlasts. Four seconds, so that a spare worker is warm again.
_STEADY_ROUNDS = 200


def starts(release: Release, rounds: int) -> list[Row]:
    """Measure starts beside an emptyDir's, with a door of the tests' own in the hub's place."""
    with standing_door(release, {_OURS: _ANN}):
        return _starts(release, rounds)


def _starts(release: Release, rounds: int) -> list[Row]:
    ways = {
        _OURS: user_pod(release, _OURS, _ANN.uid, _PROGRAM),
        _PEER: user_pod(release, _PEER, _ANN.uid, _PROGRAM, volume={"emptyDir": {}}),
    }
    programs: dict[str, list[float]] = {name: [] for name in ways}

    def measure(name: str) -> float:
        running, program = _start_seconds(release, ways[name])
        programs[name].append(program)
        return running

    for name in ways:
        measure(name)  # the node has the image's layers at hand
        programs[name].clear()
    mine, theirs = paired(rounds * _STARTS_A_ROUND, lambda: measure(_OURS), lambda: measure(_PEER))
    what = "pod created → {}, with the user's volume"
    return [
        Row.against(id, what.format(until), ours, peer, peer_name="emptyDir", unit="s", goal=_START_GOAL, better="lower")
        for id, until, ours, peer in (
            ("P15", "Running", mine, theirs),
            # Without kubelet's look at its containers, once a second, by which alone it says that a pod runs.
            ("P15b", "its program runs", programs[_OURS], programs[_PEER]),
        )
    ]


def _start_seconds(release: Release, wished: Object) -> tuple[float, float]:
    """Return how long a pod takes from its creation until its kubelet says that it runs, and until its program does; it is deleted then."""
    pods = f"/api/v1/namespaces/{release.users}/pods"
    path = f"{pods}/{wished['metadata']['name']}"
    # The pod before ended at one of kubelet's looks: without this each would begin at the same moment of its second, as nobody's does.
    time.sleep(random.random())
    began, at = time.perf_counter(), time.time()
    release.cluster.api.post(pods, json=wished).raise_for_status()
    wait_for(lambda: release.cluster.get(path)["status"].get("phase") == "Running", path, _SECONDS, every=0.01)
    took = time.perf_counter() - began
    program = float(_printed(release, path)) - at
    _delete(release, path)
    return took, program


def _printed(release: Release, path: str) -> str:
    """Return what a pod has printed, as soon as it has."""
    printed: list[str] = []

    def look() -> bool:
        printed[:] = [release.cluster.api.get(f"{path}/log").raise_for_status().text]
        return bool(printed[0].strip())

    wait_for(look, f"a word of {path}", _SECONDS)
    return printed[0]


def _delete(release: Release, path: str) -> None:
    release.cluster.api.delete(path).raise_for_status()
    wait_for(lambda: release.cluster.api.get(path).status_code == httpx.codes.NOT_FOUND, f"the end of {path}", _SECONDS)


def pauses(release: Release, rounds: int) -> list[Row]:
    """Measure pauses, with such a door too."""
    with standing_door(release, {_BUSY: _ANN}):
        return _pauses(release, rounds)


def _pauses(release: Release, rounds: int) -> list[Row]:
    faults: dict[str, tuple[float, Callable[[], None]]] = {
        # What the machine's load alone does to a round of two calls.
        "nothing": (0.3, lambda: None),
        "the worker is killed": (0.3, lambda: _kill_worker(release)),
        # As an administrator has it replaced: by an upgrade, or by hand.
        "the node plugin is rolled": (3.0, lambda: roll_plugin(release)),
        "the node plugin's pod is deleted": (3.0, lambda: delete_plugin(release)),
    }
    found: list[Row] = []
    wrong = 0
    for what, (goal, fault) in faults.items():
        measured = [_pause(release, fault) for _ in range(rounds)]
        wrong += sum(faulty for _, faulty in measured)
        pauses = [longest for longest, _ in measured]
        usual = Row.alone("P16-pod", f"longest pause of a pod's open file: {what}", pauses, unit="s", goal=goal, better="lower")
        found += [usual, replace(usual, what=f"{usual.what}, at worst", ours=max(pauses), met=meets(max(pauses), goal, "lower"))]
    return [*found, Row.alone("P16b-pod", "calls that ended wrongly", [float(wrong)], unit="", goal=0, better="lower")]


def _pause(release: Release, fault: Callable[[], None]) -> tuple[float, int]:
    """Return the longest round of a pod's program over one fault in seconds, and how many of its calls ended wrongly."""
    wished = user_pod(release, _BUSY, _ANN.uid, ("python3", "-c", BUSY))
    release.cluster.apply(wished)
    try:
        release.cluster.await_ready(release.users, _BUSY, seconds=_SECONDS)
        _await_rounds(release)
        fault()
        _await_rounds(release)
        last = told(release, _BUSY)
        return float(last["longest"]), len(last["faults"])
    finally:
        _delete(release, f"/api/v1/namespaces/{release.users}/pods/{_BUSY}")


def _await_rounds(release: Release) -> None:
    count = told(release, _BUSY)["count"]
    wait_for(lambda: told(release, _BUSY)["count"] > count + _STEADY_ROUNDS, "its rounds to go on", _SECONDS)


def _kill_worker(release: Release) -> None:
    release.cluster.inside("node1", "pkill", "-KILL", "--newest", "--full", "bowerbird_fuse.worker")
