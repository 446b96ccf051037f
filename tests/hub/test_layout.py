"""The state directory: made, checked, migrated, held."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from bowerbird_config.paths import LAYOUT, Var
from bowerbird_hub import commands
from bowerbird_hub.state import layout
from bowerbird_hub.state.layout import LayoutError, VarInUse
from bowerbird_hub.state.secret_files import OWN, make_secrets, read_secret
from bowerbird_hub.state.state_files import write_json
from bowerbird_hub.supervision.board import Board, Journal, state_path, told, told_by_holder
from bowerbird_hub.supervision.status import status_of
from click.testing import CliRunner

from tests.support.nobody import ANOTHER_UID


@pytest.fixture
def var(tmp_path: Path) -> Var:
    return Var(tmp_path / "a state directory")


def made(var: Var) -> Var:
    layout.claim(var)
    layout.prepare(var)
    return var


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_root_enters_what_is_secret(var: Var) -> None:
    made(var)
    assert {mode(path) for path in (var.secrets, var.hub, var.releases, var.logs, var.run, var.platform.parent)} == {0o700}
    assert layout.version_of(var) == LAYOUT


def test_second_set_up_changes_nothing(var: Var) -> None:
    made(var)
    before = layout.set_up_at(var)
    assert layout.prepare(var) == []
    assert layout.set_up_at(var) == before


def test_set_up_that_was_cut_short_is_done_again(var: Var) -> None:
    made(var)
    var.layout.unlink()
    layout.set_up_path(var).unlink()
    layout.claim(var)
    assert layout.prepare(var) == [f"made {var.root}"]


def test_newer_layout_is_refused_in_a_sentence(var: Var) -> None:
    made(var)
    var.layout.write_text(f"{LAYOUT + 1}\n")
    with pytest.raises(LayoutError, match=f"has layout {LAYOUT + 1}, made by a newer Bowerbird; this one knows {LAYOUT}"):
        layout.claim(var)


def test_damaged_layout_is_refused(var: Var) -> None:
    made(var)
    var.layout.write_text("one\n")
    with pytest.raises(LayoutError, match="does not hold a number"):
        layout.claim(var)


def test_directory_of_somebody_else_is_refused(var: Var) -> None:
    var.root.mkdir()
    (var.root / "thesis.tex").touch()
    with pytest.raises(LayoutError, match="holds files that are not Bowerbird's"):
        layout.claim(var)
    assert [path.name for path in var.root.iterdir()] == ["thesis.tex"]


def test_file_in_place_of_the_directory_is_refused(var: Var) -> None:
    var.root.touch()
    with pytest.raises(LayoutError, match="cannot be made"):
        layout.claim(var)


def test_directory_that_cannot_be_looked_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LayoutError, match="cannot be looked into"):
        layout.refuse_unfit(Var(tmp_path / "file" / "var"))


def test_older_layout_is_saved_and_migrated(var: Var) -> None:
    made(var)
    var.layout.write_text(f"{LAYOUT - 1}\n")
    with closing(sqlite3.connect(var.database)) as database:
        database.execute("CREATE TABLE users (name)")
        database.execute("INSERT INTO users VALUES ('somebody')")
        database.commit()
    seen: list[bool] = []
    said = layout.prepare(var, {LAYOUT - 1: lambda old: seen.append(any((old.root / "backups").iterdir()))})
    assert seen == [True]
    assert layout.version_of(var) == LAYOUT
    (saved,) = (var.root / "backups").iterdir()
    assert str(saved) in said[0]
    with closing(sqlite3.connect(saved / "hub" / "hub.sqlite")) as copy:
        assert copy.execute("SELECT name FROM users").fetchall() == [("somebody",)]


def test_layout_that_no_step_leads_from_is_refused(var: Var) -> None:
    made(var)
    var.layout.write_text(f"{LAYOUT - 1}\n")
    with pytest.raises(LayoutError, match="cannot bring to"):
        layout.prepare(var, {})


def test_held_directory_is_not_held_twice(var: Var) -> None:
    made(var)
    with layout.held(var):
        holder = layout.holder(var)
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(VarInUse), layout.held(var):
            pass
    with layout.held(var):
        pass


def test_holder_that_ended_holds_nothing(var: Var) -> None:
    made(var)
    (var.root / "lock").write_text('{"pid": 1, "start_ticks": -1}')
    assert layout.holder(var) is None


def test_secrets_are_made_once_and_for_the_owner_alone(var: Var) -> None:
    made(var)
    make_secrets(var)
    first = {name: read_secret(var, name) for name in OWN}
    make_secrets(var)
    assert {name: read_secret(var, name) for name in OWN} == first
    assert len(set(first.values())) == len(OWN)
    assert {mode(var.secrets / name) for name in OWN} == {0o600}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
def test_disk_without_room_is_said_before_anything_starts(small_disk: Path) -> None:
    with pytest.raises(LayoutError, match=r"has \d MiB of room left and needs 64 MiB; nothing was started"):
        made(Var(small_disk / "var"))


@pytest.mark.root
def test_what_may_be_deleted_for_room_is_named(small_disk: Path) -> None:
    full = Var(small_disk / "var")
    layout.claim(full)
    (full.surveys / "sky" / "dr1").mkdir(parents=True)
    with pytest.raises(LayoutError, match=f"You may delete {full.surveys}: `up` makes all of it again from the releases"):
        layout.prepare(full)


@pytest.mark.root
def test_supervisor_on_a_disk_that_others_have_filled_tells_what_is_and_status_that_it_is_full(small_disk: Path) -> None:
    full = Var(small_disk / "var")
    full.run.mkdir(parents=True)
    board = Board(full, [])
    board.tell(phase="running")
    (small_disk / "of-others").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "more").write_bytes(b"more")
    for message in ("is killed", "is killed too often, and left alone"):
        board.made("tables", "failed", message)
        assert told(full) == {"phase": "running", "parts": [], "made": [{"name": "tables", "state": "failed", "message": message}]}
    assert any(lack.startswith(f"room on the disk of {full.root}: 0 MiB are left") for lack in status_of(full).missing)
    (small_disk / "of-others").unlink()
    board.tell(phase="stopping")
    assert told(full)["phase"] == json.loads(state_path(full).read_text())["phase"] == "stopping"


_KILLED_AT = """
import itertools, json, os, signal, sys
from pathlib import Path
from bowerbird_hub.state.kept_room import write_always
touches = itertools.count()
def touched(event, _):
    if event in {"open", "os.rename"} and next(touches) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(touched)
write_always(Path(sys.argv[1]), {"phase": "stopping"})
"""


@pytest.mark.root
def test_supervisor_that_is_killed_as_it_writes_when_there_is_room_again_leaves_nothing_older_than_its_file(small_disk: Path) -> None:
    full = Var(small_disk)
    full.run.mkdir()
    ends: list[int] = []
    seen: set[tuple[str, str]] = set()
    while 0 not in ends:
        Board(full, []).tell(phase="starting")
        (small_disk / "of-others").write_bytes(bytes(shutil.disk_usage(small_disk).free))
        Board(full, []).tell(phase="running")
        (small_disk / "of-others").unlink()
        argv = [sys.executable, "-c", _KILLED_AT, str(state_path(full)), str(len(ends))]
        ends.append(subprocess.run(argv, env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=False).returncode)
        seen.add((json.loads(state_path(full).read_text())["phase"], told(full)["phase"]))
    assert set(ends[:-1]) == {-signal.SIGKILL}
    assert seen == {("starting", "running"), ("starting", "stopping"), ("stopping", "stopping")}


@pytest.mark.root
def test_supervisors_log_goes_on_when_a_full_disk_has_room_again(small_disk: Path) -> None:
    journal = Journal(small_disk / "supervisor.log")
    board = Board(Var(small_disk / "var"), [journal])
    board.say("before")
    (small_disk / "of-others").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    for _ in range(100):
        board.say("no room for so many lines as fill what is left of a page of memory")
    (small_disk / "of-others").unlink()
    board.say("after")
    lines = journal.path.read_text().splitlines()
    assert len(lines) < 100
    assert (lines[0].endswith("before"), lines[-1].endswith("after")) == (True, True)


@pytest.mark.root
def test_full_disk_leaves_no_half_written_file(small_disk: Path) -> None:
    full = Var(small_disk / "var")
    layout.claim(full)
    (full.root / "logs").mkdir()
    with (full.root / "logs" / "big.log").open("wb", buffering=0) as big, suppress(OSError):
        while big.write(bytes(1 << 12)):
            pass
    with pytest.raises(LayoutError, match="nothing was started"):
        layout.prepare(full)
    assert not list(full.root.glob("**/.*"))
    assert layout.version_of(full) is None


@pytest.mark.parametrize("command", ["up", "status", "down", "logs"])
def test_file_in_the_place_of_the_state_directory_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "notes.txt").write_text("words")
    for place in ("notes.txt", "notes.txt/var"):
        result = CliRunner().invoke(getattr(commands, command), ["--var", str(tmp_path / place)])
        assert result.exit_code == 2
        assert f"{tmp_path / 'notes.txt'} is a file; name a directory" in result.output


@pytest.mark.root
@pytest.mark.parametrize("command", ["up", "status", "down", "logs"])
def test_state_directory_of_somebody_else_is_refused_in_a_sentence(command: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        var = made(Var(Path(folder) / "var"))
        os.seteuid(ANOTHER_UID)
        try:
            result = CliRunner().invoke(getattr(commands, command), ["--var", str(var.root)])
        finally:
            os.seteuid(0)
    assert result.exit_code == 2
    assert f"{var.root} belongs to root; run it as that user" in result.output


@pytest.mark.parametrize(("offset", "believed"), [(1, False), (0, True)], ids=["killed", "at-work"])
def test_what_a_killed_holder_has_told_is_not_of_the_next(var: Var, offset: int, believed: bool) -> None:
    made(var)
    with layout.held(var):
        holder = layout.holder(var)
        assert holder
        write_json(state_path(var), {"phase": "running", "holder": {**asdict(holder), "pid": holder.pid + offset}})
        assert bool(told_by_holder(var)) is believed
    write_json(var.root / "lock", {"pid": 0, "start_ticks": 0})
    assert told_by_holder(var) == {}
