"""Who reaches whom of a running platform: what the chart's NetworkPolicies let through, and what they do not."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from bowerbird_hub import pods

from tests.hub.runtime_contract import told_by
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.release import Release
from tests.support.hub import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400, func_only=True)]
# What a policy does not let through is never answered, or refused, as the network likes; the other test says that each port is open.
_TRY = """
import concurrent.futures, socket
def tried(door):
    try:
        socket.create_connection(tuple(door), 3).close()
    except OSError:
        return "closed"
    return "open"
def all_tried(doors):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(tried, doors))
"""
_HUB, _NODE_DOOR, _DEMO_CAS, _PROXY, _PROXY_API = 8081, 8083, 8082, 8000, 8001


@pytest.fixture(scope="module")
def people(shared_release: Release) -> Iterator[tuple[Person, Person]]:
    """Two people whose servers run."""
    hub = ClusterHub(shared_release)
    hub.await_ready()
    with ExitStack() as stack:
        signed_in = []
        for name in ("researcher", "visitor"):
            person = hub.sign_in(name)
            stack.enter_context(closing(person.client))
            person.start("minimal")
            stack.callback(person.stop)
            signed_in.append(person)
        first, second = signed_in
        yield first, second


def address(release: Release, component: str, namespace: str = "", name: str = "") -> str:
    """Return the address of a component's one pod, or of the one of that name."""
    (found,) = (pod for pod in release.pods(component, namespace) if name in {"", pod["metadata"]["name"]})
    return str(found["status"]["podIP"])


def test_a_server_reaches_the_hub_and_the_proxy_and_no_other_door_nor_its_neighbour(release: Release, people: tuple[Person, Person]):
    hub, proxy = address(release, "hub"), address(release, "proxy")
    neighbour = address(release, "singleuser-server", release.users, pods.pod_name("visitor"))
    expected = {
        (hub, _HUB): "open",
        (proxy, _PROXY): "open",
        (hub, _NODE_DOOR): "closed",
        (hub, _DEMO_CAS): "closed",
        (proxy, _PROXY_API): "closed",
        (neighbour, pods.PORT): "closed",
    }
    doors = json.dumps([list(door) for door in expected])
    answers = told_by(people[0], f"{_TRY}\nanswer = all_tried({doors})")
    assert dict(zip(expected, answers, strict=True)) == expected


@pytest.mark.parametrize(("component", "ports"), [("hub", (_HUB, _NODE_DOOR, _DEMO_CAS)), ("proxy", (_PROXY, _PROXY_API))])
def test_each_of_those_doors_is_open_where_no_policy_stands_before_it(release: Release, component: str, ports: tuple[int, ...]):
    ClusterHub(release).await_ready()
    (pod,) = release.pods(component)
    doors = [(pod["status"]["podIP"], port) for port in ports]
    program = f"{_TRY}\nimport json\nprint(json.dumps(all_tried({doors})))"
    told = release.cluster.python(release.name, pod["metadata"]["name"], program)
    assert json.loads(told.splitlines()[-1]) == ["open"] * len(ports)
