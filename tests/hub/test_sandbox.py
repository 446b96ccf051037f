"""The sandbox: its argv, and what a process inside it is and sees."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest
from bowerbird_hub.runtimes.sandbox import BWRAP, ETC, SETPRIV, Bind, Sandbox, argv

from tests.support.checkout import shown_of_tmp

UID, GID, TEAM = 612_345, 612_346, 612_347
ENVIRONMENT = Path(sys.prefix)

PROBE = """
import json, os, sys
def tried(action):
    try:
        return action() or "done"
    except OSError as error:
        return type(error).__name__
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": sorted(os.getgroups()),
    "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"], "root": sorted(os.listdir("/")), "etc": sorted(os.listdir("/etc")),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()),
    "write_environment": tried(lambda: open(sys.prefix + "/x", "w").close()),
    "write_usr": tried(lambda: open("/usr/x", "w").close()),
    "write_tmp": tried(lambda: open("/tmp/x", "w").close()),
    "write_shm": tried(lambda: open("/dev/shm/x", "w").close()),
    "write_home": tried(lambda: open("/home/somebody/x", "w").close()),
    "become_root": tried(lambda: os.setuid(0)),
    "shadow": tried(lambda: open("/etc/shadow").close()),
    "host_tmp": os.listdir("/tmp"),
}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home of somebody"
    place.mkdir(mode=0o700)
    os.chown(place, UID, GID)
    return place


def sandbox(home: Path, *command: str, dies_with_parent: bool = True) -> Sandbox:
    return Sandbox(
        command,
        UID,
        GID,
        groups=(TEAM,),
        binds=(Bind(home, PurePosixPath("/home/somebody"), writable=True), Bind.same(ENVIRONMENT)),
        directory=PurePosixPath("/home/somebody"),
        dies_with_parent=dies_with_parent,
    )


def test_until_root_is_given_up_every_program_is_named_by_its_whole_path(tmp_path: Path) -> None:
    words = argv(sandbox(tmp_path, "sh"))
    assert words[0] == BWRAP
    assert words[words.index("--") + 1] == SETPRIV


def test_privileges_are_given_up_before_the_command(tmp_path: Path) -> None:
    words = argv(sandbox(tmp_path, "sh", "-c", "true"))
    given_up = words[words.index(SETPRIV) : -3]
    assert given_up == [
        SETPRIV,
        *("--reuid", str(UID), "--regid", str(GID), "--groups", str(TEAM)),
        *("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"),
    ]
    assert words[-3:] == ["sh", "-c", "true"]


@pytest.mark.root
def test_only_what_is_named_of_roots_might_is_kept() -> None:
    told = ("sh", "-c", "grep -E '^Cap(Eff|Bnd)' /proc/self/status")
    for kept, mask in (((), 0), (("net_bind_service",), 1 << 10)):
        done = subprocess.run(argv(Sandbox(told, UID, GID, capabilities=kept)), capture_output=True, text=True, timeout=30, check=True)
        assert [int(line.split()[1], 16) for line in done.stdout.splitlines()] == [mask, mask]


def test_whoever_has_no_team_keeps_no_group_of_root() -> None:
    assert "--clear-groups" in argv(Sandbox(("sh",), UID, GID))


def test_parents_of_a_bind_can_be_passed_by_the_process() -> None:
    words = argv(Sandbox(("sh",), UID, GID, binds=(Bind.same(Path("/srv/a b/c")), Bind.same(Path("/srv/d")))))
    made = [words[at + 1] for at, word in enumerate(words) if word == "--dir" and words[at - 2 : at] == ["--perms", "0755"]]
    assert made.count("/srv") == 1
    assert "/srv/a b" in made
    assert "/srv/a b/c" not in made


@pytest.mark.parametrize(("dies", "told"), [(True, True), (False, False)])
def test_only_services_end_with_whoever_started_them(dies: bool, told: bool) -> None:
    assert ("--die-with-parent" in argv(Sandbox(("sh",), UID, GID, dies_with_parent=dies))) is told


@pytest.mark.root
@pytest.mark.skipif(
    not Path("/etc/esorex.rc").exists(), reason="needs Debian's esorex and a pipeline: apt-get install esorex cpl-plugin-muse"
)
def test_esorex_of_the_machine_finds_its_recipes(home: Path) -> None:
    command = argv(sandbox(home, "/usr/bin/esorex", "--recipes"))
    told = subprocess.run(command, env={"HOME": "/home/somebody"}, capture_output=True, text=True, check=True, timeout=60)
    assert "No recipes were found" not in told.stdout


@pytest.mark.root
def test_process_is_nobody_special_and_sees_its_own_only(home: Path) -> None:
    told = subprocess.run(
        argv(sandbox(home, sys.executable, "-I", "-c", PROBE)),
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found = json.loads(told.stdout)
    assert (found["uid"], found["gid"], found["groups"]) == (UID, GID, [TEAM])
    assert set(found["capabilities"]) == {"0" * 16}
    assert found["no_new_privs"] == "1"
    assert set(found["etc"]) <= {name.split("/")[0] for name in ETC}
    assert "root" not in found["root"]
    assert len(found["processes"]) == 2  # bubblewrap's own first one, and itself
    refused = {name for name in found if name.startswith("write_") and found[name] in {"OSError", "PermissionError"}}
    assert refused == {"write_environment", "write_usr"}
    assert (found["become_root"], found["shadow"], set(found["host_tmp"])) == (
        "PermissionError",
        "FileNotFoundError",
        {"x", *shown_of_tmp()},
    )
    assert (home / "x").stat().st_uid == UID


@pytest.mark.root
def test_end_of_the_first_process_ends_all_in_the_sandbox(home: Path) -> None:
    reading, writing = os.pipe()
    script = "sleep 600 & echo started; wait"
    world = Sandbox(("/bin/sh", "-c", script), UID, GID, dies_with_parent=False, info_fd=writing)
    child = subprocess.Popen(argv(world), env={"PATH": "/usr/bin:/bin"}, pass_fds=(writing,), stdout=subprocess.PIPE, text=True)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        first = json.load(pipe)["child-pid"]
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    os.kill(first, signal.SIGKILL)
    child.wait(10)
    # Its end of the pipe closes when the last process that holds it has ended.
    deadline = time.monotonic() + 10
    assert child.stdout.read() == ""
    assert time.monotonic() < deadline
    child.stdout.close()
