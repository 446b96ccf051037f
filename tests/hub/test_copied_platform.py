"""A state directory that was copied with `cp -a` while its platform ran: no command on the copy touches the original."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.state import copied, layout
from bowerbird_hub.state.layout import LayoutError
from jupyterhub import orm

from tests.support.rig import Rig, rig_in


def copy(var: Path, place: Path) -> Path:
    # A socket of a process that runs may vanish meanwhile, which is no error of the rest.
    subprocess.run(["cp", "-a", str(var), str(place)], check=False, capture_output=True)
    return place


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path / "original") as made:
        made.up()
        yield made


@pytest.fixture
def other(rig: Rig, tmp_path: Path) -> Iterator[Rig]:
    """The copy of a platform that runs, in a checkout of its own."""
    with rig_in(tmp_path / "elsewhere") as made:
        copy(rig.var, made.var)
        yield made


def assert_untouched(rig: Rig, before: dict[str, int]) -> None:
    found = rig.status()
    assert rig.pids() == before
    assert found["running"]
    assert rig.answers(found["url"])


def test_down_of_a_copy_ends_nothing_of_the_original(rig: Rig, other: Rig) -> None:
    before = {**rig.pids(), "supervisor": rig.supervisor()}
    done = other.run("down")
    assert done.returncode == 0, done.stderr
    assert "is a copy of another platform's" in done.stdout
    assert rig.supervisor() == before.pop("supervisor")
    assert_untouched(rig, before)


def test_status_of_a_copy_tells_of_nothing_that_runs(rig: Rig, other: Rig) -> None:
    before = rig.pids()
    found = other.status()
    assert not found["running"]
    assert all(process["pid"] is None for process in found["processes"])
    assert_untouched(rig, before)


def test_copy_is_started_beside_the_original_and_ended_without_it(rig: Rig, other: Rig) -> None:
    before = rig.pids()
    assert other.up()["running"]
    assert not set(other.pids().values()) & set(before.values())
    assert other.run("status").returncode == 0, "it is a platform of its own now"
    assert_untouched(rig, before)
    assert other.run("down").returncode == 0
    assert_untouched(rig, before)


def test_purge_of_a_copy_deletes_the_copy_alone(rig: Rig, other: Rig) -> None:
    before = rig.pids()
    assert other.run("down", "--purge", "--yes").returncode == 0
    assert not other.var.exists()
    assert_untouched(rig, before)


@pytest.fixture
def var(tmp_path: Path) -> Var:
    var = Var(tmp_path / "var")
    layout.claim(var)
    layout.prepare(var)
    with layout.held(var):
        pass
    return var


def test_copy_of_a_held_directory_has_no_holder(var: Var, tmp_path: Path) -> None:
    with layout.held(var):
        other = Var(copy(var.root, tmp_path / "copy"))
        assert layout.holder(other) is None
        assert layout.is_copy(other)
        assert copied.disown(var) is None, "nor is what it was copied from taken for a copy"
        holder = layout.holder(var)
        assert holder is not None
        assert holder.pid == os.getpid()
    with layout.held(other):
        assert not layout.is_copy(other)


def test_copy_forgets_servers_and_what_ran_once(var: Var, tmp_path: Path) -> None:
    with orm.new_session_factory(f"sqlite:///{var.database}")() as session:
        session.add(orm.Spawner(user=orm.User(name="ann"), name="", server=orm.Server(), state={"process": {"server": [1, 1]}}))
        session.commit()
    (var.run / "parts" / "hub.json").write_text(json.dumps({"pid": os.getpid()}))
    other = Var(copy(var.root, tmp_path / "copy"))
    assert copied.disown(other) is not None
    assert not other.run.exists()
    with orm.new_session_factory(f"sqlite:///{other.database}")() as session:
        assert session.query(orm.Spawner).one().state is None
        assert session.query(orm.Server).all() == []
    assert copied.disown(other) is None
    with closing(sqlite3.connect(var.database)) as database:
        assert database.execute("select count(*) from servers").fetchone() == (1,), "the original's are where they were"
    assert (var.run / "parts" / "hub.json").exists()


def test_copy_with_a_torn_database_is_refused_and_says_what_to_do(var: Var, tmp_path: Path) -> None:
    other = Var(copy(var.root, tmp_path / "copy"))
    other.database.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    for _ in range(2):
        with pytest.raises(LayoutError, match=r"is a copy, and its hub.sqlite is damaged .*bowerbird backup"):
            copied.disown(other)


def test_directory_that_was_moved_is_the_same_one(var: Var, tmp_path: Path) -> None:
    shutil.move(var.root, tmp_path / "moved")
    assert copied.disown(Var(tmp_path / "moved")) is None


def test_after_a_boot_disks_may_have_other_numbers(var: Var) -> None:
    lock = var.root / "lock"
    told = json.loads(lock.read_text())
    device, inode = told["file"]
    lock.write_text(json.dumps(told | {"file": [device + 1, inode]}))
    assert layout.is_copy(var)
    lock.write_text(json.dumps(told | {"file": [device + 1, inode], "boot": "the one before"}))
    assert not layout.is_copy(var)
    assert copied.disown(var) is None


def test_lock_of_before_says_nothing_of_its_file(var: Var) -> None:
    (var.root / "lock").write_text('{"pid": 1, "start_ticks": -1}')
    assert not layout.is_copy(var)
    assert copied.disown(var) is None
