"""A backup of one machine on the volumes of a cluster: the same files and uids, the database and keys that go with them."""

import base64
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from bowerbird_config.cli import cli
from bowerbird_config.paths import Var
from bowerbird_hub.chart import POD_USER
from bowerbird_hub.chart.make_secrets import KEYS
from bowerbird_hub.state import layout
from bowerbird_hub.state.backup import BackupError, back_up
from bowerbird_hub.state.secret_files import make_secrets, read_secret
from bowerbird_hub.state.to_cluster import restore_to_cluster
from click.testing import CliRunner

from tests.support.charts import named as named_in
from tests.support.charts import objects, pods
from tests.support.nobody import ANOTHER_UID

pytestmark = pytest.mark.root

ANN, BOB, TEAM = 600_001, 600_002, 700_001


@pytest.fixture
def machine(tmp_path: Path) -> Var:
    """The state of one machine, with two people, a team and a job."""
    var = Var(tmp_path / "machine" / "var")
    layout.claim(var)
    layout.prepare(var)
    make_secrets(var)
    with closing(sqlite3.connect(var.database)) as database:
        database.execute("CREATE TABLE ids (name, uid)")
        database.executemany("INSERT INTO ids VALUES (?, ?)", [("ann", ANN), ("bob", BOB)])
        database.commit()
    for name, uid in (("ann", ANN), ("bob", BOB)):
        (var.homes / name).mkdir(mode=0o700)
        (var.homes / name / "thesis.tex").write_text(name)
        (var.homes / name / "outside").symlink_to("/etc/passwd")
        for path in (var.homes / name, var.homes / name / "thesis.tex", var.homes / name / "outside"):
            os.chown(path, uid, uid, follow_symlinks=False)
    (var.spaces / "team").mkdir()
    os.link(var.homes / "ann" / "thesis.tex", var.spaces / "team" / "shared.tex")
    os.chown(var.spaces / "team", 0, TEAM)
    (var.spaces / "team").chmod(0o2770)
    (var.releases / "survey" / "dr1").mkdir(parents=True)
    (var.releases / "survey" / "dr1" / "table").write_text("rows")
    (var.services / "jobs" / "1").mkdir(parents=True)
    (var.services / "jobs" / "1" / "result").write_text("rows")
    var.own_platform.write_text("bowerbird: 1\n")
    return var


def moved(machine: Var, tmp_path: Path) -> Path:
    back_up(machine, tmp_path / "saved", with_releases=True)
    restore_to_cluster(tmp_path / "saved", tmp_path / "moved", "science", "platform")
    return tmp_path / "moved"


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        known = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(known.st_mode) else os.readlink(path) if path.is_symlink() else None
        found[str(path.relative_to(root))] = (known.st_mode, known.st_uid, known.st_gid, known.st_nlink, known.st_mtime_ns, content)
    return found


def test_everybodys_files_are_the_same_and_theirs(machine: Var, tmp_path: Path) -> None:
    data = moved(machine, tmp_path) / "data"
    for part in ("homes", "spaces", "releases"):
        assert facts(data / part) == facts(machine.root / part)
    assert (data / "homes" / "ann" / "thesis.tex").stat().st_uid == ANN
    # The node plugin's mounts of the volume are these three, and the leases of servers, of which none runs.
    plugin = named_in(objects("one-node"), "DaemonSet", "bowerbird-data")["spec"]["template"]["spec"]["containers"][0]
    mounted = {mount["subPath"] for mount in plugin["volumeMounts"] if "subPath" in mount}
    assert {path.name for path in data.iterdir()} == mounted - {"leases"}
    assert "leases" in mounted


def test_the_hub_finds_its_database_with_the_same_uids(machine: Var, tmp_path: Path) -> None:
    var = Var(moved(machine, tmp_path) / "hub")
    with closing(sqlite3.connect(var.database)) as database:
        assert database.execute("SELECT name, uid FROM ids ORDER BY uid").fetchall() == [("ann", ANN), ("bob", BOB)]
    assert layout.version_of(var) == layout.version_of(machine)
    assert not var.secrets.exists()
    assert not var.last_start.exists()


def test_the_pods_own_what_is_theirs_and_nobody_else_is_given_anything(machine: Var, tmp_path: Path) -> None:
    place = moved(machine, tmp_path)
    for part in ("hub", "services"):
        owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (place / part, *(place / part).rglob("*"))}
        assert owners == {(POD_USER, POD_USER)}
    for _, name, template in pods(objects("one-node")):
        if name in {"bowerbird-hub", "bowerbird-services"}:
            assert template["spec"]["securityContext"]["runAsUser"] == POD_USER
    assert (place / "services" / "services" / "jobs" / "1" / "result").read_text() == "rows"
    assert place.stat().st_mode & 0o077 == 0


def test_the_keys_go_with_the_database_and_the_chart_finds_all_that_it_asks_for(machine: Var, tmp_path: Path) -> None:
    file = moved(machine, tmp_path) / "secret.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = yaml.safe_load(file.read_text())
    assert (secret["kind"], secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("Secret", "science-secrets", "platform")
    told = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert set(told) == set(KEYS)
    for key in ("proxy-token", "cookie-secret", "crypt-key"):
        assert told[key] == read_secret(machine, key)
    hub = named_in(objects("one-node", "science", "platform"), "Deployment", "science-hub")["spec"]["template"]["spec"]["containers"][0]
    asked = {each["valueFrom"]["secretKeyRef"]["name"] for each in hub["env"] if "valueFrom" in each}
    assert asked == {secret["metadata"]["name"]}


def test_a_damaged_backup_leaves_nothing_and_a_place_that_is_there_is_left_alone(machine: Var, tmp_path: Path) -> None:
    back_up(machine, tmp_path / "saved")
    (tmp_path / "saved" / "var" / "homes" / "ann" / "thesis.tex").unlink()
    with pytest.raises(BackupError, match="is not as it was made"):
        restore_to_cluster(tmp_path / "saved", tmp_path / "moved", "bowerbird", "bowerbird")
    assert not [path.name for path in tmp_path.iterdir() if "moved" in path.name]
    (tmp_path / "there").mkdir()
    with pytest.raises(BackupError, match="exists already; name a new directory"):
        restore_to_cluster(tmp_path / "saved", tmp_path / "there", "bowerbird", "bowerbird")


def test_without_root_nothing_is_begun(machine: Var, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(machine, tmp_path / "saved")
    monkeypatch.setattr(os, "geteuid", lambda: ANOTHER_UID)
    with pytest.raises(BackupError, match="only root can give files back to their owners"):
        restore_to_cluster(tmp_path / "saved", tmp_path / "moved", "bowerbird", "bowerbird")


def test_the_command_says_what_comes_next(machine: Var, tmp_path: Path) -> None:
    back_up(machine, tmp_path / "saved")
    result = CliRunner().invoke(cli, ["restore", str(tmp_path / "saved"), "--cluster", str(tmp_path / "moved")])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"files to {tmp_path / 'moved'}; docs/k3s.md says where each part goes\n")
    assert (tmp_path / "moved" / "data" / "homes" / "bob" / "thesis.tex").read_text() == "bob"


@pytest.mark.parametrize("option", ["--release", "--namespace"])
def test_a_name_that_kubernetes_refuses_is_refused(option: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["restore", str(tmp_path), "--cluster", str(tmp_path / "moved"), option, "Bad Name"])
    assert result.exit_code == 2
    assert "'Bad Name' is no name on a cluster" in result.output
