"""A machine of its own: it sees little of this one, can't leave it, keeps its disk without power, and is gone with its run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import place
from tests.support.cluster.machine import Machine, wait_for

pytestmark = pytest.mark.cluster
# A run of tests that is killed while its machine is on.
_KILLED = """
import sys, time
from pathlib import Path
from tests.cluster.test_machine import machine_at
from tests.support.cluster import place
machine = machine_at(place.claim(Path(sys.argv[1])))
machine.boot()
print(machine.pid, flush=True)
time.sleep(600)
"""


def machine_at(held: place.Place) -> Machine:
    """Return a machine that is off, whose pid 1 runs a shell that writes down when it began."""
    empty = held.folder / "empty"
    empty.mkdir()
    machine = Machine("node1", held.name, held.folder, empty, empty, held.addresses.node(1), 24)
    machine.install("serve clock sh -c 'date >> /var/boots; exec sleep 1000'", {"etc/word": "kept"})
    return machine


@pytest.fixture
def held(able: None, tmp_path: Path) -> Iterator[place.Place]:
    """A place on this machine, without a trace afterwards."""
    claimed = place.claim(tmp_path / "run")
    yield claimed
    claimed.leave()
    assert not claimed.folder.exists()
    assert not list(Path("/sys/class/net").glob(f"{claimed.name}*"))
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{claimed.name}"))


@pytest.fixture
def machine(held: place.Place) -> Iterator[Machine]:
    """A machine that is on."""
    made = machine_at(held)
    made.boot()
    wait_for(lambda: boots(made) == 1, "its first words", 10)
    yield made
    made.power_cut()


def boots(machine: Machine) -> int:
    """Return how often its pid 1 has written a whole line."""
    written = machine.disk / "var/boots"
    return written.read_text().count("\n") if written.exists() else 0


def said(machine: Machine, *argv: str) -> str:
    return subprocess.run(machine.inside(*argv), capture_output=True, text=True, check=True, timeout=20).stdout


def test_it_has_a_name_and_a_root_of_its_own(machine: Machine):
    assert said(machine, "hostname") == "node1\n"
    assert said(machine, "cat", "/etc/word") == "kept"
    top = set(said(machine, "ls", "/").split())
    assert {"usr", "var", "run"} <= top
    assert not top & {"home", "root", "work", "boot", "mnt"}
    refused = subprocess.run(machine.inside("touch", "/usr/mine"), capture_output=True, text=True, check=False)
    assert "Read-only file system" in refused.stderr


def test_it_holds_no_mount_of_this_machine(machine: Machine):
    kinds = {line.split()[2] for line in said(machine, "cat", "/proc/self/mounts").splitlines()}
    assert not {kind for kind in kinds if kind.startswith(("fuse", "overlay", "nfs"))}
    assert "node1" not in {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}


def test_it_sees_its_own_processes_only_and_has_no_way_out(machine: Machine):
    assert said(machine, "cat", "/proc/1/comm") == "bash\n"
    assert "default" not in said(machine, "ip", "route")
    assert said(machine, "ip", "-br", "link").split()[0] == "lo"


def test_without_power_it_stops_at_once_and_keeps_its_disk(machine: Machine):
    pid = machine.pid
    machine.power_cut()
    assert not Path(f"/proc/{pid}").exists()
    assert not machine.is_on
    assert boots(machine) == 1
    machine.boot()
    wait_for(lambda: boots(machine) == 2, "its second boot", 10)


def test_a_machine_ends_with_its_run_and_its_place_is_swept_by_the_next(held: place.Place, tmp_path: Path):
    argv = [sys.executable, "-c", _KILLED, str(tmp_path / "other")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        (folder,) = (tmp_path / "other").iterdir()
        assert folder.name != held.name
        child.send_signal(signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the machine's end", 20)
    assert Path("/sys/class/net", folder.name).exists()
    place.claim(tmp_path / "run").leave()
    assert not folder.exists()
    assert not Path("/sys/class/net", folder.name).exists()
    assert list(Path("/sys/fs/cgroup").glob(f"*/{folder.name}")) == []


def test_two_places_have_networks_of_their_own(held: place.Place, tmp_path: Path):
    second = place.claim(tmp_path / "second")
    try:
        assert second.name != held.name
        assert not second.addresses.whole.overlaps(held.addresses.whole)
    finally:
        second.leave()
