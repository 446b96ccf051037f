"""The Kubernetes runtime: the contract of all runtimes, word for word, where servers are pods of a real cluster."""

from collections.abc import Iterator

import pytest

from tests.hub.runtime_contract import RuntimeContract
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.release import Release
from tests.support.hub import PLATFORM

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400, func_only=True)]


@pytest.fixture(scope="module")
def hub(shared_release: Release) -> Iterator[ClusterHub]:
    """The release's hub with the contract's platform file."""
    hub = ClusterHub(shared_release)
    with hub.edited(PLATFORM):
        yield hub
        assert hub.servers() == {}


class TestKubernetesRuntime(RuntimeContract[ClusterHub]):
    """In pods."""

    def left_of(self, user: str, hub: ClusterHub) -> list[str]:
        return hub.left_of(user)

    def kill_server(self, hub: ClusterHub) -> None:
        hub.end_server()

    def unlimited(self) -> str:
        return ""  # a machine without these control groups has no nodes either
