"""What this machine lacks, and what a platform on it therefore does without."""

import os
import re
import shutil
from pathlib import Path

FUSE = Path("/dev/fuse")
# FUSE_NOTIFY_RESEND: the kernel asks a new worker again what the killed one had not answered.
RESENDING = (6, 9)


def is_root() -> bool:
    """Tell whether we may mount, and may start processes as others."""
    return os.geteuid() == 0


def mounts_data() -> bool:
    """Tell whether a data keeper can run here."""
    return is_root() and FUSE.exists()


def kernel(release: str | None = None) -> tuple[int, ...]:
    """Return the kernel's version, its first two numbers."""
    return tuple(int(number) for number in re.findall(r"\d+", release or os.uname().release)[:2])


def lacks() -> list[str]:
    """Return what is missing, each as one sentence with what to do."""
    found = []
    if not is_root():
        found.append("not root: servers run as you, without a sandbox, without limits and without /data; start it as root for all of them")
    elif not FUSE.exists():
        found.append("no /dev/fuse: /data is not mounted; load the kernel's fuse module (modprobe fuse)")
    elif kernel() < RESENDING:
        found.append(
            "Linux older than 6.9: when a worker of /data is killed while a call waits for it, that view's open files are lost; "
            "a newer kernel (Debian's from bookworm-backports) keeps them"
        )
    if is_root() and shutil.which("bwrap") is None:
        found.append("no bwrap: servers cannot be sandboxed; apt-get install bubblewrap")
    return found
