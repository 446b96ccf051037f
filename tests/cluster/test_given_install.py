"""An install with all of its secrets there before it, which waits for images, is watched, and comes back from a failed uninstall."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import helm_python
import pytest
from bowerbird_hub.chart.make_secrets import KEYS, secret_of

from tests.hub.runtime_contract import told_by, until
from tests.support.charts import alert_selectors
from tests.support.cluster.cluster import NODES
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object, pod
from tests.support.cluster.platform_images import archive_of
from tests.support.cluster.release import Release, bring_back, install, left, uninstall, values_for_tests
from tests.support.hub import Person
from tests.support.postgres import Door, needs_postgres, postgres

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
_NAME, _SECRET, _DATABASE, _PULL = "given", "of-the-admin", "of-the-database", "of-the-registry"
_PROMETHEUS = "watching"
_READ = "import pathlib; answer = (pathlib.Path.home() / 'f').read_text()"
_ASK = """
import concurrent.futures, json, sys, urllib.request
def told(asked):
    address, headers = asked
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=3).read().decode()
    except OSError as error:
        return f"! {type(error).__name__} {error}"
with concurrent.futures.ThreadPoolExecutor() as pool:
    print(json.dumps(list(pool.map(told, json.loads(sys.argv[1])))))
"""


def namespace(name: str, enforce: str) -> Object:
    labels = {"pod-security.kubernetes.io/enforce": enforce}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def secrets(database: str) -> tuple[Object, ...]:
    """Return the Secrets that an administrator has made, with the address of a database."""
    registry = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": _PULL, "namespace": _NAME},
        "data": {".dockerconfigjson": base64.b64encode(b'{"auths": {}}').decode()},
    }
    own = secret_of(_SECRET)
    address = {"url": base64.b64encode(database.encode()).decode()}
    made = {_SECRET: own["data"], _DATABASE: address}
    return *({**own, "metadata": {"name": name, "namespace": _NAME}, "data": data} for name, data in made.items()), registry


def values() -> dict[str, Any]:
    """Return the values of an install that makes no secret, waits for its images, and is watched."""
    told = values_for_tests()
    told["secrets"], told["database"] = {"existingSecret": _SECRET}, {"existingSecret": _DATABASE}
    told["images"]["pullSecrets"] = [_PULL]
    told["data"] = {"storage": {"hostPath": f"/srv/{_NAME}"}}
    told["prePull"] = {"enabled": True, "timeoutSeconds": 60}
    told["monitoring"] = {"namespace": _PROMETHEUS, "annotations": True}
    return told


@pytest.fixture(scope="module")
def given(shared_release: Release) -> Iterator[Release]:
    """A release in a namespace that enforces `restricted`, with Secrets that were there before."""
    cluster = shared_release.cluster
    cluster.load(archive_of("services"), NODES[0])
    # The port that the NetworkPolicies let the hub ask, where only a Secret has the address.
    door = Door(str(cluster.addresses.host), 5432, str(cluster.addresses.all_pods))
    with postgres("hub", door) as database:
        cluster.apply(namespace(_NAME, "restricted"), *secrets(database))
        with install(cluster, _NAME, values()) as installed:
            yield installed


@pytest.fixture(scope="module")
def person(given: Release) -> Iterator[Person]:
    """Somebody whose server runs."""
    hub = ClusterHub(given)
    hub.await_ready()
    person = hub.sign_in("researcher")
    person.start("minimal")
    told_by(person, "import pathlib; answer = (pathlib.Path.home() / 'f').write_text('kept')")
    yield person
    person.stop()
    person.client.close()


def secret(release: Release) -> dict[str, str]:
    found: dict[str, str] = release.cluster.get(f"/api/v1/namespaces/{_NAME}/secrets/{_SECRET}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in found.items()}


@needs_postgres
def test_people_work_where_all_secrets_were_there_and_no_pod_may_more_than_restricted_allows(given: Release, person: Person):
    assert told_by(person, _READ) == "kept"
    names = {each["metadata"]["name"] for each in given.cluster.get(f"/api/v1/namespaces/{_NAME}/secrets")["items"]}
    assert {name for name in names if not name.startswith("sh.helm.release.")} == {_SECRET, _DATABASE, _PULL}
    database = given.cluster.kubectl("exec", "-n", _NAME, f"deployment/{_NAME}-hub", "-c", "hub", "--", "ls", "/srv/bowerbird/hub")
    assert "hub.sqlite" not in database
    assert set(secret(given)) == set(KEYS)
    enforced = {
        each["metadata"]["name"]: each["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
        for each in given.cluster.get("/api/v1/namespaces")["items"]
        if each["metadata"]["name"].startswith(_NAME)
    }
    assert enforced == {_NAME: "restricted", given.users: "restricted", given.data: "privileged"}
    wait_for(lambda: given.all_ready("services", _NAME, 1), "the services", 120)


@needs_postgres
def test_nodes_had_every_image_before_anything_was_made(given: Release):
    events = given.cluster.get(f"/api/v1/namespaces/{_NAME}/events")["items"]

    def times(component: str, reason: str) -> list[str]:
        mine = (each for each in events if each["involvedObject"]["name"].startswith(f"{_NAME}-{component}"))
        return [each["firstTimestamp"] or each["eventTime"] for each in mine if each["reason"] == reason]

    # Hub and demo CAS server are of one image, which the last of its containers has.
    assert len(times("pre-pull", "Started")) == len({"hub", "services", "data", "lab"}) + 1
    # Each was first in the install: a test before may have had the release come back.
    assert min(times("await-images", "Completed")) <= min(times("hub", "ScalingReplicaSet"))
    assert not left(given.cluster, _NAME) & {f"DaemonSet {_NAME}-pre-pull", f"Job {_NAME}-await-images"}


@pytest.fixture(scope="module")
def prometheus(given: Release) -> Iterator[Callable[..., list[str]]]:
    """Ask addresses from a pod where Prometheus is, or somewhere else."""
    cluster = given.cluster
    with cluster.namespace(_PROMETHEUS) as watching, cluster.namespace("elsewhere") as elsewhere:
        cluster.apply(pod(watching, "asker"), pod(elsewhere, "asker"))

        def ask(place: str, addresses: list[tuple[str, dict[str, str]]]) -> list[str]:
            cluster.await_ready(place, "asker")
            return list(json.loads(cluster.python(place, "asker", _ASK, json.dumps(addresses))))

        yield ask


def figures(release: Release) -> list[tuple[str, dict[str, str]]]:
    """Return where each part tells its figures, and with what it is asked."""
    doors = {("hub", _NAME): "8081/hub/metrics", ("proxy", _NAME): "8002/metrics", ("services", _NAME): "8080/metrics"}
    doors[("data", release.data)] = "9810/metrics"
    token = {"Authorization": f"token {secret(release)['metrics-token']}"}
    return [
        (f"http://{pod['status']['podIP']}:{door}", token if component == "hub" else {})
        for (component, place), door in doors.items()
        for pod in release.pods(component, place)
    ]


def all_answered(answers: list[str]) -> list[str]:
    """Return answers where there is one of everybody; nothing where not."""
    return [] if any(answer.startswith("!") for answer in answers) else answers


@needs_postgres
def test_prometheus_alone_hears_the_figures_and_every_series_of_an_alert_is_among_them(
    given: Release, person: Person, prometheus: Callable[..., list[str]]
):
    wait_for(lambda: given.all_ready("services", _NAME, 1), "the services", 120)
    asked = figures(given)
    # The policies' rules know a new pod's address a moment after it has one.
    answers = until(lambda: all_answered(prometheus(_PROMETHEUS, asked)))
    assert all(answer.startswith("! ") for answer in prometheus("elsewhere", asked))
    told = "\n".join(answers)
    # What Prometheus adds itself of the pod that it asks.
    added = {"namespace", "pod"}
    for name, labels in alert_selectors():
        if name.startswith(("bowerbird_", "jupyterhub_")):
            base = re.sub(r"_(count|sum|total)$", "", name)
            assert re.search(rf"^# TYPE {base}(_total)? ", told, re.MULTILINE), name
            lines = re.findall(rf"^{name}(?:\{{([^}}]*)\}})? ", told, re.MULTILINE)
            assert all(labels - added <= set(re.findall(r'([a-z_]+)="', line)) for line in lines), name


@needs_postgres
def test_who_signs_out_at_the_demo_cas_server_is_signed_out_of_the_platform(given: Release, person: Person):
    hub = ClusterHub(given)
    visitor = hub.sign_in("visitor")
    assert visitor.get("hub/home").url.path == "/hub/home"
    visitor.get("cas/logout")
    wait_for(lambda: visitor.get("hub/home").url.path != "/hub/home", "the end of the session", 20)
    visitor.client.close()
    assert person.get("hub/home").url.path == "/hub/home"


@contextmanager
def held(release: Release, server: str) -> Iterator[None]:
    """Keep the pod of a server from ending."""

    def patch(finalizers: list[str] | None) -> None:
        patched = json.dumps({"metadata": {"finalizers": finalizers}})
        release.cluster.kubectl("patch", "pod", "-n", release.users, server, "--type=merge", "-p", patched)

    patch(["tests/held"])
    try:
        yield
    finally:
        patch(None)


@needs_postgres
def test_uninstall_that_failed_is_taken_back(given: Release, person: Person):
    cluster, hub = given.cluster, ClusterHub(given)
    (server,) = hub.servers().values()
    with held(given, server):
        with pytest.raises(helm_python.HelmError, match="stop-pods"):
            uninstall(given, seconds=15)
        # The job that stops all goes on, whoever waits for it.
        wait_for(lambda: given.pods("hub") == [], "the hub's end", 60)
    cluster.kubectl("wait", "-n", _NAME, "--for=condition=complete", f"job/{_NAME}-stop-pods", "--timeout=60s", seconds=70)
    bring_back(given)
    hub.await_ready()
    person.start("minimal")
    assert told_by(person, _READ) == "kept"
