"""The ways in which the node plugin of a release is replaced."""

from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release

_SECONDS = 120


def roll_plugin(release: Release) -> None:
    """Roll it on every node, as an upgrade does, and return when the last of the new pods is Ready and alone."""
    name = f"daemonset/{release.name}-data"
    release.cluster.kubectl("rollout", "restart", "-n", release.data, name)
    release.cluster.kubectl("rollout", "status", "-n", release.data, name, f"--timeout={_SECONDS}s", seconds=_SECONDS + 10)
    await_plugin(release)


def delete_plugin(release: Release) -> None:
    """Delete its pod on the first node, and return when the next one is Ready."""
    (old,) = (each for each in release.pods("data", release.data) if each["spec"]["nodeName"] == "node1")
    release.cluster.kubectl("delete", "pod", "-n", release.data, old["metadata"]["name"], seconds=_SECONDS)
    await_plugin(release)


def await_plugin(release: Release) -> None:
    """Wait until both nodes have one pod of it, and that is Ready."""
    wait_for(lambda: release.all_ready("data", release.data, 2), "the node plugins", _SECONDS)
