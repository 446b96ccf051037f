"""What an administrator or a fault does to the platform while people are signed in and one of them has a kernel counting aloud."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from tests.hub.runtime_contract import until
from tests.support.cluster.aloud import FILE, Aloud
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release
from tests.support.hub import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
# Longer than any of it takes here, as the machine has other work.
_SECONDS = 120
# The longest that nobody reaches the hub, or anything behind the proxy, while another pod starts.
_ABSENCE_SECONDS = 60
# A kernel on a machine with other work is not always heard at once.
_SILENCE_SECONDS = 5.0


@dataclass
class People:
    """A member of the team whose kernel counts, somebody of no team with a server, and one who has none yet."""

    hub: ClusterHub
    researcher: Person
    visitor: Person
    owner: Person
    aloud: Aloud

    @property
    def release(self) -> Release:
        return self.hub.release

    def pod_of(self, person: Person) -> str:
        """Return the uid of the pod of a person's server; nothing where there is none."""
        return next((uid for uid, name in self.hub.servers().items() if name == f"server-{person.name}"), "")

    def hear_more(self) -> None:
        count = len(self.aloud.heard)
        wait_for(lambda: len(self.aloud.heard) > count + 10, "more numbers", 30)

    def are_signed_in(self) -> None:
        for person in (self.researcher, self.visitor, self.owner):
            page = person.get("hub/home")
            assert (page.status_code, page.url.path) == (httpx.codes.OK, "/hub/home"), page.text


@pytest.fixture(scope="module")
def came(shared_release: Release) -> Iterator[People]:
    hub = ClusterHub(shared_release)
    hub.await_ready()
    researcher, visitor, owner = (hub.sign_in(name) for name in ("researcher", "visitor", "owner"))
    for person in (researcher, visitor):
        assert person.post_form({"profile": "minimal"}).status_code == httpx.codes.OK
    for person in (researcher, visitor):
        person.wait(lambda model: bool(model and model["ready"]))
    aloud = Aloud(researcher)
    yield People(hub, researcher, visitor, owner, aloud)
    aloud.end()
    for person in (researcher, visitor, owner):
        if person.model():
            person.stop()
        person.client.close()
    assert hub.servers() == {}


@pytest.fixture
def people(release: Release, came: People) -> Iterator[People]:
    """Who is there, on a cluster that is whole; at the end of a test nobody has lost anything."""
    came.hear_more()
    pods, breaks, before = [came.pod_of(person) for person in (came.researcher, came.visitor)], came.aloud.breaks, len(came.aloud.heard)
    assert all(pods)
    came.aloud.forget_silence()
    yield came
    came.hear_more()
    came.are_signed_in()
    assert [came.pod_of(person) for person in (came.researcher, came.visitor)] == pods
    # In this order: it counts on.
    heard = came.aloud.heard
    written = [int(line) for line in came.hub.read_home("researcher", FILE).split("\n")[:-1]]
    assert written == list(range(len(written)))
    assert len(written) > heard[-1]
    if came.aloud.breaks == breaks:
        assert heard[before:] == list(range(heard[before], heard[-1] + 1))
        assert came.aloud.silence < _SILENCE_SECONDS
    print(f"silence {came.aloud.silence:.2f} s, breaks {came.aloud.breaks - breaks}")


def one_pod(release: Release, component: str) -> str:
    """Return the name of a component's one pod when that is Ready."""
    wait_for(partial(release.all_ready, component, release.name, 1), component, _SECONDS)
    (pod,) = release.pods(component)
    return str(pod["metadata"]["name"])


def delete(release: Release, pod: str) -> None:
    release.cluster.kubectl("delete", "pod", "-n", release.name, pod, "--wait=false")


def longest_absence(answers: Callable[[], bool], done: Callable[[], bool]) -> float:
    """Return the longest time between two answers, until all is done."""
    began = answered = time.monotonic()
    longest = 0.0
    while time.monotonic() - began < _SECONDS:
        if not answers():
            continue
        now = time.monotonic()
        longest, answered = max(longest, now - answered), now
        if done():
            return longest
    raise TimeoutError(f"it was not done, or did not answer, for {time.monotonic() - answered:.0f} s")


def lab_answers(person: Person) -> bool:
    with suppress(httpx.HTTPError):
        return person.server_api("GET", "status").status_code == httpx.codes.OK
    return False


def hub_answers(person: Person) -> bool:
    with suppress(httpx.HTTPError):
        page = person.get("hub/home")
        return (page.status_code, page.url.path) == (httpx.codes.OK, "/hub/home")
    return False


def is_another(release: Release, component: str, old: str) -> bool:
    """Tell whether a component's pod is Ready and another than the one before."""
    return release.all_ready(component, release.name, 1) and one_pod(release, component) != old


def test_proxy_that_is_deleted_is_followed_by_one_that_knows_all_ways(people: People):
    old = one_pod(people.release, "proxy")
    delete(people.release, old)
    away = longest_absence(
        lambda: lab_answers(people.researcher) and hub_answers(people.researcher), lambda: is_another(people.release, "proxy", old)
    )
    print(f"address away {away:.1f} s")
    assert away < _ABSENCE_SECONDS


def test_hub_that_is_deleted_in_the_middle_of_a_start_is_followed_by_one_that_goes_on_with_it(people: People):
    old = one_pod(people.release, "hub")
    people.owner.post_form({"profile": "minimal"})
    pod = until(lambda: people.pod_of(people.owner))
    delete(people.release, old)
    away = longest_absence(lambda: hub_answers(people.owner), lambda: is_another(people.release, "hub", old))
    print(f"hub away {away:.1f} s")
    people.owner.wait(lambda model: bool(model and model["ready"]))
    assert people.pod_of(people.owner) == pod
    assert lab_answers(people.owner)
    people.owner.stop()
    until(lambda: not people.pod_of(people.owner))


def test_quota_that_is_exceeded_is_told_and_leaves_no_pod(people: People):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two", "namespace": people.release.users}}
    people.release.cluster.apply({**quota, "spec": {"hard": {"pods": "2"}}})
    path = f"/api/v1/namespaces/{people.release.users}/resourcequotas/two"
    try:
        wait_for(lambda: people.release.cluster.get(path).get("status", {}).get("used") == {"pods": "2"}, "the quota", 30)
        page = people.owner.refused({"profile": "minimal"})
    finally:
        people.release.cluster.kubectl("delete", "resourcequota", "-n", people.release.users, "two")
    assert "The cluster refuses your server: " in page.text
    assert "exceeded quota: two" in page.text
    assert not people.pod_of(people.owner)
