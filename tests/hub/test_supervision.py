"""Supervision, with real processes: parts that are fakes behind the real commands."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bowerbird_config.paths import Var
from bowerbird_hub import stopping
from bowerbird_hub.probes import order
from tests.support.rig import Rig, rig_in, wait_for


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as made:
        yield made


def test_platform_starts_detached_and_ends_without_a_trace(rig: Rig) -> None:
    found = rig.up()
    assert found["running"]
    assert rig.answers(found["url"])
    assert {process["name"] for process in found["processes"]} >= {"supervisor", "proxy", "hub", "service fake"}
    assert all(process["memory_bytes"] > 0 for process in found["processes"])
    down = rig.run("down")
    assert down.returncode == 0, down.stderr
    rig.assert_nothing_left()
    assert rig.run("status").returncode == 1


def test_second_up_says_where_the_first_runs(rig: Rig) -> None:
    found = rig.up()
    second = rig.run("up", str(rig.file))
    assert second.returncode == 0
    assert found["url"] in second.stdout
    assert rig.starts("hub") == 1


@pytest.mark.parametrize("name", ["hub", "keeper", "proxy"])
def test_killed_part_is_started_again_and_the_others_go_on(rig: Rig, name: str) -> None:
    if name == "keeper" and not can_mount():
        pytest.skip("no keeper without root and /dev/fuse")
    url = rig.up()["url"]
    before = rig.pids()
    os.kill(before[name], signal.SIGKILL)
    wait_for(lambda: rig.pids().get(name, before[name]) != before[name])
    if name == "proxy":  # as the real hub does from time to time; the fake adds its route at its start only
        os.kill(rig.pids()["hub"], signal.SIGKILL)
        before.pop("hub")
    wait_for(lambda: rig.answers(url))
    after = rig.pids()
    assert all(after[other] == pid for other, pid in before.items() if other != name)
    wait_for(lambda: rig.status()["running"])
    assert "SIGKILL" in rig.run("logs", "supervisor").stdout


def test_parts_outlive_a_killed_supervisor_and_the_next_takes_them_over(rig: Rig) -> None:
    url = rig.up()["url"]
    before = rig.pids()
    supervisor = rig.supervisor()
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: "takes it over" in rig.status()["phase"])
    assert rig.answers(url)
    assert rig.status()["running"]
    found = rig.up()
    assert rig.pids() == before
    assert found["url"] == url
    assert found["phase"] == "running"
    assert rig.starts("hub") == 1


def test_down_ends_what_a_killed_supervisor_left(rig: Rig) -> None:
    rig.up()
    os.kill(rig.supervisor(), signal.SIGKILL)
    wait_for(lambda: rig.status()["processes"][0]["pid"] is None)
    assert rig.run("down").returncode == 0
    rig.assert_nothing_left()


def test_part_without_a_record_is_ended_before_it_is_started_anew(rig: Rig) -> None:
    rig.up()
    os.kill(rig.supervisor(), signal.SIGKILL)
    old = rig.pids()["hub"]
    (rig.var / "run" / "parts" / "hub.json").unlink()
    wait_for(lambda: rig.status()["processes"][0]["pid"] is None)
    rig.up()
    assert rig.pids()["hub"] != old
    assert not Path(f"/proc/{old}").exists() or "Z" in Path(f"/proc/{old}/stat").read_text().split(")")[1]


def test_other_platform_file_starts_the_hub_anew_and_leaves_the_proxy(rig: Rig) -> None:
    rig.up()
    before = rig.pids()
    os.kill(rig.supervisor(), signal.SIGKILL)
    other = rig.root / "other.yaml"
    other.write_text(rig.file.read_text())
    wait_for(lambda: rig.status()["processes"][0]["pid"] is None)
    assert rig.run("up", str(other), "--detach").returncode == 0
    after = rig.pids()
    assert after["hub"] != before["hub"]
    assert after["proxy"] == before["proxy"]


def test_part_that_cannot_start_is_tried_with_growing_pauses_and_named(rig: Rig) -> None:
    rig.tell("hub.fail")
    done = rig.run("up", str(rig.file), "--detach")
    assert done.returncode == 2
    assert "hub was told to fail" in done.stdout
    assert str(rig.var / "logs" / "hub.log") in done.stdout
    assert rig.starts("hub") == 3
    assert "next try in 0.5 s" in done.stdout
    assert "next try in 1 s" in done.stdout
    rig.assert_nothing_left()


def test_foreground_platform_goes_on_trying(rig: Rig) -> None:
    rig.tell("hub.fail")
    process = rig.spawn("up", str(rig.file))
    wait_for(lambda: rig.starts("hub") >= 3)
    (rig.control / "hub.fail").unlink()
    wait_for(lambda: (rig.var / "run" / "supervisor.json").exists() and rig.status()["running"])
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "stopped" in output
    rig.assert_nothing_left()


@pytest.mark.parametrize(
    ("signum", "seconds"),
    [*((signal.SIGTERM, seconds) for seconds in (0.05, 0.25, 0.45, 0.65, 0.9, 1.3)), (signal.SIGINT, 0.7), (signal.SIGHUP, 0.7)],
)
def test_signal_at_any_moment_leaves_nothing(rig: Rig, signum: signal.Signals, seconds: float) -> None:
    rig.tell("hub.slow", "0.3")
    process = rig.spawn("up", str(rig.file))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.send_signal(signum)
    process.communicate(timeout=30)
    assert rig.processes() == []
    assert rig.mounts() == []
    # And what the signal interrupted does not stand in the way of the next start.
    (rig.control / "hub.slow").unlink()
    assert rig.up()["running"]


def test_second_signal_takes_the_deadlines_away(rig: Rig) -> None:
    rig.tell("hub.deaf")
    process = rig.spawn("up", str(rig.file))
    wait_for(lambda: (rig.var / "run" / "supervisor.json").exists() and rig.status()["running"])
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "ending hub" in (rig.var / "logs" / "supervisor.log").read_text())
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert time.monotonic() - began < stopping.HUB_SECONDS / 2
    rig.assert_nothing_left()


def test_part_that_ignores_the_request_to_end_is_killed_after_its_time(rig: Rig) -> None:
    rig.tell("keeper.deaf" if can_mount() else "hub.deaf")
    rig.up()
    done = rig.run("down")
    assert done.returncode == 0, done.stderr
    rig.assert_nothing_left()


def test_two_platforms_run_side_by_side(rig: Rig, tmp_path: Path) -> None:
    with rig_in(tmp_path / "second") as other:
        first, second = rig.up(), other.up()
        assert first["url"] != second["url"]
        assert rig.run("down").returncode == 0
        assert other.answers(second["url"])
        assert other.status()["running"]


def test_taken_port_is_replaced_and_said(rig: Rig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = rig.run("up", str(rig.file), "--detach", "--port", str(port))
        assert done.returncode == 0, done.stderr
        assert f"port {port} is taken or kept for root" in done.stdout
        assert f":{port}/" not in rig.status()["url"]


def test_broken_platform_file_is_told_with_its_lines_and_nothing_is_made(rig: Rig) -> None:
    rig.file.write_text(rig.file.read_text() + "colour: blue\n")
    done = rig.run("up", str(rig.file))
    assert done.returncode == 1
    assert f"{rig.file}:" in done.stderr
    assert "colour" in done.stderr
    assert not rig.var.exists()


def test_broken_edit_does_not_keep_a_running_platform_from_being_taken_over(rig: Rig) -> None:
    rig.up()
    os.kill(rig.supervisor(), signal.SIGKILL)
    rig.file.write_text("nonsense")
    wait_for(lambda: rig.status()["processes"][0]["pid"] is None)
    assert rig.run("up", "--detach").returncode == 0
    found = rig.status()
    assert found["running"]
    assert found["problems"]


def test_mounts_that_nobody_serves_are_taken_away(rig: Rig) -> None:
    if not can_mount():
        pytest.skip("needs root and /dev/fuse")
    rig.up()
    assert order(Var(rig.var).keeper_socket, {"op": "mount", "user": "somebody"})["ok"]
    assert [mount["user"] for mount in rig.status()["mounts"]] == ["somebody"]
    for pid in [rig.supervisor(), *rig.pids().values()]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not rig.status()["running"])
    assert [mount["health"] for mount in rig.status()["mounts"]] == ["nobody serves it"]
    rig.up()
    assert rig.mounts() == []


def can_mount() -> bool:
    return os.geteuid() == 0 and Path("/dev/fuse").exists()
