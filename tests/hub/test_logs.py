"""Logs: bounded, shown and followed."""

import os
import stat
from pathlib import Path

import pytest
from bowerbird_hub.state.logs import OLD_ONES, Follower, rotate, tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "hub.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    return path


def test_tail_is_the_last_lines(log: Path) -> None:
    assert tail(log, 2) == "line 998\nline 999\n"
    assert tail(log, 0) == ""
    assert len(tail(log, 5000).splitlines()) == 1000


def test_tail_crosses_chunks(log: Path) -> None:
    log.write_text("\n".join("x" * 50_000 for _ in range(6)))
    assert [len(line) for line in tail(log, 3).splitlines()] == [50_000] * 3


def test_log_in_use_is_bounded_and_goes_on_in_the_same_file(log: Path) -> None:
    with log.open("a") as part:
        for round_ in range(OLD_ONES + 3):
            part.write(f"round {round_}\n" * 100)
            part.flush()
            rotate(log.parent, largest_bytes=500)
        part.write("still here\n")
    assert log.read_text() == "still here\n"
    assert sorted(path.name for path in log.parent.iterdir()) == ["hub.log", *(f"hub.log.{number}" for number in range(1, OLD_ONES + 1))]
    assert "round 5" in (log.parent / "hub.log.1").read_text()
    assert "round 3" in (log.parent / "hub.log.3").read_text()


def test_log_that_its_writer_made_long_and_empty_costs_no_disk_and_no_memory(log: Path) -> None:
    os.truncate(log, 1 << 40)
    assert len(tail(log, 10)) <= 2 << 20
    rotate(log.parent, largest_bytes=4096)
    aside = log.parent / "hub.log.1"
    assert log.stat().st_size == 0
    assert aside.stat().st_size == 4096
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_log_that_cannot_be_put_aside_does_not_keep_the_others_from_it(log: Path) -> None:
    stuck = log.with_name("a.log")
    stuck.write_text("x" * 100)
    stuck.with_name("a.log.1").mkdir()
    stuck.with_name("a.log.2").mkdir()
    (stuck.with_name("a.log.2") / "full").touch()
    rotate(log.parent, largest_bytes=50)
    assert log.stat().st_size == 0


def test_follower_tells_what_is_new_also_after_a_rotation_and_of_new_logs(log: Path) -> None:
    follower = Follower(log.parent, None)
    assert list(follower.new()) == []
    with log.open("a") as part:
        part.write("more\n")
    (log.parent / "proxy.log").write_text("born\n")
    assert list(follower.new()) == [("hub", "more\n"), ("proxy", "born\n")]
    rotate(log.parent, largest_bytes=10)
    with log.open("a") as part:
        part.write("after\n")
    assert list(follower.new()) == [("hub", "after\n")]


def test_follower_of_one_part_tells_nothing_of_others(log: Path) -> None:
    follower = Follower(log.parent, "hub")
    (log.parent / "proxy.log").write_text("born\n")
    assert list(follower.new()) == []
