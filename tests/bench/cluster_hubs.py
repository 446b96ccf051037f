"""From sign-in to a lab that answers on the tests' Kubernetes, and what that asks of its API server, beside a stock hub there."""

import time
from collections.abc import Callable, Sequence

from tests.bench.row import Row, paired
from tests.support.cluster.calls import Call, Calls
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.plain_hub import PlainHub, plain_hub
from tests.support.cluster.release import Release
from tests.support.session import Session, sign_in

_PERSON, _PROFILE = "researcher", "minimal"
_PEER = "KubeSpawner with an emptyDir"
_GOAL = 1.15


def rows(release: Release, rounds: int) -> list[Row]:
    """Measure both hubs in turns."""
    hub, calls = ClusterHub(release), Calls(release.cluster)
    hub.await_ready()
    password = hub.password(_PERSON)
    asked: dict[str, list[list[Call]]] = {"ours": [], "peer": []}

    def measure(whose: str, enter: Callable[[], Session]) -> float:
        calls.more()
        took = _ready_seconds(enter)
        asked[whose].append(calls.more())
        return took

    with plain_hub(release.cluster) as plain:
        ways = (
            lambda: measure("ours", lambda: sign_in(release.url, _PERSON, password)),
            lambda: measure("peer", lambda: plain.sign_in(_PERSON)),
        )
        for way in ways:
            way()  # images and what both hubs load once are in memory
        for found in asked.values():
            found.clear()
        ours, peer = paired(rounds, *ways)
        return [
            Row.against("P15-hub", "sign-in → lab ready", ours, peer, peer_name=_PEER, unit="s", goal=_GOAL, better="lower"),
            *_asked(asked, release, plain),
        ]


def _ready_seconds(enter: Callable[[], Session]) -> float:
    """Sign in, start a server, return the seconds until it answers its owner; then stop it."""
    began = time.perf_counter()
    with enter() as session:
        session.start(_PROFILE)
        took = time.perf_counter() - began
        session.stop()
    return took


def _asked(asked: dict[str, list[list[Call]]], release: Release, plain: PlainHub) -> list[Row]:
    hubs = {"ours": f"system:serviceaccount:{release.name}:{release.name}-hub", "peer": plain.account}
    by_hub = {whose: [_count(calls, hubs[whose]) for calls in found] for whose, found in asked.items()}
    places = {"ours": release.users, "peer": plain.namespace}
    by_all = {
        whose: [_count(calls, hubs[whose]) + _about(calls, hubs[whose], places[whose]) for calls in found] for whose, found in asked.items()
    }
    return [
        Row.against(f"P15-{id}", what, counted["ours"], counted["peer"], peer_name=_PEER, unit="", goal=1, better="lower")
        for id, what, counted in (
            ("calls", "API calls of the hub's for a start and its end", by_hub),
            ("all-calls", "the same with those of the nodes about the server", by_all),
        )
    ]


def _count(calls: Sequence[Call], user: str) -> float:
    return float(sum(call.user == user for call in calls))


def _about(calls: Sequence[Call], hub: str, namespace: str) -> float:
    return float(sum(call.user != hub and call.namespace == namespace for call in calls))
