"""Fifty people who start a server at the same moment: whether the hub's loop still turns, and how many servers come up."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from tests.bench.row import Row
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.platform_images import archive_of, name_of
from tests.support.cluster.release import Release
from tests.support.session import Session, sign_in

_PEOPLE = tuple(f"crowd{number:02}" for number in range(50))
PROFILE = "small"
_SIGN_INS_AT_ONCE = 4
_SECONDS = 600.0
_LAG_GOAL_SECONDS, _RUNNING_GOAL = 0.25, 48
_BUCKET = re.compile(r'^jupyterhub_event_loop_interval_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_PART = 0.99


@dataclass(frozen=True, slots=True)
class Ended:
    """How a start ended: it is ready, or the sentence that says why not."""

    ready: bool
    sentence: str


def with_crowd(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with accounts for fifty people, and the profile of a server that only answers."""
    platform = values["platform"]
    platform["sign_on"]["demo"]["accounts"] |= {name: {"title": name.capitalize()} for name in _PEOPLE}
    platform["profiles"][PROFILE] = {"title": "Small", "environment": PROFILE, "memory": "128 MiB", "cpu": 0.1, "teams": "everyone"}
    # Both cores of such a machine are busy for as long as that with what fifty pods are made of.
    platform["limits"] = {"start": "8 min"}
    values["users"]["images"][PROFILE] = name_of(PROFILE)
    return values


def rows(release: Release, _rounds: int) -> list[Row]:
    """Measure once, whatever the rounds: a crowd takes minutes."""
    release.cluster.load(archive_of(PROFILE), "node1")
    hub = ClusterHub(release)
    hub.await_ready()
    passwords = {name: hub.password(name) for name in _PEOPLE}
    with ThreadPoolExecutor(_SIGN_INS_AT_ONCE) as few:
        people = list(few.map(lambda name: sign_in(release.url, name, passwords[name]), _PEOPLE))
    with ThreadPoolExecutor(len(_PEOPLE)) as pool:
        before = _intervals(hub)
        try:
            ended = list(pool.map(_start, people))
            lag = all_but_a_hundredth(before, _intervals(hub))
        finally:
            for person in people:
                person.client.close()
            release.cluster.kubectl("delete", "pods", "--all", "-n", release.users, "--grace-period=0", "--force", seconds=_SECONDS)
    running = sum(each.ready for each in ended)
    silent = sum(not each.ready and not each.sentence for each in ended)
    what = "50 starts at once"
    return [
        Row.alone("P15-lag", f"{what}: p99 of the hub loop's lag", [lag], unit="s", goal=_LAG_GOAL_SECONDS, better="lower"),
        Row.alone("P15-running", f"{what}: servers that run", [float(running)], unit="", goal=_RUNNING_GOAL, better="higher"),
        Row.alone("P15-silent", f"{what}: ended without a sentence", [float(silent)], unit="", goal=0, better="lower"),
    ]


def _start(person: Session) -> Ended:
    """Start a server and follow it as its owner's page does, to its end."""
    headers = {"X-XSRFToken": person.xsrf, "Referer": person.hub("home")}
    own = f"api/users/{person.account}/server"
    answer = person.client.post(person.hub(own), json={"profile": PROFILE}, headers=headers, timeout=_SECONDS)
    if answer.is_error:
        return Ended(False, str(answer.json().get("message", "")))
    with person.client.stream("GET", person.hub(f"{own}/progress"), headers=headers, timeout=_SECONDS) as told:
        for event in _events(told):
            if event.get("ready") or event.get("failed"):
                return Ended(bool(event.get("ready")), str(event.get("message", "")))
    return Ended(False, "")


def _events(told: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in told.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def _intervals(hub: ClusterHub) -> dict[float, float]:
    """Return how often the hub's loop was back within so many seconds, as JupyterHub itself counts each 50 ms."""
    return {float(bound): float(count) for bound, count in _BUCKET.findall(hub.figures())}


def all_but_a_hundredth(before: dict[float, float], after: dict[float, float]) -> float:
    """Return within how many seconds all but a hundredth were back, as Prometheus reads a histogram: evenly within a bucket."""
    counts = sorted((bound, after[bound] - before.get(bound, 0.0)) for bound in after)
    wanted = _PART * counts[-1][1]
    if not wanted:
        raise ValueError("the histogram is empty: the hub counted nothing")
    below, fewer = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            # Beyond the last bound nothing is known.
            return below if bound == float("inf") else below + (bound - below) * (wanted - fewer) / (count - fewer)
        below, fewer = bound, count
    raise ValueError("the histogram does not rise")
