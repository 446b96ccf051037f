"""Of a cluster nothing is left on this machine, however its run of tests ended."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster import cgroups, place
from tests.support.cluster.cluster import NODES, Cluster, start
from tests.support.cluster.kept import cache
from tests.support.cluster.machine import run, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
ROOT = Path(__file__).parents[2]
# What is shown of a namespace tells of others' programs as well; these say where a cluster's are.
_KINDS = ("pid", "net", "mnt")


@dataclass(frozen=True)
class Sight:
    """What this machine shows of clusters: by name, or by what only they make here."""

    interfaces: frozenset[str]
    routes: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    locks: frozenset[str]
    rules: str


def look() -> Sight:
    """Look for all that a cluster could leave."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return Sight(
        frozenset(path.name for path in Path("/sys/class/net").glob("bwbk*")),
        frozenset(line for line in run("ip", "route", "show", "table", "all").splitlines() if " bwbk" in line),
        frozenset(line for line in mounts if "bwbk" in line or "kubelet" in line or "containerd" in line or "/netns/" in line),
        frozenset(f"{path}" for path in Path("/sys/fs/cgroup").glob("*/bwbk*")),
        frozenset(path.name for path in Path("/run").glob("*bwbk*")),
        run("nft", "list", "ruleset"),
    )


def namespaces(cluster: Cluster) -> set[str]:
    """Return the namespaces of a cluster's machines, and of every process in them."""
    found = set()
    tops = {os.readlink(f"/proc/{machine.pid}/ns/pid") for machine in cluster.machines.values()}
    for process in _processes():
        if _namespace(process, "pid_for_children") in tops:
            found |= {_namespace(process, kind) for kind in _KINDS}
    return (found | tops) - {os.readlink(f"/proc/self/ns/{kind}") for kind in _KINDS}


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _namespace(process: Path, kind: str) -> str:
    try:
        return os.readlink(process / "ns" / kind)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # It has ended, or is one that even root may not look at: nothing of ours.
        return ""


def _living_in(spaces: set[str]) -> list[str]:
    return [process.name for process in _processes() if {_namespace(process, kind) for kind in _KINDS} & spaces]


def await_whole(cluster: Cluster) -> None:
    """Look that the run's own cluster lives on; a node that had no processor for a while answers again."""
    wait_for(lambda: cluster.ready() == set(NODES), "both nodes", 60)


def test_a_second_cluster_stands_beside_the_first_and_leaves_nothing(cluster: Cluster):
    before = look()
    with start() as second:
        assert second.addresses != cluster.addresses
        assert second.ready() == {"node1", "node2"}
        assert look() != before
        spaces, folder = namespaces(second), second.place.folder
        assert _living_in(spaces)
    assert not folder.exists()
    # What was killed with its pid 1 may still be ending, and the kernel takes a network namespace's interfaces away a moment later.
    wait_for(lambda: not _living_in(spaces), f"the end of {_living_in(spaces)}", 10)
    wait_for(lambda: look() == before, f"as before: {before}", 10)
    await_whole(cluster)


def test_what_a_killed_run_leaves_goes_when_the_next_begins(cluster: Cluster):
    before = look()
    argv = [sys.executable, "-m", "tests.support.cluster"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said.startswith("export KUBECONFIG="), said
        folder = Path(said.split()[1].removeprefix("KUBECONFIG=")).parents[1]
        pids = [int(path.read_text().split()[0]) for path in folder.glob("*.pid")]
        assert len(pids) == 3
        child.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the machines' end", 20)
    assert cgroups.of(folder.name)
    claimed = place.claim(cache() / "run")
    claimed.leave()
    assert not folder.exists()
    wait_for(lambda: look() == before, f"as before: {before}", 10)
    await_whole(cluster)
