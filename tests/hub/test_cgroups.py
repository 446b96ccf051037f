"""Control groups: found on every layout of them, limits that hold, and nothing left behind."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_hub.runtimes import cgroups
from bowerbird_hub.runtimes.cgroups import Base, Group, Limits
from bowerbird_hub.runtimes.obituaries import out_of_memory

LIMITS = Limits(memory=64 << 20, cpu=0.5, processes=20)
NAME = "bowerbird-test"


def mountinfo(*lines: str) -> str:
    return "".join(f"{number} 1 0:{number} {line}\n" for number, line in enumerate(lines, 30))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    return tmp_path


def detected(machine: Path, mounts: str, groups: str) -> cgroups.Bases:
    (machine / "proc" / "mountinfo").write_text(mounts)
    (machine / "proc" / "cgroup").write_text(groups)
    return cgroups.detect(machine / "proc")


def first_version(machine: Path, *controllers: str) -> str:
    for controller in controllers:
        (machine / controller / "own").mkdir(parents=True)
    return mountinfo(*(f"/ {machine / name} rw shared:1 - cgroup cgroup rw,{name}" for name in controllers))


def second_version(machine: Path, handed_down: str) -> str:
    top = machine / "unified"
    (top / "slice" / "service").mkdir(parents=True)
    for path, words in ((top, handed_down), (top / "slice", handed_down), (top / "slice" / "service", "")):
        (path / "cgroup.subtree_control").write_text(words)
    (top / "slice" / "service" / "cgroup.subtree_control").chmod(0o444)
    return mountinfo(f"/ {top} rw - cgroup2 cgroup2 rw")


def test_first_version_makes_groups_below_our_own(machine: Path) -> None:
    mounts = first_version(machine, "memory", "cpu", "pids")
    found = detected(machine, mounts, "3:pids:/own\n2:cpu:/own\n1:memory:/own\n0::/\n")
    assert found == {name: Base(machine / name / "own", 1, machine / name) for name in ("memory", "cpu", "pids")}


def test_second_version_makes_groups_where_the_controllers_are_handed_down(machine: Path) -> None:
    mounts = second_version(machine, "memory cpu pids")
    (machine / "unified" / "slice" / "service" / "cgroup.subtree_control").unlink()
    found = detected(machine, mounts, "0::/slice/service\n")
    assert found == {name: Base(machine / "unified" / "slice", 2, machine / "unified") for name in ("memory", "cpu", "pids")}


def test_hybrid_machine_takes_each_controller_where_it_is(machine: Path) -> None:
    mounts = first_version(machine, "memory") + second_version(machine, "cpu pids")
    (machine / "unified" / "slice" / "service" / "cgroup.subtree_control").unlink()
    found = detected(machine, mounts, "1:memory:/own\n0::/slice/service\n")
    assert found["memory"] == Base(machine / "memory" / "own", 1, machine / "memory")
    assert found["pids"] == Base(machine / "unified" / "slice", 2, machine / "unified")


def test_container_that_sees_a_part_of_the_tree_finds_its_own_group(machine: Path) -> None:
    (machine / "memory").mkdir()
    mounts = mountinfo(f"/docker/abc {machine / 'memory'} rw - cgroup cgroup rw,memory")
    assert detected(machine, mounts, "1:memory:/docker/abc\n") == {"memory": Base(machine / "memory", 1, machine / "memory")}


def test_machine_without_groups_says_which_limits_are_missing(machine: Path) -> None:
    found = detected(machine, "", "0::/\n")
    assert found == {}
    assert [sentence.split(" is not limited")[0] for sentence in cgroups.missing(found)] == [
        "memory of servers",
        "processor time of servers",
        "processes of servers",
    ]


def test_groups_of_an_earlier_hub_are_found_where_it_ran(machine: Path) -> None:
    bases = detected(machine, first_version(machine, "memory"), "1:memory:/own\n")
    places = (machine / "memory" / "own" / "bowerbird-1-a", machine / "memory" / "another" / "session" / "bowerbird-1-b")
    for place in (*places, machine / "memory" / "bowerbird-2-a"):
        place.mkdir(parents=True)
    assert cgroups.groups_of(bases, "bowerbird-1-") == {place.name: Group((place,)) for place in places}


def test_machine_with_groups_misses_nothing() -> None:
    assert cgroups.missing({name: Base(Path("/x"), 1, Path("/x")) for name in cgroups.CONTROLLERS}) == ()


@pytest.mark.parametrize(
    ("controller", "version", "files"),
    [
        ("memory", 1, {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864"}),
        ("memory", 2, {"memory.max": "67108864", "memory.swap.max": "0"}),
        ("cpu", 1, {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
        ("cpu", 2, {"cpu.max": "50000 100000"}),
        ("pids", 1, {"pids.max": "20"}),
        ("pids", 2, {"pids.max": "20"}),
    ],
)
def test_limits_are_written_as_each_version_reads_them(controller: str, version: int, files: dict[str, str]) -> None:
    assert dict(cgroups.settings(controller, version, LIMITS)) == files


def test_a_sliver_of_a_processor_is_what_the_kernel_takes_least() -> None:
    assert dict(cgroups.settings("cpu", 1, Limits(1, 0.001, 1)))["cpu.cfs_quota_us"] == "1000"


@pytest.mark.parametrize(
    ("name", "single"), [("memory.oom_control", "under_oom 0\noom_kill 2\n"), ("memory.events", "oom 2\noom_kill 2\n")]
)
def test_processes_that_were_ended_one_by_one_are_counted(tmp_path: Path, name: str, single: str) -> None:
    for words, kills in ((single, 2), (f"{single}oom_group_kill 1\n", 0)):
        (tmp_path / name).write_text(words)
        assert Group((tmp_path,)).memory_kills() == kills


def test_without_groups_the_command_is_the_command() -> None:
    assert Group().entering(["sleep", "1"]) == ["sleep", "1"]


def test_obituary_says_what_when_of_how_much_and_what_to_do() -> None:
    words = out_of_memory(1, 1 << 30)
    assert "memory limit of 1 GiB" in words
    assert len(out_of_memory(12, 1536 << 20)) <= 140
    assert "files are not" in words


@pytest.fixture
def real() -> Iterator[cgroups.Bases]:
    bases = cgroups.detect()
    if set(bases) != set(cgroups.CONTROLLERS):
        pytest.skip("; ".join(cgroups.missing(bases)))
    yield bases
    for group in cgroups.groups_of(bases, NAME).values():
        group.end()


def run(group: Group, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(group.entering([sys.executable, "-I", "-c", code]), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.root
def test_process_that_takes_too_much_memory_is_ended_and_counted(real: cgroups.Bases) -> None:
    group = cgroups.create(real, NAME, LIMITS)
    assert group.memory_kills() == 0
    assert run(group, "block = b'x' * (512 << 20)").returncode == -9
    assert group.memory_kills() == 1
    assert run(group, "print('small')").stdout == "small\n"


@pytest.mark.root
def test_processes_beyond_the_limit_are_refused(real: cgroups.Bases) -> None:
    group = cgroups.create(real, NAME, LIMITS)
    code = """
import os, signal
children = []
try:
    for _ in range(50):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except BlockingIOError:
    print("refused after", len(children))
for child in children:
    os.kill(child, signal.SIGKILL)
"""
    assert run(group, code).stdout == f"refused after {LIMITS.processes - 1}\n"


@pytest.mark.root
def test_end_of_a_group_ends_its_processes_and_leaves_no_directory(real: cgroups.Bases) -> None:
    group = cgroups.create(real, NAME, LIMITS)
    child = subprocess.Popen(group.entering(["/bin/sh", "-c", "sleep 600 & echo there; wait"]), stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    assert len(group.processes()) == 2
    assert group.end()
    assert child.wait(10) == -9
    child.stdout.close()
    assert not any(path.exists() for path in group.paths)
    assert NAME not in cgroups.groups_of(real, NAME)
