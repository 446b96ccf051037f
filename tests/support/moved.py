"""What people made on one machine, laid out for a cluster by the commands that docs/k3s.md names."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.cli import cli
from bowerbird_config.paths import Var
from bowerbird_hub.chart import POD_USER
from click.testing import CliRunner

from tests.support.hub import running_hub

PLATFORM = """
bowerbird: 1
name: One machine
contact: admin@example.org
sign_on: {cas: {url: "https://cas.example.org/cas"}}
teams:
  craft: {title: Craft, contact: admin@example.org, members: [researcher]}
profiles:
  minimal: {title: Minimal, memory: 1 GiB, cpu: 1, teams: everyone}
"""
# Who signs in on the cluster first was not the first on the machine: a number given anew would be another.
PEOPLE = ("visitor", "researcher")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine's state after a while, and a token that somebody made there."""

    var: Var
    token: str

    def numbers(self) -> dict[str, int]:
        """Return the uids of people and the gids of teams, as the hub's database has them."""
        return numbers(self.var.database)


def numbers(database: Path) -> dict[str, int]:
    """Return the uids of people and the gids of teams in a hub's database."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT kind || ' ' || name, number FROM bowerbird_numbers").fetchall()
    return {str(name): int(number) for name, number in found}


def lived_in(place: Path) -> Machine:
    """Let a hub run where two people sign in and one makes a token; then let them have files, and their team a space."""
    var = Var(place / "var")
    with running_hub(var, PLATFORM) as hub:
        people = [hub.sign_in(name) for name in PEOPLE]
        answer = people[1].api("POST", "users/researcher/tokens", {"note": "of a script", "expires_in": 3600})
        token = answer.json()["token"]
    ids = numbers(var.database)
    for name in PEOPLE:
        _write(var.homes / name, "thesis.tex", f"of {name}", ids[f"user {name}"], ids[f"user {name}"], 0o700)
    _write(var.spaces / "craft", "shared.txt", "of the team", ids["user researcher"], ids["team craft"], 0o2770)
    return Machine(var, token)


def _write(directory: Path, name: str, text: str, uid: int, gid: int, mode: int) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    (directory / name).chmod(0o640)
    os.chown(directory / name, uid, gid)
    os.chown(directory, 0 if mode & 0o2000 else uid, gid)
    directory.chmod(mode)


def laid_out(machine: Machine, place: Path, release: str) -> Path:
    """Back the machine up, and return the backup as the volumes of that release want it; its namespace has the same name."""
    saved, moved = place / "saved", place / "moved"
    for words in (
        ("backup", saved, "--var", machine.var.root),
        ("restore", saved, "--cluster", moved, "--release", release, "-n", release),
    ):
        ended = CliRunner().invoke(cli, [str(word) for word in words])
        assert ended.exit_code == 0, ended.output
    return moved


def put_copy(copy: Path, volume: Path) -> None:
    """Put a copy of the hub's database onto an empty volume of the hub's."""
    hub = volume / "hub"
    hub.mkdir(mode=0o700)
    shutil.copy(copy, hub / "hub.sqlite")
    for path in (volume, hub, hub / "hub.sqlite"):
        os.chown(path, POD_USER, POD_USER)
