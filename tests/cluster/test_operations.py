"""What an administrator or a fault does to the platform while people are signed in and one of them has a kernel counting aloud."""

import html
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from tests.hub.runtime_contract import kernel_of, until
from tests.support.charts import example
from tests.support.cluster.aloud import FILE, Aloud
from tests.support.cluster.cluster import NODES
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release, roll_back, upgrade
from tests.support.cluster.seen import hub_answers, is_told, lab_answers
from tests.support.hub import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
# Longer than any of it takes here, as the machine has other work.
_SECONDS = 120
_OUTAGE_SECONDS = 60
# The longest that nobody reaches the hub, or anything behind the proxy, while another pod starts.
_ABSENCE_SECONDS = 60
# A kernel on a machine with other work is not always heard at once.
_SILENCE_SECONDS = 5.0
# How many numbers, of 20 a second, are lost at most with the connection that they were sent by.
_ON_ITS_WAY = 10
# Five times the second in which a release opens.
_OPEN_SECONDS = 5
_SELECTOR = "app.kubernetes.io/component=singleuser-server"
# When the release in /data opened for whoever looks.
_LOOK = """
import os, threading, time
seen = []
def look():
    while not os.path.exists("/data/releases/sky/due/words.txt"):
        time.sleep(0.02)
    seen.append(time.time())
threading.Thread(target=look, daemon=True).start()
"""


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
    people = People(hub, researcher, visitor, owner, Aloud(researcher))
    yield people
    people.aloud.end()
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
    # What was said while nobody listened is kept for who listens again: only what was on its way when the connection broke may be lost.
    broken, unheard = came.aloud.breaks - breaks, came.aloud.unheard(before)
    print(f"silence {came.aloud.silence:.2f} s, breaks {broken}, unheard {unheard}")
    assert len(unheard) <= _ON_ITS_WAY * broken
    assert broken or came.aloud.silence < _SILENCE_SECONDS


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
    release, owner = people.release, people.owner
    old = one_pod(release, "hub")
    with release.cluster.servers_nowhere():
        owner.post_form({"profile": "minimal"})
        pod = until(lambda: people.pod_of(owner))
        assert is_being_started(owner)
        delete(release, old)
        away = longest_absence(lambda: hub_answers(owner), lambda: is_another(release, "hub", old))
        print(f"hub away {away:.1f} s")
        # No node has taken it yet: the start was under way when the one hub went, and is when the next has come.
        assert "nodeName" not in release.cluster.get(f"/api/v1/namespaces/{release.users}/pods/server-owner")["spec"]
        assert is_being_started(owner)
    owner.wait(lambda model: bool(model and model["ready"]))
    assert people.pod_of(owner) == pod
    assert lab_answers(owner)
    owner.stop()
    until(lambda: not people.pod_of(owner))


def is_being_started(person: Person) -> bool:
    model = person.model()
    return bool(model and model["pending"] and not model["ready"])


def _with_an_image_that_nobody_has_and_no_storage_class(values: dict[str, Any]) -> None:
    del values["hub"]["volume"]
    values["users"]["images"]["gone"] = "localhost/bowerbird/gone:1"
    profile = {"title": "Gone", "environment": "gone", "memory": "1 GiB", "cpu": 1, "teams": "everyone"}
    values["platform"]["profiles"]["gone"] = profile


def rolled(people: People, act: Callable[[], None]) -> None:
    """Change the release in a way that replaces the hub, and return when the next one answers."""
    old = one_pod(people.release, "hub")
    began = time.monotonic()
    act()
    print(f"Helm took {time.monotonic() - began:.1f} s")
    away = longest_absence(lambda: hub_answers(people.owner), lambda: is_another(people.release, "hub", old))
    print(f"hub away {away:.1f} s")
    assert away < _ABSENCE_SECONDS


def offers_gone(people: People) -> bool:
    return 'value="gone"' in people.owner.get("hub/spawn").text


def test_upgrade_replaces_the_hub_alone_and_rollback_puts_it_back(people: People):
    release = people.release
    others, claim = {part: one_pod(release, part) for part in ("proxy", "culler")}, claim_of(release)
    assert claim["spec"]["storageClassName"] == "local-path"
    rolled(people, lambda: upgrade(release, _with_an_image_that_nobody_has_and_no_storage_class))
    try:
        assert claim_of(release)["spec"] == claim["spec"]
        until(lambda: offers_gone(people))
        image_that_cannot_be_pulled_is_told_and_leaves_no_pod(people)
    finally:
        rolled(people, lambda: roll_back(release))
    until(lambda: not offers_gone(people))
    assert {part: one_pod(release, part) for part in others} == others
    assert claim_of(release)["metadata"]["uid"] == claim["metadata"]["uid"]


def claim_of(release: Release) -> dict[str, Any]:
    """Return the claim of the hub's directory."""
    return release.cluster.get(f"/api/v1/namespaces/{release.name}/persistentvolumeclaims/{release.name}-hub")


def image_that_cannot_be_pulled_is_told_and_leaves_no_pod(people: People) -> None:
    page = html.unescape(people.owner.refused({"profile": "gone"}).text)
    assert "The image localhost/bowerbird/gone:1 of this profile's environment cannot be fetched" in page, page
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


def test_release_opens_to_everybody_in_its_second(people: People):
    hub = people.hub
    hub.give_release("sky", "due", "of everybody")
    session, kernel = kernel_of(people.visitor)
    session.run(kernel, _LOOK)
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    told = example("trial")["platform"]
    release = {"title": "Due", "teams": ["craft"], "public_on": due.isoformat()}
    told["collections"] = {"sky": {"title": "Sky", "contact": "sky@example.org", "releases": {"due": release}}}
    with hub.edited(json.dumps(told)):
        known = time.time()
        until(lambda: session.run(kernel, "print(bool(seen))").strip() == "True")
        seen = float(session.run(kernel, "print(seen[0])"))
    session.api("DELETE", f"kernels/{kernel}")
    wait_for(hub.settled, "the platform file as it was", 60)
    print(f"open {seen - due.timestamp():.2f} s after its second, known {known - due.timestamp():.2f} s after")
    assert due.timestamp() <= seen < max(due.timestamp(), known) + _OPEN_SECONDS


def test_cluster_without_its_api_for_a_minute_is_noticed_by_those_alone_who_start_a_server(people: People):
    (before,) = people.release.pods("hub")
    began = time.monotonic()
    with people.release.cluster.without_api():
        page = people.owner.refused({"profile": "minimal"})
        print(f"refused after {time.monotonic() - began:.1f} s")
        people.are_signed_in()
        wait_for(lambda: time.monotonic() - began > _OUTAGE_SECONDS, "a minute", 2 * _OUTAGE_SECONDS, every=1)
        people.hear_more()
    assert "the cluster does not answer the hub" in page.text, page.text
    wait_for(lambda: people.release.cluster.ready() == set(NODES), "both nodes", _SECONDS)
    (after,) = people.release.pods("hub")
    assert _lives(after) == _lives(before)
    assert not people.pod_of(people.owner)
    back = time.monotonic()
    people.owner.start("minimal")
    print(f"started {time.monotonic() - back:.1f} s after")
    people.owner.stop()


def _lives(pod: dict[str, Any]) -> tuple[str, list[int]]:
    return pod["metadata"]["uid"], [status["restartCount"] for status in pod["status"]["containerStatuses"]]


def test_drain_of_a_node_ends_its_servers_in_words_and_with_whole_files(release: Release, came: People):
    came.hear_more()
    cluster, node = release.cluster, NODES[0]
    options = ("--pod-selector", _SELECTOR, "--force", "--delete-emptydir-data", "--ignore-daemonsets")
    try:
        cluster.kubectl("drain", node, *options, seconds=_SECONDS)
        sentence = "Your server was ended because its node is being emptied."
        for person in (came.researcher, came.visitor):
            until(partial(is_told, person, sentence))
        assert came.hub.servers() == {}
    finally:
        cluster.kubectl("uncordon", node)
    lines = came.hub.read_home("researcher", FILE)
    assert lines.endswith("\n")
    assert [int(line) for line in lines.split()] == list(range(lines.count("\n")))
    assert lines.count("\n") > came.aloud.heard[-1]
    came.aloud.end()
    for person in (came.researcher, came.visitor):
        person.start("minimal")
        assert not is_told(person, sentence)
    came.aloud = Aloud(came.researcher)
