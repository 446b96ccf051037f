"""A node for the tests of the plugin: a keeper with real mounts, a kubelet, and a plugin that is told whose pod is whose."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bowerbird_fuse import mount

from tests.support.data_rig import DataRig, Person, eventually
from tests.support.kubelet import Kubelet, PodVolume

DRIVER = "data.test.bowerbird"
# What a node before has to notice a lease that was taken.
TAKEN_SECONDS = 2.0


@dataclass
class Node:
    """One node; `who` says whose pod is whose to the plugin that asks nobody."""

    rig: DataRig
    kubelet: Kubelet
    who: Path
    plugin: "subprocess.Popen[bytes] | None" = field(default=None)

    def knows(self, **users: str | None) -> None:
        self.who.write_text(json.dumps(users))

    def start(self) -> None:
        """Start the plugin and return when kubelet could find it."""
        words = (str(self.rig.var.root), str(self.kubelet.root), self.kubelet.driver, str(self.who), str(TAKEN_SECONDS))
        self.kubelet.registration.unlink(missing_ok=True)
        self.plugin = self.rig.start_part("tests.support.csi_plugin", *words)
        eventually(self.kubelet.registration.exists, 20)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.plugin is not None
        self.plugin.send_signal(how)
        return self.plugin.wait(60)

    def published(self, pod: str, user: str = "ann") -> Person:
        """Publish the view to a pod, and return its user with the mount that the pod sees."""
        volume = self.kubelet.volume(pod)
        self.kubelet.publish(volume)
        return Person(self.rig.records[user], volume.target / "data")

    def mounted(self, volume: PodVolume) -> int:
        """How many views are stacked where a volume is."""
        return len(mount.mounted(volume.target.parent.resolve() / "mount/data"))

    def left(self) -> list[str]:
        """What is written down of volumes."""
        return [path.name for path in (self.rig.var.run / "csi").rglob("*") if path.is_file()]

    def views(self) -> list[str]:
        return [view["user"] for view in self.rig.order(op="status")["views"]]


@pytest.fixture
def node(rig: DataRig) -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="k") as short:
        # Below the rig, so that it is cleared with it; by a short name, as a socket's path may not be long.
        real = rig.var.root / "kubelet"
        (real / "pods").mkdir(parents=True)
        mount.share(real / "pods")
        os.symlink(real, Path(short) / "k")
        node = Node(rig, Kubelet(Path(short) / "k", DRIVER), rig.var.root / "who.json")
        node.knows(ann1="ann", ann2="ann", bob1="bob")
        node.start()
        try:
            yield node
        finally:
            if node.plugin is not None:
                node.plugin.kill()
                node.plugin.wait()
