"""Storage without room: a pod that would start hears the reason, those that run go on and end, and with room all starts again."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuse.csi.conftest import Node
from tests.support.disk import NEEDS, small_disk
from tests.support.kubelet import CallFailed

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.skipif(
        not all(map(shutil.which, NEEDS)) or not Path("/dev/loop-control").exists(), reason="needs mkfs.ext4 and loop devices"
    ),
]


def fill(large: Path) -> None:
    """Write a file until there is no room for another block."""
    with large.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


@pytest.mark.parametrize("marked", [True, False], ids=["storage with a mark", "storage without"])
def test_full_storage_starts_no_pod_says_why_and_ends_nothing(node: Node, tmp_path: Path, marked: bool) -> None:
    node.rig.var.leases.mkdir(mode=0o700, exist_ok=True)
    running = node.kubelet.volume("ann1")
    with small_disk(node.rig.var.leases, tmp_path / "below", "2") as disk:
        ann = node.published("ann1")
        if not marked:
            (disk.top / "storage").unlink()
        fill(disk.top / "large")
        waiting = node.kubelet.volume("bob1")
        with pytest.raises(CallFailed, match="the storage that homes are on is full, and no server begins on it until somebody makes room"):
            node.kubelet.publish(waiting)
        assert (node.mounted(waiting), node.mounted(running), node.views()) == (0, 1, ["ann"])
        assert ann.do("Path('home/word').write_text('kept'); answer = Path('home/word').read_text()") == "kept"
        node.kubelet.unpublish(running)
        assert (node.mounted(running), node.views()) == (0, [])
        (disk.top / "large").unlink()
        node.kubelet.publish(waiting)
        node.kubelet.publish(running)
        assert (node.mounted(waiting), node.mounted(running)) == (1, 1)
        for volume in (waiting, running):
            node.kubelet.unpublish(volume)
        assert node.left() == []
    assert "Traceback" not in node.rig.log.read_text()
