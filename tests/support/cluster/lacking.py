"""What a machine must have for a cluster, and the sentence where it has not."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts import debian
from scripts.running import Log, Trouble

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "nftables", "iproute2", "tini", "libnss-extrausers")
OLDEST_GO = (1, 25)
# A machine needs namespaces of its own, a root of its own, and overlays in it for its containers' files.
_PROBE = """set -e
mount -t tmpfs none "$1"; cd "$1"; mkdir lower upper work merged old
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
ip link add probe type veth peer name eborp
pivot_root . old
"""


class ClusterMissing(Exception):
    """This machine cannot run a cluster; the text says what it lacks."""


def install() -> None:
    """Install what is missing of Debian's packages, where we may."""
    absent = debian.missing(PACKAGES)
    if absent and debian.may_install():
        try:
            debian.install(absent, Log(Path(__file__).parents[3] / ".bowerbird/cluster.log"))
        except Trouble as trouble:
            raise ClusterMissing(str(trouble)) from trouble


def require_machines() -> None:
    """Raise ClusterMissing where this machine cannot make others; Debian's packages are installed first."""
    if os.geteuid() != 0:
        raise ClusterMissing("needs root, for machines with namespaces of their own")
    install()
    if absent := debian.missing(PACKAGES):
        raise ClusterMissing(f"needs what this would install: {debian.by_hand(absent)}")
    if not Path("/sys/fs/cgroup/memory").is_dir():
        raise ClusterMissing("needs cgroup v1 hierarchies: containerd 1.6 under cgroup v2 alone was not tried")
    _require_namespaces()


def require_go() -> None:
    """Raise ClusterMissing where there is no Go that builds Kubernetes."""
    wanted = ".".join(map(str, OLDEST_GO))
    if shutil.which("go") is None:
        raise ClusterMissing(f"needs Go {wanted} or later on the PATH, to build Kubernetes")
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    version = re.match(r"go(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < OLDEST_GO:
        raise ClusterMissing(f"needs Go {wanted} or later, to build Kubernetes; here is {said or 'one that does not answer'}")


def _require_namespaces() -> None:
    with tempfile.TemporaryDirectory() as place:
        argv = ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", _PROBE, "sh", place]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    if ended.returncode:
        raise ClusterMissing(f"needs namespaces and overlay mounts: {ended.stderr.strip()}")
