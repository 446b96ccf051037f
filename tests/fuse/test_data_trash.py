"""What is deleted in a team's space, through two views: it lies in `.trash`, and a plain `mv` brings it back."""

import time

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
