"""Our chart, installed by Helm: its jobs do their work, the proxy answers, and kubelet knows the node plugin on every node."""

import httpx
import pytest
from bowerbird_hub.chart.make_secrets import KEYS

from tests.support.cluster.cluster import NODES
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release

pytestmark = pytest.mark.cluster


def test_the_platforms_secrets_are_made_before_all_else(release: Release):
    made = release.cluster.get(f"/api/v1/namespaces/{release.name}/secrets/{release.name}-secrets")
    assert set(made["data"]) == set(KEYS)


def test_the_proxy_answers(release: Release):
    wait_for(lambda: release.all_ready("proxy", release.name, 1), "the proxy", 60)
    (pod,) = release.pods("proxy")
    address = f"http://{pod['status']['podIP']}:8000"
    assert httpx.get(f"{address}/_chp_healthz", timeout=5, trust_env=False).json() == {"status": "OK"}
    unreadable = httpx.get(f"{address}/hub/%ff", timeout=5, trust_env=False)
    assert (unreadable.status_code, unreadable.text.partition(":")[0]) == (httpx.codes.BAD_REQUEST, "this address cannot be read")


@pytest.mark.parametrize("component", ["data", "holder"])
def test_plugin_and_holder_are_on_every_node(release: Release, component: str):
    wait_for(lambda: release.all_ready(component, release.data, len(NODES)), component, 60)
    assert {pod["spec"]["nodeName"] for pod in release.pods(component, release.data)} == set(NODES)


@pytest.mark.parametrize("node", NODES)
def test_kubelet_knows_the_driver(release: Release, node: str):
    def drivers() -> set[str]:
        spec = release.cluster.get(f"/apis/storage.k8s.io/v1/csinodes/{node}")["spec"]
        return {driver["name"] for driver in spec["drivers"] or ()}

    wait_for(lambda: release.driver in drivers(), "the driver", 60)


def test_the_hub_and_its_demo_cas_server_are_ready(release: Release):
    wait_for(lambda: release.all_ready("hub", release.name, 1), "the hub", 150)
