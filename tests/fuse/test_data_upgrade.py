"""A keeper that is replaced by newer code: what people have open goes on, also where the older one knew of no holder."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuse.test_data_crashes import busy  # noqa: F401  a fixture
from tests.support.checkout import CHECKOUT
from tests.support.data_rig import DataRig, Person, eventually

pytestmark = [pytest.mark.root, pytest.mark.fuse]

# The last one without a holder.
OLD = "8d8dd94dcb40"


@pytest.fixture
def rig(rig: DataRig, tmp_path: Path) -> DataRig:
    """A keeper of the old code, and no holder."""
    old = tmp_path / "old"
    old.mkdir()
    told = subprocess.run(["git", "-C", str(CHECKOUT), "archive", OLD, "config", "fuse"], capture_output=True, check=False)
    if told.returncode:
        pytest.skip("needs the history of the checkout")
    subprocess.run(["tar", "-x", "-C", str(old)], input=told.stdout, check=True)
    assert rig.stop() == 0
    rig.python_path = (str(old / "config"), str(old / "fuse"))
    rig.keeper = rig.start_another()
    eventually(lambda: "left out" in rig.log.read_text(), 20)
    # What the platform file could not say then.
    newer = {"spaces": {"trash"}, "runtime": {"host"}, "storage": {"passthrough"}}
    told_then = rig.platform.model_dump(mode="json", exclude=newer)
    del told_then["limits"]["queries"]
    for collection in told_then["collections"].values():
        for release in collection["releases"].values():
            for name in ("tables", "serve", "links", "calib_level"):
                del release[name]
    rig.feed.say({"kind": "platform", "platform": told_then})
    # It refuses an order that comes before the platform file: so it is asked again.
    eventually(lambda: rig.order(op="mount", user="ann")["ok"], 30)
    return rig


def test_views_of_a_keeper_without_a_holder_are_taken_over(rig: DataRig, ann: Person, busy: Callable[[], float]) -> None:  # noqa: F811
    ann.do("Path('home/old').write_text('old'); os.chmod('home/old', 0o640)")
    worker, st = rig.worker("ann"), (rig.var.homes / "ann/old").stat()
    assert b"bowerbird_fuse.worker" in Path(f"/proc/{worker}/cmdline").read_bytes()
    rig.make_room()
    rig.python_path = ()
    rig.start()
    assert rig.worker("ann") != worker
    assert len(rig.held()) == 1
    busy()
    after = (rig.var.homes / "ann/old").stat()
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_mtime_ns) == (st.st_uid, st.st_gid, st.st_mode, st.st_mtime_ns)
    assert ann.do("answer = Path('home/old').read_text()") == "old"
    eventually(lambda: not os.path.exists(f"/proc/{worker}"))
