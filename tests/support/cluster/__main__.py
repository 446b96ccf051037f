"""Keeps a cluster until Ctrl-C: `python -m tests.support.cluster`."""

import signal
import sys

from tests.support.cluster.cluster import start
from tests.support.cluster.lacking import ClusterMissing


def main() -> None:
    """Start a cluster and say how it is reached."""
    with start() as running:
        print(f"export KUBECONFIG={running.kubeconfig} PATH={running.programs}:$PATH", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    try:
        main()
    except ClusterMissing as missing:
        sys.exit(str(missing))
