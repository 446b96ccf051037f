"""What is brought to a cluster before a release is installed: files that nodes mount, claims that are filled, and the Secret."""

from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.support.cluster.cluster import NODES, Cluster
from tests.support.cluster.machine import run
from tests.support.cluster.objects import claim, pod
from tests.support.moved import put_copy

# Each claim has the name of the part whose volume it is.
PARTS = ("hub", "services")


def bring(cluster: Cluster, moved: Path, release: str, storage: str) -> None:
    """Bring it to the first node: what nodes mount, the claims, and the Secret; all before the release is installed."""
    data = cluster.machines[NODES[0]].disk / storage.lstrip("/")
    data.mkdir(parents=True, exist_ok=True)
    run("cp", "-a", f"{moved}/data/.", f"{data}")
    fill(cluster, release, {part: moved / part for part in PARTS})
    cluster.apply(yaml.safe_load((moved / "secret.yaml").read_text()))


def put_back(cluster: Cluster, copy: Path, secret: Path, release: str) -> None:
    """Bring a copy of the hub's database, and the Secret, to a cluster that has nothing else of the release but what nodes mount."""
    with TemporaryDirectory() as place:
        put_copy(copy, Path(place))
        fill(cluster, release, {"hub": Path(place)})
    cluster.apply(yaml.safe_load(secret.read_text()))


def fill(cluster: Cluster, release: str, parts: dict[str, Path]) -> None:
    """Make the release's namespace and claims, and fill them where their storage class has its directories, on the first node."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release}})
    volumes = {f"/{part}": {"persistentVolumeClaim": {"claimName": part}} for part in PARTS}
    cluster.apply(*(claim(release, part) for part in PARTS), pod(release, "filler", node=NODES[0], volumes=volumes))
    cluster.await_ready(release, "filler")
    for part, source in parts.items():
        for each in source.iterdir():
            run("cp", "-a", f"{each}", f"{volume(cluster, release, part)}")
    cluster.kubectl("delete", "pod", "-n", release, "filler")


def volume(cluster: Cluster, release: str, part: str) -> Path:
    """Return where a claim's files are on the first node's disk."""
    (found,) = cluster.machines[NODES[0]].disk.glob(f"opt/local-path-provisioner/*_{release}_{part}")
    return found
