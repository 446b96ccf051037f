"""What this machine lacks, and what a platform on it therefore does without."""

import os
import shutil
from pathlib import Path

FUSE = Path("/dev/fuse")


def is_root() -> bool:
    """Tell whether we may mount, and may start processes as others."""
    return os.geteuid() == 0


def mounts_data() -> bool:
    """Tell whether a data keeper can run here."""
    return is_root() and FUSE.exists()


def lacks() -> list[str]:
    """Return what is missing, each as one sentence with what to do."""
    found = []
    if not is_root():
        found.append("not root: servers run as you, without a sandbox, without limits and without /data; start it as root for all of them")
    elif not FUSE.exists():
        found.append("no /dev/fuse: /data is not mounted; load the kernel's fuse module (modprobe fuse)")
    if is_root() and shutil.which("bwrap") is None:
        found.append("no bwrap: servers cannot be sandboxed; apt-get install bubblewrap")
    return found
