"""What an admin waits for before a roll-out: the manifests of a platform, each time from a fresh `bowerbird render`."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from tests.bench import cluster_crowd, cluster_hubs, cluster_pods, cluster_reads
from tests.bench.row import Row
from tests.support.charts import CHART
from tests.support.cluster import cluster
from tests.support.cluster.release import Release, install, load_images, values_for_tests

_DEADLINE_SECONDS = 60
_GOAL_SECONDS = 1.0
# The largest of the examples.
_COMMAND = (sys.executable, "-m", "bowerbird_config", "render", "--file", str(CHART / "examples" / "production.yaml"))


def render_seconds() -> tuple[float, float]:
    """Return how long one command takes, and how much of a processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(_COMMAND, stdout=subprocess.PIPE, check=True, timeout=_DEADLINE_SECONDS)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if b"kind: Deployment" not in done.stdout:
        raise RuntimeError("what was rendered is no platform")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def rows(rounds: int) -> list[Row]:
    """Measure the command as somebody waits for it, and what it costs, which others on the machine change less."""
    render_seconds()  # the files come into memory
    measured = [render_seconds() for _ in range(rounds)]
    what = "bowerbird render of examples/production.yaml"
    return [
        Row.alone("render", what, [wall for wall, _ in measured], unit="s", goal=_GOAL_SECONDS, better="lower"),
        Row.alone(
            "render-cpu", "the same, time of a processor", [cpu for _, cpu in measured], unit="s", goal=_GOAL_SECONDS, better="lower"
        ),
    ]


# What is measured beside a peer, in this order.
_PARTS: Mapping[str, Callable[[Release, int], list[Row]]] = {
    "starts": cluster_pods.starts,
    "pauses": cluster_pods.pauses,
    "hubs": cluster_hubs.rows,
    "crowd": cluster_crowd.rows,
    "reads": cluster_reads.rows,
}
PARTS = tuple(_PARTS)


def peer_rows(rounds: int, parts: Collection[str] = PARTS) -> Iterator[Row]:
    """Measure pods, pauses and starts beside those without us, on a Kubernetes that is built and started for it."""
    with cluster.start() as running:
        load_images(running)
        values = cluster_crowd.with_crowd(values_for_tests())
        values["platform"]["collections"] = cluster_reads.COLLECTION
        with install(running, "bench", values) as release:
            for name, measure in _PARTS.items():
                if name in parts:
                    yield from measure(release, rounds)
