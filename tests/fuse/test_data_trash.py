"""What is deleted in a team's space, through two views: it lies in `.trash`, and a plain `mv` brings it back."""

import json
import os
import time
from datetime import UTC, datetime

import pytest
from bowerbird_fuse.stores.trash import LIVED_SECONDS

from tests.support.data_rig import DataRig, Person, eventually, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


def test_deleted_tree_comes_back_by_a_plain_move(rig: DataRig, ann: Person) -> None:
    rig.know(record("bob", member("bee"), member("ant")))
    bob = rig.mount("bob")
    ann.sh("""
        mkdir -p teams/ant/night/raw teams/ant/night/empty; umask 027
        echo one >teams/ant/night/raw/one.fits; echo two >teams/ant/night/two.fits; echo mine >teams/ant/f; echo gone >home/g
    """)
    made = time.monotonic()
    bob.sh("echo short-lived >teams/ant/night/tmp; rm teams/ant/night/tmp; test ! -e teams/ant/.trash")
    eventually(lambda: time.monotonic() - made > LIVED_SECONDS, 2 * LIVED_SECONDS)
    held = ann.do("""
        f = open('teams/ant/f', 'r+')
        os.unlink('teams/ant/f')
        f.write('still'); f.seek(0)
        answer = f.read()
    """)
    assert held == "still"
    bob.sh("rm -r teams/ant/night; test ! -e teams/ant/night; echo new >teams/ant/n; rm home/none 2>/dev/null || true")
    shown = ann.sh("cd teams/ant; ls -A; cd .trash; ls | cut -d_ -f3; cat *_bob/night/raw/one.fits")
    assert shown.split() == [".trash", "n", "ann", "bob", "one"]
    ann.sh("mv teams/ant/.trash/*_bob/night teams/ant/")
    shown = bob.sh("cd teams/ant; cat night/raw/one.fits night/two.fits; rm -r .trash; ls -A")
    assert shown.split() == ["one", "two", "n", "night"]
    eventually(lambda: rig.order(op="status")["spaces"]["team/ant"]["trash"] == 0)


def test_trash_of_spaces_that_no_view_shows_ends_in_time(rig: DataRig) -> None:
    rig.stop()
    now = f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%SZ}"
    spaces = {"home/gone": rig.var.homes / "gone", "team/bee": rig.var.spaces / "bee"}
    for top in spaces.values():
        for folder in ("2001-02-03_04-05-06Z_gone/d", f"{now}_gone/d"):
            (top / ".trash" / folder).mkdir(parents=True)
            (top / ".trash" / folder / "f").write_bytes(b"x" * 1000)
    (rig.var.homes / "out").symlink_to(rig.var.releases)
    (rig.var.releases / ".trash/2001-02-03_04-05-06Z_gone").mkdir(parents=True)
    figures = {name: {"space": name, "used": 5000, "trash": 4 * 4096 + 2000, "soft": None, "hard": None} for name in spaces}
    rig.var.usage.write_text(json.dumps({"spaces": figures}))
    rig.start()
    for top in spaces.values():
        eventually(lambda: os.listdir(top / ".trash") == [f"{now}_gone"], 20)  # noqa: B023  # called before the next turn
        assert (top / f".trash/{now}_gone/d/f").read_bytes() == b"x" * 1000
    assert (rig.var.releases / ".trash/2001-02-03_04-05-06Z_gone").is_dir()

    def known() -> list[tuple[int, int]]:
        told = rig.order(op="status")["spaces"]
        return [(told[name]["used"], told[name]["trash"]) for name in spaces]

    eventually(lambda: known() == [(5000, 1 * 4096 + 1000)] * 2)
