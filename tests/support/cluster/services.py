"""The services' pod of a release: when it is Ready, and when it serves what its other container has made."""

from contextlib import suppress
from functools import partial

from tests.support.cluster.cluster import KubectlError
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release

_SECONDS = 240


def await_tables(release: Release, count: int) -> None:
    """Return when the pod is Ready and so many tables are made."""
    wait_for(partial(release.all_ready, "services", release.name, 1), "the services", _SECONDS)
    wait_for(lambda: f"tables: done, {count} tables are there" in ingest_log(release), "the tables", _SECONDS, every=0.5)


def ingest_log(release: Release) -> str:
    """Return what the container said that makes tables; nothing where it does not run yet."""
    with suppress(KubectlError):
        return release.cluster.kubectl("logs", "-n", release.name, f"deployment/{release.name}-services", "-c", "ingest")
    return ""
