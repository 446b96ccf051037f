"""Supervision, with real processes: parts that are fakes behind the real commands."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.runtimes.places import ServerPlace, mark_of
from bowerbird_hub.supervision import stopping
from bowerbird_hub.supervision.ports import choose, is_free, is_kept_for_root
from bowerbird_hub.supervision.probes import order
from bowerbird_hub.supervision.processes import find

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
    port = found["url"].rstrip("/").rpartition(":")[2]
    assert rig.run("up", "--port", port).returncode == 0
    other = choose("127.0.0.1", 0).public
    elsewhere = rig.run("up", str(rig.file), "--port", str(other))
    assert elsewhere.returncode == 1
    assert f"already running at {found['url']}" in elsewhere.stderr
    assert f"`bowerbird up --port {other}` then starts it there" in elsewhere.stderr
    assert rig.starts("hub") == 1


def test_second_up_of_another_file_says_that_it_does_not_run(rig: Rig) -> None:
    found = rig.up()
    other = rig.root / "other.yaml"
    other.write_text(rig.file.read_text())
    second = rig.run("up", str(other), "--detach")
    assert second.returncode == 1
    assert f"already running at {found['url']} with {rig.file}" in second.stderr
    for text in ("nonsense", None):
        other.write_text(text) if text else other.unlink()
        refused = rig.run("up", str(other))
        assert refused.returncode == 1
        assert f"{other} is not in order; nothing was started" in refused.stderr


def test_second_detached_up_at_the_same_moment_returns_when_the_platform_is_up(rig: Rig) -> None:
    first = rig.spawn("up", str(rig.file), "--detach")
    wait_for((rig.var / "run" / "supervisor.json").exists)
    second = rig.run("up", str(rig.file), "--detach")
    assert second.returncode == 0, second.stderr
    assert "already running at" in second.stdout
    assert rig.status()["running"]
    assert first.wait(30) == 0


def test_up_whose_file_is_gone_starts_no_other(rig: Rig) -> None:
    rig.up()
    assert rig.run("down").returncode == 0
    rig.file.unlink()
    done = rig.run("up", "--detach")
    assert done.returncode == 1
    assert f"{rig.file}:1: the file cannot be read" in done.stderr


def test_up_with_newer_code_replaces_what_is_older_and_nothing_else(rig: Rig) -> None:
    found = rig.up()
    before, supervisor = rig.pids(), rig.supervisor()
    assert "already" in rig.run("up", str(rig.file), "--detach").stdout
    (rig.root / "fuse").mkdir()
    (rig.root / "fuse" / "newer.py").write_text("")
    assert rig.up()["url"] == found["url"]
    after = rig.pids()
    assert rig.supervisor() != supervisor
    replaced = {name for name, pid in before.items() if after[name] != pid}
    assert replaced == ({"keeper"} if can_mount() else set())
    assert rig.starts("hub") == 1
    assert rig.run("down").returncode == 0
    rig.assert_nothing_left()


@pytest.mark.parametrize("name", ["hub", "holder", "keeper", "proxy"])
def test_killed_part_is_started_again_and_the_others_go_on(rig: Rig, name: str) -> None:
    if name in {"holder", "keeper"} and not can_mount():
        pytest.skip("no keeper without root and /dev/fuse")
    url = rig.up()["url"]
    before = rig.pids()
    os.kill(before[name], signal.SIGKILL)
    wait_for(lambda: rig.pids().get(name, before[name]) != before[name])
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
    of_a_server, of_another_platform = (ServerPlace(var, "ann").runtime for var in (Var(rig.var), Var(rig.var / "other")))
    for place in (of_a_server, of_another_platform):
        place.mkdir()
    assert rig.run("down").returncode == 0
    rig.assert_nothing_left()
    assert not of_a_server.exists()
    of_another_platform.rmdir()


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
    [*((signal.SIGTERM, seconds) for seconds in (0.2, 0.5, 0.8, 1.2)), (signal.SIGINT, 0.7), (signal.SIGHUP, 0.7)],
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


def test_two_platforms_run_side_by_side(rig: Rig, tmp_path: Path) -> None:
    with rig_in(tmp_path / "second") as other:
        first, second = rig.up(), other.up()
        assert first["url"] != second["url"]
        assert rig.run("down").returncode == 0
        assert other.answers(second["url"])
        assert other.status()["running"]


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_taken_port_that_was_asked_for_is_refused_and_the_directory_stays_as_it_was(rig: Rig) -> None:
    new = replace(rig, var=rig.var / "new" / "var")
    rig.var.mkdir()
    with taken_port() as port:
        for each in (new, rig):
            refused = each.run("up", str(rig.file), "--detach", "--port", str(port))
            assert refused.returncode == 2
            assert f"port {port} is taken or kept for root, and nothing was started" in refused.stderr
            assert list(rig.var.iterdir()) == []
    assert rig.starts("hub") == 0


def test_taken_port_of_the_file_is_replaced_and_said(rig: Rig) -> None:
    with taken_port() as port:
        rig.file.write_text(rig.file.read_text().replace("port: 0", f"port: {port}"))
        done = rig.run("up", str(rig.file), "--detach")
        assert done.returncode == 0, done.stderr
        assert f"port {port} is taken or kept for root" in done.stdout
        assert f":{port}/" not in rig.status()["url"]


@pytest.mark.root
def test_port_that_is_kept_for_root_is_listened_at(rig: Rig) -> None:
    port = next((port for port in range(700, 1024) if is_kept_for_root(port) and is_free("127.0.0.1", port)), None)
    if port is None:
        pytest.skip("needs a free port that is kept for root")
    found = rig.up(str(rig.file), "--port", str(port))
    assert found["url"].endswith(f":{port}/")
    assert rig.answers(found["url"])


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


def test_interrupted_detached_start_leaves_nothing(rig: Rig) -> None:
    rig.tell("hub.slow", "20")
    process = rig.spawn("up", str(rig.file), "--detach")
    wait_for(lambda: rig.starts("hub"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2, output
    assert "stopped" in output
    wait_for(lambda: not rig.processes())
    rig.assert_nothing_left()


def test_directory_without_room_is_said_and_nothing_is_started(rig: Rig) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    rig.var.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(rig.var)], check=True)
    try:
        done = rig.run("up", str(rig.file), "--detach")
        assert done.returncode == 2
        assert "of room left" in done.stderr
        assert rig.starts("hub") == 0
    finally:
        subprocess.run(["umount", str(rig.var)], check=True)


def test_newer_layout_is_refused(rig: Rig) -> None:
    rig.up()
    rig.run("down")
    layout = (rig.var / "layout").read_text()
    (rig.var / "layout").write_text("99\n")
    done = rig.run("up", str(rig.file))
    assert done.returncode == 2
    assert "made by a newer Bowerbird" in done.stderr
    (rig.var / "layout").write_text(layout)


def test_database_of_another_jupyterhub_is_saved_and_upgraded(rig: Rig) -> None:
    rig.up()
    rig.run("down")
    with closing(sqlite3.connect(rig.var / "hub" / "hub.sqlite")) as database:
        database.execute("CREATE TABLE users (name)")
        database.commit()
    (rig.var / "hub" / "version.json").write_text('{"jupyterhub": "1.0.0"}')
    done = rig.run("up", str(rig.file), "--detach")
    assert "upgraded the hub's database" in done.stdout
    assert (rig.control / "upgrade-db").read_text() == f"--db=sqlite:///{rig.var}/hub/hub.sqlite"
    assert list((rig.var / "backups").glob("before-upgrade-db-*/hub/hub.sqlite"))
    rig.run("down")
    assert "upgraded" not in rig.run("up", str(rig.file), "--detach").stdout


def test_purge_deletes_the_directory_but_never_what_is_mounted_in_it(rig: Rig) -> None:
    rig.up()
    other = rig.var / "homes" / "elsewhere"
    if os.geteuid() == 0:
        other.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(other)], check=True)
        try:
            (other / "file").touch()
            refused = rig.run("down", "--purge", "--yes")
            assert refused.returncode == 2
            assert "is mounted" in refused.stderr
            assert (other / "file").exists()
        finally:
            subprocess.run(["umount", str(other)], check=True)
    assert rig.run("down", "--purge").returncode == 1
    assert rig.var.exists()
    deep = rig.var / "homes" / "deep"
    subprocess.run(["sh", "-c", 'mkdir "$0" && cd "$0" && for n in $(seq 1500); do mkdir d && cd d; done', str(deep)], check=True)
    assert rig.run("down", "--purge", "--yes").returncode == 0
    assert not rig.var.exists()


def test_logs_show_one_part_or_all(rig: Rig) -> None:
    rig.up()
    assert "hub: hub runs as" in rig.run("logs").stdout
    assert rig.run("logs", "hub").stdout.startswith("hub runs as")
    assert "'vo'; the hub's services write into hub; there are" in rig.run("logs", "vo").stderr
    wrong = rig.run("logs", "hubb")
    assert wrong.returncode == 1
    assert re.search("there are .*hub, .*proxy", wrong.stderr)
    following = rig.spawn("logs", "-f", "-n", "1", "hub")
    assert following.stdout
    assert following.stdout.readline().startswith("hub runs as")
    with (rig.var / "logs" / "hub.log").open("a") as log:
        log.write("something new\n")
    assert following.stdout.readline() == "something new\n"
    following.send_signal(signal.SIGINT)
    assert following.wait(timeout=10) == 0


def test_backup_of_a_running_platform_starts_elsewhere(rig: Rig, tmp_path: Path) -> None:
    rig.up()
    saved = rig.run("backup", str(tmp_path / "saved"))
    assert saved.returncode == 0, saved.stderr
    rig.run("down", "--purge", "--yes")
    again = rig.run("restore", str(tmp_path / "saved"))
    assert again.returncode == 0, again.stderr
    assert rig.up()["running"]


@pytest.mark.parametrize("command", ["status", "logs"])
def test_status_and_logs_of_nothing_say_so(rig: Rig, command: str) -> None:
    done = rig.run(command)
    assert done.returncode == 1
    assert "holds no platform; `bowerbird up` makes one" in done.stderr


def test_start_during_an_end_waits_for_it(rig: Rig) -> None:
    rig.up()
    rig.tell("hub.deaf")
    os.kill(rig.pids()["hub"], signal.SIGKILL)
    wait_for(lambda: rig.starts("hub") == 2 and rig.status()["running"])
    (rig.control / "hub.deaf").unlink()
    os.kill(rig.supervisor(), signal.SIGTERM)
    wait_for(lambda: json.loads((rig.var / "run" / "supervisor.json").read_text())["phase"] == "stopping")
    starting = rig.spawn("up", str(rig.file), "--detach")
    wait_for(lambda: "ending hub" in (rig.var / "logs" / "supervisor.log").read_text())
    os.kill(rig.supervisor(), signal.SIGTERM)  # no need to wait for the deaf one
    output, _ = starting.communicate(timeout=60)
    assert starting.returncode == 0, output
    assert "Rig is ready" in output
    assert rig.status()["running"]


def test_what_a_killed_hub_left_is_ended_before_it_starts_anew(rig: Rig) -> None:
    rig.up()
    before = rig.pids()["hub"]
    service = next(process["pid"] for process in rig.status()["processes"] if process["name"] == "service fake")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: rig.pids()["hub"] != before and rig.status()["running"])
    assert find(service) is None


def start_server(rig: Rig) -> subprocess.Popen[bytes]:
    """Start what the process runtime's servers look like from outside."""
    told = {"BOWERBIRD_SERVER": f"{mark_of(Var(rig.var))}-one", "JUPYTERHUB_USER": "somebody", "JUPYTERHUB_SERVER_NAME": "second"}
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], env=told, start_new_session=True)


def test_server_outlives_every_part_and_finds_the_next_hub_at_the_same_port(rig: Rig) -> None:
    url = rig.up()["url"]
    with start_server(rig) as server:
        try:
            for pid in [rig.supervisor(), *rig.pids().values()]:
                os.kill(pid, signal.SIGKILL)
            before = (rig.var / "run" / "ports.json").read_text()
            found = rig.up()
            assert found["url"] == url
            assert (rig.var / "run" / "ports.json").read_text() == before
            assert [process["pid"] for process in found["processes"] if process["name"] == "server of somebody (second)"] == [server.pid]
            assert server.poll() is None
            assert rig.run("down").returncode == 0
            assert server.wait(timeout=5) == -signal.SIGTERM
        finally:
            server.kill()


def test_other_port_is_taken_with_servers_alive_and_their_hub_stays_where_it_is(rig: Rig) -> None:
    old = rig.up()["url"]
    os.kill(rig.supervisor(), signal.SIGKILL)
    before = json.loads((rig.var / "run" / "ports.json").read_text())
    wanted = choose("127.0.0.1", 0).public
    wait_for(lambda: rig.status()["processes"][0]["pid"] is None)
    found = rig.up(str(rig.file), "--port", str(wanted))
    assert f":{wanted}/" in found["url"]
    assert not rig.answers(old)
    assert json.loads((rig.var / "run" / "ports.json").read_text())["hub"] == before["hub"]
