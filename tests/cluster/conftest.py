"""The one cluster of a run, and a namespace of a test's own."""

import os
import re
import secrets
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.support.cluster.cluster import NODES, Cluster, start
from tests.support.cluster.lacking import ClusterMissing, require_machines
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release, install_for_good, load_images, values_for_tests

_SECONDS = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time a test by its own, as the first of all may wait for Kubernetes to be built; who waits in a fixture has a deadline there."""
    for item in items:
        if item.get_closest_marker("cluster") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SECONDS, func_only=True))


def give_up(missing: ClusterMissing) -> NoReturn:
    """Skip with the reason; whoever asked for it on a machine of CI is not helped by a skip."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no cluster here: {missing}")


@pytest.fixture(scope="session")
def able() -> None:
    """That this machine can make others."""
    try:
        require_machines()
    except ClusterMissing as missing:
        give_up(missing)


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """The run's cluster; a test takes `cluster`, which is whole."""
    try:
        with start() as running:
            yield running
    except ClusterMissing as missing:
        give_up(missing)


@pytest.fixture(scope="session")
def shared_release(shared_cluster: Cluster) -> Iterator[Release]:
    """The trial of the examples, with images of this checkout; a test takes `release`, whose nodes are on."""
    wait_for(lambda: shared_cluster.ready() == set(NODES), "both nodes", 60)
    load_images(shared_cluster)
    with install_for_good(shared_cluster, "trial", values_for_tests()) as installed:
        yield installed


@pytest.fixture
def release(cluster: Cluster, shared_release: Release) -> Release:
    """The run's release of our chart, on a cluster that is whole."""
    return shared_release


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """The run's cluster with both nodes Ready, whatever the test before did to them."""
    for name in NODES:
        if not shared_cluster.machines[name].is_on:
            shared_cluster.boot(name)
    wait_for(lambda: shared_cluster.ready() == set(NODES), "both nodes", 60)
    return shared_cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace named after the test, in which Pod Security refuses what is not `restricted`."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].rstrip("-")
    # Two tests may begin alike, and one that was here a moment ago is still being deleted.
    with cluster.namespace(f"{name}-{secrets.token_hex(4)}", enforce="restricted") as made:
        yield made
