"""Backup and restore: the same files with the same owners, modes, attributes, links and holes."""

import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from bowerbird_config.paths import LAYOUT, Var
from bowerbird_hub.state import backup as backups
from bowerbird_hub.state import layout
from bowerbird_hub.state.backup import BackupError, back_up, restore
from bowerbird_hub.state.secret_files import make_secrets
from jupyterhub import orm

HOLE = 8 << 20


@pytest.fixture
def var(tmp_path: Path) -> Var:
    var = Var(tmp_path / "old place" / "var")
    layout.claim(var)
    layout.prepare(var)
    make_secrets(var)
    with closing(sqlite3.connect(var.database)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE ids (name, uid)")
        database.execute("INSERT INTO ids VALUES ('somebody', 600001)")
        database.commit()
    home = var.homes / "somebody"
    home.mkdir(mode=0o700)
    (home / "thesis.tex").write_text("words")
    (home / "run me").write_text("#!/bin/sh\n")
    (home / "run me").chmod(0o2755)
    os.link(home / "thesis.tex", home / "the same.tex")
    (home / "link").symlink_to("/etc/passwd")
    (home / "dangling").symlink_to("nowhere")
    os.mkfifo(home / "pipe")
    with (home / "sparse").open("wb") as sparse:
        sparse.write(b"begin")
        sparse.seek(HOLE)
        sparse.write(b"middle")
        sparse.truncate(2 * HOLE)
    (home / os.fsdecode(b"not \xff utf-8")).write_text("bytes")
    space = var.spaces / "team"
    space.mkdir()
    space.chmod(0o2770)
    os.link(home / "thesis.tex", space / "shared.tex")
    os.utime(home / "run me", ns=(1_000_000_000_123_456_789, 1_000_000_000_987_654_321))
    return var


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    """Return what must be the same of every file below a directory."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        known = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(known.st_mode) else None
        times = known.st_mtime_ns
        found[str(path.relative_to(root))] = (known.st_mode, known.st_uid, known.st_gid, known.st_nlink, times, content)
    return found


def restored(var: Var, tmp_path: Path) -> Var:
    back_up(var, tmp_path / "saved")
    again = Var(tmp_path / "new place" / "var")
    restore(tmp_path / "saved", again)
    return again


def test_everybodys_files_come_back_as_they_were(var: Var, tmp_path: Path) -> None:
    before = {place: facts(var.root / place) for place in ("homes", "spaces", "secrets")}
    again = restored(var, tmp_path)
    assert {place: facts(again.root / place) for place in before} == before
    assert layout.version_of(again) == LAYOUT
    layout.claim(again)


def test_hard_links_between_spaces_and_holes_are_kept(var: Var, tmp_path: Path) -> None:
    again = restored(var, tmp_path)
    home = again.homes / "somebody"
    assert (home / "thesis.tex").stat().st_ino == (again.spaces / "team" / "shared.tex").stat().st_ino
    assert (home / "sparse").stat().st_size == 2 * HOLE
    assert (home / "sparse").stat().st_blocks * 512 < HOLE


@pytest.mark.root
def test_owners_and_attributes_come_back(var: Var, tmp_path: Path) -> None:
    home = var.homes / "somebody"
    for number, path in enumerate([home, *home.rglob("*"), var.spaces / "team"]):
        os.chown(path, 600_001 + number % 3, 700_001, follow_symlinks=False)
    (home / "run me").chmod(0o6755)
    os.setxattr(home / "thesis.tex", "user.origin", b"mine")
    before = facts(var.homes) | facts(var.spaces)
    again = restored(var, tmp_path)
    assert facts(again.homes) | facts(again.spaces) == before
    assert os.getxattr(again.homes / "somebody" / "thesis.tex", "user.origin") == b"mine"


def test_database_in_use_is_saved_with_all_that_was_committed(var: Var, tmp_path: Path) -> None:
    with closing(sqlite3.connect(var.database)) as busy:
        busy.execute("INSERT INTO ids VALUES ('other', 600002)")
        busy.commit()
        busy.execute("INSERT INTO ids VALUES ('not yet', 600003)")
        back_up(var, tmp_path / "saved")
        busy.rollback()
    saved = tmp_path / "saved" / "var" / "hub"
    assert not list(saved.glob("*-wal"))
    with closing(sqlite3.connect(saved / "hub.sqlite")) as copy:
        assert copy.execute("SELECT name FROM ids").fetchall() == [("somebody",), ("other",)]


def test_releases_are_left_out_unless_asked_for(var: Var, tmp_path: Path) -> None:
    (var.releases / "survey" / "dr1").mkdir(parents=True)
    (var.releases / "survey" / "dr1" / "table").write_text("rows")
    back_up(var, tmp_path / "without")
    back_up(var, tmp_path / "with", with_releases=True)
    assert not (tmp_path / "without" / "var" / "releases").exists()
    assert "config/default/recipe/build.py" in (tmp_path / "without" / backups.MANIFEST).read_text()
    assert (tmp_path / "with" / "var" / "releases" / "survey" / "dr1" / "table").read_text() == "rows"


def test_what_vanishes_meanwhile_was_not_there(var: Var, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.listdir

    def with_ghost(handle: int) -> list[str]:
        return [*listed(handle), "ghost"]

    monkeypatch.setattr(os, "listdir", with_ghost)
    back_up(var, tmp_path / "saved")
    assert (tmp_path / "saved" / "var" / "homes" / "somebody" / "thesis.tex").exists()


def test_backup_needs_a_platform_and_a_new_directory_outside_of_it(var: Var, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds no platform"):
        back_up(Var(tmp_path / "nothing"), tmp_path / "saved")
    with pytest.raises(BackupError, match="exists already"):
        back_up(var, tmp_path)
    with pytest.raises(BackupError, match="lies in what it would save"):
        back_up(var, var.homes / "saved")


def test_restore_needs_an_empty_place_and_a_backup_that_it_knows(var: Var, tmp_path: Path) -> None:
    back_up(var, tmp_path / "saved")
    with pytest.raises(BackupError, match="is not empty"):
        restore(tmp_path / "saved", var)
    with pytest.raises(BackupError, match="no backup that this Bowerbird can read"):
        restore(var.root, Var(tmp_path / "new"))
    manifest = tmp_path / "saved" / backups.MANIFEST
    manifest.write_text(manifest.read_text().replace(f'"layout": {LAYOUT}', f'"layout": {LAYOUT + 1}'))
    with pytest.raises(BackupError, match="of a newer Bowerbird"):
        restore(tmp_path / "saved", Var(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def _without_a_file(saved: Path) -> None:
    (saved / "var/secrets/cookie-secret").unlink()


def _with_a_file_cut_short(saved: Path) -> None:
    os.truncate(saved / "var/homes/somebody/thesis.tex", 2)


def _with_a_damaged_database(saved: Path) -> None:
    with (saved / "var/hub/hub.sqlite").open("r+b") as database:
        database.seek(100)
        database.write(b"\xff" * 2000)


@pytest.mark.parametrize("harm", [_without_a_file, _with_a_file_cut_short, _with_a_damaged_database])
def test_restore_refuses_a_backup_that_was_harmed(var: Var, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    back_up(var, tmp_path / "saved")
    harm(tmp_path / "saved")
    with pytest.raises(BackupError, match=r"is not as it was made|is damaged"):
        restore(tmp_path / "saved", Var(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_jobs_come_back_and_what_is_made_again_does_not(var: Var, tmp_path: Path) -> None:
    jobs = var.services / "jobs"
    (jobs / "abc").mkdir(parents=True)
    for place in (var.services / "spill", var.tables):
        place.mkdir()
        (place / "rows").write_text("made again")
    with closing(sqlite3.connect(jobs / "jobs.sqlite")) as busy:
        busy.execute("PRAGMA journal_mode=WAL")
        busy.execute("CREATE TABLE jobs (id)")
        busy.execute("INSERT INTO jobs VALUES ('abc')")
        busy.commit()
        (jobs / "abc" / "result").write_text("rows")
        # Anybody may send what only looks like a database.
        (jobs / "abc" / "mine.upload").write_bytes(b"SQLite format 3\0 and no more")
        again = restored(var, tmp_path)
    with closing(sqlite3.connect(again.services / "jobs" / "jobs.sqlite")) as database:
        assert database.execute("SELECT id FROM jobs").fetchall() == [("abc",)]
    kept = again.services / "jobs" / "abc"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {path.name: path.read_bytes() for path in (jobs / "abc").iterdir()}
    assert [path.name for path in again.services.iterdir()] == ["jobs"]
    assert not again.tables.exists()


def test_backup_is_restored_as_often_as_one_likes(var: Var, tmp_path: Path) -> None:
    back_up(var, tmp_path / "saved")
    before = facts(tmp_path / "saved")
    for name in ("once", "twice"):
        restore(tmp_path / "saved", Var(tmp_path / name))
    assert facts(tmp_path / "saved") == before
    with closing(sqlite3.connect(tmp_path / "twice" / "hub" / "hub.sqlite")) as database:
        assert database.execute("SELECT name FROM ids").fetchall() == [("somebody",)]


def test_restored_platform_knows_no_servers_of_the_one_it_was_saved_from(var: Var, tmp_path: Path) -> None:
    var.database.unlink()
    user = orm.User(name="ann")
    state = {"process": {"server": [1, 1]}}
    spawner = orm.Spawner(user=user, name="second", server=orm.Server(), state=state, user_options={"profile": "large"})
    with orm.new_session_factory(f"sqlite:///{var.database}")() as session:
        session.add(spawner)
        session.commit()
    again = restored(var, tmp_path)
    with orm.new_session_factory(f"sqlite:///{again.database}")() as session:
        spawner = session.query(orm.Spawner).one()
        assert (spawner.server, spawner.state, spawner.started) == (None, None, None)
        assert (spawner.user.name, spawner.name, spawner.user_options) == ("ann", "second", {"profile": "large"})
        assert session.query(orm.Server).all() == []


def test_restore_fills_an_empty_directory(var: Var, tmp_path: Path) -> None:
    back_up(var, tmp_path / "saved")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "saved", Var(tmp_path / "empty"))
    assert (tmp_path / "empty" / "homes" / "somebody" / "thesis.tex").exists()


@pytest.mark.root
def test_full_disk_leaves_nothing_of_a_backup(var: Var, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    (var.homes / "somebody" / "big").write_bytes(bytes(range(256)) * 8192)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        with pytest.raises(BackupError, match="No space left on device"):
            back_up(var, small / "saved")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.root
def test_backup_made_by_root_is_restored_by_root_alone(var: Var, tmp_path: Path) -> None:
    back_up(var, tmp_path / "saved")
    os.seteuid(65_534)
    try:
        with pytest.raises(BackupError, match="who made it can restore it"):
            restore(tmp_path / "saved", Var(tmp_path / "new"))
    finally:
        os.seteuid(0)


def test_files_of_others_are_given_back_by_root_alone(var: Var, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(var, tmp_path / "saved")
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(BackupError, match="only root can give files back"):
        restore(tmp_path / "saved", Var(tmp_path / "new"))
