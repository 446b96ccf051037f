"""What an admin waits for before a roll-out: the manifests of a platform, each time from a fresh `bowerbird render`."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import cluster_crowd, cluster_hubs, cluster_pods
from tests.bench.row import Row
from tests.support.charts import CHART
from tests.support.cluster import cluster
from tests.support.cluster.release import install, load_images, values_for_tests

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


def peer_rows(rounds: int) -> Iterator[Row]:
    """Measure pods, pauses and starts beside those without us, on a Kubernetes that is built and started for it."""
    with cluster.start() as running:
        load_images(running)
        with install(running, "bench", cluster_crowd.with_crowd(values_for_tests())) as release:
            yield from cluster_pods.rows(release, rounds)
            yield from cluster_hubs.rows(release, rounds)
            yield from cluster_crowd.rows(release)
