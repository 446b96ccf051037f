"""What containerd has on its disk once images were imported: made once, kept, and given to each node by links."""

import hashlib
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.support.cluster import node, place
from tests.support.cluster.kept import cache, kept
from tests.support.cluster.machine import Machine, run, wait_for

_DISK, _SNAPSHOTS = "var/lib/containerd", "io.containerd.snapshotter.v1.overlayfs/snapshots"
_SECONDS = 240.0
# Each takes more than three gigabytes.
_MOST = 2
# It ends as it is told to, so that its databases are whole.
_IMPORT = f"""containerd >/var/log/containerd.log 2>&1 &
running=$!
until ctr --address {node.SOCKET} version >/dev/null 2>&1; do sleep 0.05; done
for image in /run/images/*.tar; do ctr --address {node.SOCKET} -n k8s.io images import "$image" >/dev/null; done
kill "$running"
wait "$running" || true
touch /var/imported
"""


def kept_store(archives: Sequence[Path]) -> Path:
    """Return a folder with what a containerd has on its disk that has these images, and apart from it their unpacked `layers`."""
    # The folder of each has a hash of what is in it for its name.
    told = "\n".join(f"{archive}" for archive in archives) + Path(__file__).read_text(encoding="utf-8")
    return kept("store", hashlib.sha256(told.encode()).hexdigest()[:16], partial(_fill, archives), _MOST)


def _fill(archives: Sequence[Path], folder: Path) -> None:
    held = place.claim(cache() / "run")
    programs, given = (held.folder / name for name in ("programs", "images"))
    for each in (programs, given):
        each.mkdir()
    for number, archive in enumerate(archives):
        given.joinpath(f"{number}.tar").hardlink_to(archive)
    machine = Machine("node1", held.name, held.folder, programs, given, held.addresses.node(1), 24)
    machine.install(_IMPORT, {})
    try:
        machine.boot()
        wait_for(lambda: machine.on() and (machine.disk / "var/imported").exists(), "the images of every node", _SECONDS)
        machine.power_cut()
        _take(machine.disk / _DISK, folder)
    finally:
        machine.power_cut()
        held.leave()


def _take(disk: Path, folder: Path) -> None:
    """Move what containerd has to a folder; where it had a layer is a link to where nodes see `layers`."""
    (folder / "layers").mkdir()
    for snapshot in (disk / _SNAPSHOTS).iterdir():
        (snapshot / "fs").rename(folder / "layers" / snapshot.name)
        (snapshot / "fs").symlink_to(f"/run/images/{snapshot.name}")
    disk.rename(folder / "containerd")


def give(store: Path, disk: Path) -> None:
    """Give a node's disk what a store has. Nobody writes into a file of it but into databases: they alone are copied."""
    target = disk / _DISK
    target.parent.mkdir(parents=True, exist_ok=True)
    run("cp", "-al", f"{store / 'containerd'}", f"{target}")
    for database in target.rglob("*.db"):
        shutil.copy2(database, database.with_suffix(".new"))
        database.with_suffix(".new").replace(database)
