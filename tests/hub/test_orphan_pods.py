"""The sweep of pods that no record of the hub owns, before an API server that the tests drive: what it ends, and what it never does."""

import asyncio

import pytest
from aiohttp import web
from bowerbird_hub import pods
from bowerbird_hub.nodes.door import NotYet
from bowerbird_hub.runtimes import orphan_pods
from bowerbird_hub.runtimes.orphan_pods import end_orphans, keep_ending_orphans
from bowerbird_hub.runtimes.platform_spawner import StartRefused
from jupyterhub import orm
from jupyterhub.user import User
from kubespawner.clients import load_config

from tests.hub.test_kubernetes_spawner import POD, SETTINGS, Cluster, cluster, left_over, runs_at
from tests.support.kube_api import KubeApi, Object

__all__ = ["cluster"]  # the fixture, which this module asks for by its name

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

# What the sweep gives a pod to end; a start that ends what is in its way gives nothing.
SWEPT = 30


async def alone() -> str:
    """Say that no hub has taken this one's place."""
    return ""


async def test_pods_without_a_record_are_ended_when_the_hub_knows_its_servers(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    ours = pods.selector(SETTINGS)
    cluster.api.put("pods", left_over("server-bob", ours))
    cluster.api.put("pods", left_over("another-hubs", {**ours, "app.kubernetes.io/instance": "other"}))
    known: list[list[User]] = []

    def users() -> list[User]:
        if not known:
            raise NotYet
        return known[0]

    async def pause(_seconds: float) -> None:
        assert "server-bob" in cluster.api.pods
        known.append([cluster.user])

    await end_orphans(SETTINGS, users, alone, pause)
    assert set(cluster.api.pods) == {POD, "another-hubs"}
    assert "servers without a record that were ended: 1" in caplog.text


async def test_pod_that_came_in_the_place_of_one_without_a_record_is_left(cluster: Cluster) -> None:
    load_config()
    asked = 0

    def users() -> list[User]:
        # The second question comes between the list and the end.
        nonlocal asked
        asked += 1
        if asked == 2:
            cluster.api.put(
                "pods", {**left_over("server-bob", ours), "metadata": {**left_over("server-bob", ours)["metadata"], "uid": "the next"}}
            )
        return []

    ours = pods.selector(SETTINGS)
    cluster.api.put("pods", left_over("server-bob", ours))
    await end_orphans(SETTINGS, users, alone)
    assert cluster.api.pods["server-bob"]["metadata"]["uid"] == "the next"


async def test_pods_without_a_record_are_ended_when_the_cluster_answers_again(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    load_config()
    cluster.api.put("pods", left_over("server-bob", pods.selector(SETTINGS)))
    cluster.api.away = True

    async def pause(_seconds: float) -> None:
        assert "server-bob" in cluster.api.pods
        cluster.api.away = False

    await end_orphans(SETTINGS, list, alone, pause)
    assert cluster.api.pods == {}
    assert "not ended yet: the cluster answers 503, etcdserver: no leader" in caplog.text


async def test_pod_whose_end_is_refused_keeps_no_other_and_is_told_once(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    load_config()
    for name in ("server-bob", "server-cat", "server-dan"):
        cluster.api.put("pods", left_over(name, pods.selector(SETTINGS)))
    cluster.api.kept = {"server-cat": (403, 'pods "server-cat" is forbidden')}
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        assert set(cluster.api.pods) == {"server-cat"}
        waits.append(seconds)
        if len(waits) == 8:
            cluster.api.kept = {}

    await end_orphans(SETTINGS, list, alone, pause)
    assert cluster.api.pods == {}
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert caplog.text.count('not ended yet: server-cat: the cluster answers 403, pods "server-cat" is forbidden') == 1


async def test_pod_that_was_made_without_an_answer_is_ended_a_minute_later(cluster: Cluster) -> None:
    def kubelet(api: KubeApi, _pod: Object) -> None:
        api.kept = {POD: (504, "etcdserver: request timed out")}
        raise web.HTTPGatewayTimeout

    cluster.api.kubelet = kubelet
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            with pytest.raises(StartRefused):
                await cluster.start()
            cluster.spawner.server = None  # as JupyterHub has it then
            assert POD in cluster.api.pods
            cluster.api.kept = {}
        else:
            raise asyncio.CancelledError

    load_config()
    with pytest.raises(asyncio.CancelledError):
        await keep_ending_orphans(SETTINGS, lambda: [cluster.user], alone, pause)
    assert (waits, cluster.api.pods) == ([60, 60], {})


@pytest.fixture
def starting(cluster: Cluster) -> Cluster:
    """A hub that starts ann's server as JupyterHub does: with nothing running before it, and by all that surrounds a start."""
    user = cluster.user
    user.db.add(orm.Role(name="server", scopes=["users:activity!user", "access:servers!server"]))
    user.db.add(orm.OAuthClient(identifier="jupyterhub", secret=""))
    user.db.commit()
    cluster.spawner.server = None
    cluster.api.kubelet = runs_at(cluster.address)
    load_config()
    return cluster


async def spawn(cluster: Cluster) -> None:
    spawner = cluster.spawner
    # As JupyterHub's own page has it from before a start until after it.
    spawner._spawn_pending = True
    try:
        await cluster.user.spawn("", options={"profile": "minimal"})
    finally:
        spawner._spawn_pending = False


async def sweep(cluster: Cluster) -> None:
    async def no_second(_seconds: float) -> None:
        raise AssertionError("the sweep was refused something")

    await end_orphans(SETTINGS, lambda: [cluster.user], alone, no_second)


async def test_pod_whose_making_is_not_answered_yet_is_left(starting: Cluster) -> None:
    made, answer = asyncio.Event(), asyncio.Event()

    async def between(step: str) -> None:
        if step == "created":
            made.set()
            await answer.wait()

    starting.api.between = between
    start = asyncio.ensure_future(spawn(starting))
    await made.wait()
    await sweep(starting)
    uid = starting.api.pods[POD]["metadata"]["uid"]
    answer.set()
    await start
    await sweep(starting)
    assert starting.api.pods[POD]["metadata"]["uid"] == uid
    assert starting.api.asked == ["POST pods"]


async def test_pod_that_an_api_server_makes_after_the_hub_gave_up_waiting_for_it_is_left_to_the_start(starting: Cluster) -> None:
    """The API server takes longer than the hub asks once: the hub asks again, and finds what it had asked for before."""
    starting.spawner.k8s_api_request_timeout = 1
    late = 2

    async def between(step: str) -> None:
        nonlocal late
        if step == "create" and late:
            late -= 1
            await asyncio.sleep(1.6)

    starting.api.between = between
    start = asyncio.ensure_future(spawn(starting))
    while not start.done():
        await sweep(starting)
        await asyncio.sleep(0.01)
    await start
    # Asked for twice in vain, it was found, ended by the start itself, and made anew.
    assert starting.api.asked.count("POST pods") > 2
    assert POD in starting.api.pods
    assert SWEPT not in starting.api.grace
    assert starting.spawner.ready


async def test_list_that_takes_longer_than_a_start_ends_no_pod_of_it(starting: Cluster) -> None:
    """A pod of a start that was given up stands in the list; the next start has ended it and made its own before the list is answered."""
    starting.api.put("pods", left_over(POD, pods.selector(SETTINGS)))
    listed, answer = asyncio.Event(), asyncio.Event()

    async def between(step: str) -> None:
        if step == "listed" and not listed.is_set():
            listed.set()
            await answer.wait()

    starting.api.between = between
    sweeping = asyncio.ensure_future(sweep(starting))
    await listed.wait()
    await spawn(starting)
    answer.set()
    await sweeping
    assert starting.api.pods[POD]["metadata"]["uid"] != POD
    assert SWEPT not in starting.api.grace


async def test_start_that_comes_between_the_list_and_the_end_makes_a_pod_that_stays(starting: Cluster) -> None:
    """The pod of a start that was given up is ended by the sweep while the next start is under way, which may have its place by then."""
    starting.api.put("pods", left_over(POD, pods.selector(SETTINGS)))
    looked = 0
    starts: list[asyncio.Future[None]] = []

    def users() -> list[User]:
        # The second question comes after the list; the start begins behind it.
        nonlocal looked
        looked += 1
        if looked == 2:
            starts.append(asyncio.ensure_future(spawn(starting)))
        return [starting.user]

    await end_orphans(SETTINGS, users, alone)
    await asyncio.gather(*starts)
    await sweep(starting)
    assert starting.spawner.ready
    assert starting.api.pods[POD]["metadata"]["uid"] != POD


async def test_api_server_that_never_answers_keeps_the_sweep_from_no_other_day(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(orphan_pods, "_ANSWER_SECONDS", 0.3)
    load_config()
    cluster.api.put("pods", left_over("server-bob", pods.selector(SETTINGS)))
    cluster.api.slow = 600

    async def pause(_seconds: float) -> None:
        cluster.api.slow = 0

    await end_orphans(SETTINGS, list, alone, pause)
    assert cluster.api.pods == {}
    assert "not ended yet: the cluster does not answer (TimeoutError)" in caplog.text


async def test_hub_whose_place_another_one_has_taken_ends_none(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    load_config()
    cluster.api.put("pods", left_over("server-bob", pods.selector(SETTINGS)))

    async def replaced() -> str:
        return "hub-2"

    async def pause(_seconds: float) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await end_orphans(SETTINGS, list, replaced, pause)
    assert set(cluster.api.pods) == {"server-bob"}
    assert "not ended yet: the hub of pod hub-2 has taken this one's place" in caplog.text
