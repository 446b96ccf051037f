"""The Kubernetes runtime's spawner, before an API server that the tests drive: what it makes, what it refuses, what it tells."""

import asyncio
import html
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.pods import Pod
from bowerbird_config.teams import Membership, Role
from bowerbird_hub import pods
from bowerbird_hub.nodes.door import NotYet, WrongNode
from bowerbird_hub.nodes.storage import HomeStorage
from bowerbird_hub.runtimes import pod_ends
from bowerbird_hub.runtimes.kubernetes import KubernetesSpawner
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.platform_spawner import StartRefused
from bowerbird_hub.runtimes.pod_servers import PodServers
from jupyterhub import orm
from jupyterhub.crypto import CryptKeeper
from jupyterhub.objects import Hub, Server
from jupyterhub.user import User
from kubernetes_asyncio.client import ApiException
from kubernetes_asyncio.config import kube_config
from kubespawner import KubeSpawner, clients
from traitlets.config import Config

from tests.support.kube_api import KubeApi, Object, kube_api
from tests.support.platforms import described

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

NAMESPACE = "bowerbird-users"
TOKEN = "t" * 32
POD = pods.pod_name("ann")


def profile(title: str, **parts: Any) -> dict[str, Any]:
    return {"title": title, "memory": "1 GiB", "cpu": 1, "teams": "everyone"} | parts


PLATFORM = Platform.model_validate(
    described(
        teams={name: {"title": name, "contact": "pi@example.org"} for name in ("eso", "aat")},
        profiles={
            "minimal": profile("Minimal"),
            "reduction": profile("ESO reduction", teams=["eso"], variables={"ESO_ANSWER": "42"}),
            "theirs": profile("Theirs", teams=["aat"]),
            "absent": profile("Not installed", environment="gone"),
            "large": profile("Large", variables={"LARGE": "x" * (130 << 10)}),
        },
        runtime={"environments": {"gone": "/nonexistent"}},
    )
)
ANN = IdentityRecord(1, "ann", 600_001, 600_002, (Membership("eso", Role.MEMBER),), {"eso": 700_001})
SETTINGS = PodSettings(namespace=NAMESPACE, hub_url="http://hub:8081", driver="data.example.org", images={"lab": "base:1"})


class Proxy:
    """What JupyterHub's own proxy is asked here, which may be away for a while."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = 0

    async def add_user(self, user: User, server: str) -> None:
        if self.refuses:
            self.refuses -= 1
            raise TimeoutError
        self.told.append(user.spawners[server].server.host)


@dataclass
class Cluster:
    """An API server, ann's server, and a stand-in for the server within the pod."""

    api: KubeApi
    user: User
    address: str
    state: Path

    @property
    def servers(self) -> PodServers:
        """The hub's record of pods, as the door for node plugins asks it."""
        return PodServers(lambda: [self.user], HomeStorage(self.state / "home-storage"))

    @property
    def spawner(self) -> KubernetesSpawner:
        spawner: KubernetesSpawner = self.user.spawners[""]
        return spawner

    async def start(self, profile: str = "minimal", **more: Any) -> str:
        self.spawner.user_options = {"profile": profile, **more}
        url: str = await self.spawner.start()
        return url

    async def refused(self, profile: str = "minimal", **more: Any) -> StartRefused:
        """Return the refusal of a start, of which nothing is left."""
        with pytest.raises(StartRefused) as refusal:
            await self.start(profile, **more)
        assert self.api.pods == {}
        return refusal.value

    @property
    def routes(self) -> list[str]:
        """Where the proxy was told to lead to ann's server."""
        told: list[str] = self.user.settings["proxy"].told
        return told

    def steps(self) -> list[str]:
        return [words for _, words in self.spawner._steps]


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    before = asyncio.all_tasks()
    async with kube_api() as api:
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(_kubeconfig(api.url)))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        clients.load_config.cache_clear()
        monkeypatch.setattr(CryptKeeper, "_instance", CryptKeeper(keys=[b"k" * 32]))
        address = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
        server = await _single_user(address)
        try:
            yield Cluster(api, _user(tmp_path), address, tmp_path)
        finally:
            await KubeSpawner._stop_all_reflectors()
            left = asyncio.all_tasks() - before - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            clients.load_config.cache_clear()
            await server.cleanup()


def _kubeconfig(url: str) -> dict[str, Any]:
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [context],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": "of-the-hub"}}],
    }


async def _single_user(address: str) -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.get("/user/ann/api", _answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, pods.PORT).start()
    return runner


async def _answer(_request: web.Request) -> web.Response:
    return web.json_response({"version": "1"})


def _user(tmp_path: Path) -> User:
    session = orm.new_session_factory("sqlite://")()
    ann = orm.User(name="ann")
    session.add(ann)
    session.add(orm.Spawner(user=ann, name="", server=orm.Server(base_url="/user/ann/")))
    session.commit()
    records = {"ann": ANN}
    identities = SimpleNamespace(record=records.get, records=lambda: tuple(records.values()), version=1)
    config = Config()
    config.KubernetesSpawner.live = SimpleNamespace(platform=PLATFORM, identities=identities)
    config.KubernetesSpawner.settings = SETTINGS
    config.KubernetesSpawner.obituaries = Obituaries(tmp_path / "obituaries.json")
    config.KubernetesSpawner.start_timeout = 20
    hub = Hub(ip="127.0.0.1", port=8081, base_url="/hub/", routespec="/", public_host="")
    user = User(ann, {"spawner_class": KubernetesSpawner, "config": config, "hub": hub, "proxy": Proxy()}, db=session)
    user.spawners[""].server = Server(orm_server=ann.orm_spawners[""].server)
    user.spawners[""].api_token = TOKEN
    return user


def _run(api: KubeApi, name: str, address: str) -> None:
    if name in api.pods:
        api.runs(name, address)


def runs_at(address: str) -> Any:
    def kubelet(api: KubeApi, pod: Object) -> None:
        name = pod["metadata"]["name"]
        api.event(name, "Scheduled", f"Successfully assigned {NAMESPACE}/{name} to node1")
        api.event(name, "Pulled", "Container image already present")
        asyncio.get_running_loop().call_later(0.7, _run, api, name, address)

    return kubelet


def waits_on_node1(api: KubeApi, pod: Object) -> None:
    api.put("pods", {**pod, "spec": {**pod["spec"], "nodeName": "node1"}})


def left_over(name: str, labels: dict[str, str]) -> Object:
    """Return a pod that no start of the test has made."""
    return {"metadata": {"name": name, "namespace": NAMESPACE, "uid": name, "labels": labels}, "status": {"phase": "Running"}}


async def test_start_makes_the_pod_that_pods_py_says_and_returns_its_address(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    assert await cluster.start("reduction") == f"http://{cluster.address}:{pods.PORT}"
    assert cluster.api.asked == ["POST pods"]
    made = cluster.api.pods[POD]
    order = cluster.spawner._order
    assert order is not None
    wanted = pods.pod(order, SETTINGS)
    assert made["spec"] == wanted["spec"]
    assert all(made["metadata"][key] == wanted["metadata"][key] for key in wanted["metadata"])
    assert {"name": "ESO_ANSWER", "value": "42"} in made["spec"]["containers"][0]["env"]
    assert TOKEN not in json.dumps(made)
    assert await cluster.spawner.poll() is None


async def test_progress_says_in_words_what_is_being_done(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    steps = cluster.steps()
    assert steps[:3] == ["Checking your profile and your home", "Mounting your data", "Starting Minimal"]
    assert "A node was found" in steps
    assert steps[-2:] == ["Waiting for JupyterLab to answer", "Opening JupyterLab"]
    percents = [percent for percent, _ in cluster.spawner._steps]
    assert percents == sorted(percents)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"profile": "theirs"}, "Starting a server with profile theirs is refused"),
        ({"profile": "none such"}, "is no name of a profile"),
        ({"profile": "minimal", "image": "evil:1"}, "'image' cannot be set; the one option is 'profile'"),
        ({"profile": "minimal", "kubespawner_override": {"privileged": True}}, "'kubespawner_override' cannot be set"),
        ({"profile": "minimal", "profile-option-minimal--image": "evil:1"}, "cannot be set"),
        ({"profile": "minimal", "volumes": [{"hostPath": {"path": "/"}}]}, "'volumes' cannot be set"),
        ({"profile": "absent"}, "The environment 'gone' of this profile is not installed on this cluster"),
        ({"profile": "large"}, "The variable LARGE of profile large takes 131 KiB, and 128 KiB is the most"),
    ],
)
async def test_what_may_not_be_asked_for_is_refused_before_the_cluster_hears_of_it(
    cluster: Cluster, options: dict[str, Any], sentence: str
) -> None:
    refusal = await cluster.refused(**options)
    assert sentence in refusal.jupyterhub_message
    assert cluster.api.asked == []


async def test_a_profile_without_an_image_is_shown_with_its_sentence_and_cannot_be_chosen(cluster: Cluster) -> None:
    shown = html.unescape(await cluster.spawner.get_options_form())
    assert '<input type="radio" name="profile" value="absent" disabled>' in shown
    assert str((await cluster.refused(profile="absent")).jupyterhub_message) in shown


async def test_traits_of_kubespawner_change_nothing_of_the_pod(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    spawner = cluster.spawner
    spawner.privileged, spawner.image, spawner.uid = True, "evil:1", 0
    spawner.volumes = {"root": {"name": "root", "hostPath": {"path": "/"}}}
    await cluster.start()
    order = spawner._order
    assert order is not None
    assert cluster.api.pods[POD]["spec"] == pods.pod(order, SETTINGS)["spec"]


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}},
            "The image base:1 of this profile's environment cannot be fetched (Back-off pulling image).",
        ),
        (
            {"state": {"waiting": {"reason": "CreateContainerError", "message": "no such link"}}},
            "cannot be started on its node (no such link)",
        ),
        ({"state": {"terminated": {"exitCode": 3, "message": "a <b>mistake</b>"}}}, "Your server ended while it was starting."),
        (
            {"restartCount": 1, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            "Your server reached its memory limit and ended while it was starting.",
        ),
    ],
)
async def test_start_without_hope_ends_at_once_with_the_reason(cluster: Cluster, container: dict[str, Any], sentence: str) -> None:
    def kubelet(api: KubeApi, pod: Object) -> None:
        api.runs(pod["metadata"]["name"], cluster.address, ready=False, **container)

    cluster.api.kubelet = kubelet
    refusal = await cluster.refused()
    assert sentence in refusal.jupyterhub_message
    assert cluster.api.asked == ["POST pods", "DELETE pods"]
    if "terminated" in container.get("state", {}):
        assert "a &lt;b&gt;mistake&lt;/b&gt;" in refusal.jupyterhub_html_message


async def test_start_that_finds_no_node_says_so_in_time(cluster: Cluster) -> None:
    def kubelet(api: KubeApi, pod: Object) -> None:
        name = pod["metadata"]["name"]
        why = "0/2 nodes are available: 2 Insufficient memory."
        api.event(name, "FailedScheduling", why)
        api.status(
            name, conditions=[{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 Insufficient memory."}]
        )

    cluster.api.kubelet = kubelet
    cluster.spawner.start_timeout = 4
    refusal = await cluster.refused()
    assert refusal.jupyterhub_message == (
        "Your server was not ready in time. No node of the cluster has room for it: 0/2 nodes are available: 2 Insufficient memory. "
        "A smaller profile may find room."
    )
    assert any("Waiting for a node with room" in words for words in cluster.steps())


async def test_quota_of_the_cluster_is_told_in_its_words(cluster: Cluster) -> None:
    cluster.api.refuse = (403, "pods is forbidden: exceeded quota: users, requested: limits.memory=1Gi")
    refusal = await cluster.refused()
    assert "The cluster refuses your server: pods is forbidden: exceeded quota: users" in refusal.jupyterhub_message


async def test_pod_that_somebody_deletes_is_noticed(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    ended = asyncio.Event()
    cluster.spawner.add_poll_callback(ended.set)
    cluster.spawner.start_polling()
    cluster.api.remove("pods", POD)
    await asyncio.wait_for(ended.wait(), 5)
    assert await cluster.spawner.poll() is not None
    assert "ended by the cluster or its admins, not by the hub" in cluster.spawner.obituaries.of("ann")[0].words


async def test_server_of_a_node_that_is_being_emptied_is_told_so_once(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    words = await _drained(cluster)
    assert words.startswith("Your server was ended because its node is being emptied. Your files are kept")
    cluster.api.remove("pods", POD)
    await _ended(cluster)
    assert [end.words for end in cluster.spawner.obituaries.of("ann")] == [words]
    await cluster.start()
    assert cluster.spawner.obituaries.of("ann") == []


async def test_end_that_the_hub_has_asked_for_is_no_news(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    await cluster.spawner.stop()
    assert await cluster.spawner.poll() is not None
    assert cluster.spawner.obituaries.of("ann") == []


async def _drained(cluster: Cluster) -> str:
    """Return what is told when the server's node is being emptied."""
    pod = json.loads(json.dumps(cluster.api.pods[POD]))
    pod["metadata"]["deletionTimestamp"] = "2027-03-01T00:05:00Z"
    pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
    cluster.api.put("pods", pod)
    return await _told(cluster, "because its node is being emptied")


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  what is waited for sets no event
            await asyncio.sleep(0.05)


async def _next_hub(cluster: Cluster) -> KubernetesSpawner:
    """Return the spawner of a hub that takes the place of one which ends now."""
    await KubeSpawner._stop_all_reflectors()
    spawner: KubernetesSpawner = cluster.user._new_spawner("")
    spawner.server = cluster.spawner.server
    spawner.load_state(json.loads(json.dumps(spawner.orm_spawner.state)))
    return spawner


async def test_end_that_an_earlier_hub_was_about_is_no_news(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    cluster.api.lingers = True
    stopping = asyncio.ensure_future(cluster.spawner.stop())
    await _until(lambda: "deletionTimestamp" in cluster.api.pods[POD]["metadata"])
    stopping.cancel()
    await asyncio.wait([stopping])
    spawner = await _next_hub(cluster)
    assert await spawner.poll() is None
    cluster.api.remove("pods", POD)
    await _until(lambda: spawner._looked and spawner._pod is None)
    assert await spawner.poll() is not None
    assert spawner.obituaries.of("ann") == []


async def test_end_after_a_stop_that_was_refused_is_told(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    cluster.api.kept[POD] = (403, "pods is forbidden")
    with pytest.raises(ApiException):
        await cluster.spawner.stop()
    assert await cluster.spawner.poll() is None
    assert await _drained(cluster)


async def test_end_after_a_start_that_ended_a_left_over_pod_is_told(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    cluster.api.put("pods", left_over(POD, pods.selector(SETTINGS)))
    await cluster.start()
    assert cluster.api.asked == ["POST pods", "DELETE pods", "POST pods"]
    assert cluster.spawner.get_state()["end_is_known"] is False
    assert await _drained(cluster)


async def test_start_counts_the_time_that_the_cluster_took_to_tell_of_its_pods(cluster: Cluster) -> None:
    cluster.api.slow, cluster.spawner.start_timeout = 3.2, 5
    refusal = await asyncio.wait_for(cluster.refused(), 5)
    assert refusal.jupyterhub_message == "Your server was not ready in time. The cluster made no pod of it."


async def test_start_that_jupyterhub_has_given_up_is_not_gone_on_with(cluster: Cluster) -> None:
    made = asyncio.Event()
    cluster.api.kubelet = lambda _api, _pod: made.set()
    starting = asyncio.ensure_future(cluster.start())
    await asyncio.wait_for(made.wait(), 10)
    assert cluster.spawner.orm_spawner.state["starting"] is True
    starting.cancel()
    await asyncio.wait([starting])
    spawner = cluster.spawner
    await cluster.user.stop("")
    assert (cluster.api.pods, spawner.orm_spawner.state["starting"]) == ({}, False)


async def test_cluster_that_does_not_answer_for_a_while_ends_no_server_and_is_watched_again(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    state = json.loads(json.dumps(cluster.spawner.get_state()))
    cluster.api.go_away()
    async with asyncio.timeout(10):
        while "the cluster does not tell of its pods (ApiException): what it told last holds" not in caplog.text:
            assert await cluster.spawner.poll() is None
            await asyncio.sleep(0.05)
    cluster.api.remove("pods", POD)
    cluster.api.away = False
    await _ended(cluster)
    assert "the cluster tells of its pods again" in caplog.text
    await KubeSpawner._stop_all_reflectors()
    # A hub that begins while the cluster is away ends nobody's server either.
    cluster.api.go_away()
    spawner = cluster.user._new_spawner("")
    spawner.load_state(state)
    assert await spawner.poll() is None


async def test_server_starts_once_the_cluster_answers(cluster: Cluster) -> None:
    cluster.api.go_away()
    cluster.api.kubelet = runs_at(cluster.address)
    refusal = await cluster.refused()
    assert refusal.jupyterhub_message.startswith("Your server cannot be started: the cluster does not answer the hub.")
    cluster.api.away = False
    assert await cluster.start() == f"http://{cluster.address}:{pods.PORT}"


async def _left_in_the_middle(cluster: Cluster) -> KubernetesSpawner:
    """Return the spawner of the hub that follows one which was ended when the pod was made, and did not run yet."""
    made = asyncio.Event()
    cluster.api.kubelet = lambda _api, _pod: made.set()
    starting = asyncio.ensure_future(cluster.start())
    await asyncio.wait_for(made.wait(), 10)
    starting.cancel()
    await asyncio.wait([starting])
    return await _next_hub(cluster)


async def test_hub_that_was_started_anew_goes_on_with_a_start(cluster: Cluster) -> None:
    spawner = await _left_in_the_middle(cluster)
    asyncio.get_running_loop().call_later(1, cluster.api.runs, POD, cluster.address)
    assert await spawner.poll() is None
    assert spawner.server.host == f"http://{cluster.address}:{pods.PORT}"
    assert spawner.get_state()["starting"] is False
    volume = await spawner.volume_of(Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"]))
    assert volume is not None
    assert volume.secrets == {"token": TOKEN}


async def test_start_of_which_an_earlier_hub_has_made_nothing_is_told(cluster: Cluster) -> None:
    spawner = await _left_in_the_middle(cluster)
    cluster.api.remove("pods", POD)
    assert await spawner.poll() is not None
    assert spawner.obituaries.of("ann")[0].words == "The hub was started anew before your server was. Start it again."


async def test_server_that_was_started_again_in_its_pod_is_told_once(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    cluster.api.runs(POD, cluster.address, restartCount=1, lastState=last)
    obituaries = cluster.spawner.obituaries
    async with asyncio.timeout(10):
        while not obituaries.of("ann"):
            assert await cluster.spawner.poll() is None
            await asyncio.sleep(0.05)
    assert "reached its memory limit of 1 GiB, was ended and has been started again" in obituaries.of("ann")[0].words
    obituaries.forget("ann", "")
    await cluster.spawner.poll()
    assert obituaries.of("ann") == []
    assert cluster.spawner.get_state()["restarts"] == 1


def _node(cluster: Cluster, *, answers: bool) -> None:
    said = {"Ready": answers, "ContainersReady": True}
    cluster.api.status(POD, conditions=[{"type": name, "status": str(value)} for name, value in said.items()])


async def _told(cluster: Cluster, about: str) -> str:
    """Return the obituary that has those words, or wait for none where there are no words."""
    async with asyncio.timeout(10):
        while True:
            assert await cluster.spawner.poll() is None
            found = cluster.spawner.obituaries.of("ann")
            if (found and about and about in found[0].words) or not (found or about):
                return found[0].words if found else ""
            await asyncio.sleep(0.05)


async def _ended(cluster: Cluster) -> None:
    """Wait until the hub counts the server as ended."""
    ended = asyncio.Event()
    cluster.spawner.add_poll_callback(ended.set)
    cluster.spawner.start_polling()
    await asyncio.wait_for(ended.wait(), 10)


@pytest_asyncio.fixture
async def lost(cluster: Cluster) -> Cluster:
    """ann's server, whose node has lost its power."""
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    cluster.api.pods[POD]["spec"]["nodeName"] = "node2"
    await _told(cluster, "")
    assert await _asked_with(cluster, "mark") == ""
    _node(cluster, answers=False)
    return cluster


async def test_lost_node_is_told_once_on_the_page_and_in_the_log_in_one_sentence(lost: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    words = await _told(lost, "Your server's node node2 does not answer the cluster")
    assert await lost.spawner.poll() is None
    assert [record.getMessage() for record in caplog.records if "node2" in record.getMessage()] == [f"ann: {words}"]
    assert lost.spawner.get_state()["lost"] is True
    spawner = lost.user._new_spawner("")
    spawner.load_state(json.loads(json.dumps(lost.spawner.get_state())))
    lost.spawner.obituaries.forget("ann", "")
    await spawner.poll()
    assert lost.spawner.obituaries.of("ann") == []


async def test_server_whose_plugin_took_no_lease_is_not_started_elsewhere(lost: Cluster) -> None:
    lost.spawner.settings = SETTINGS.model_copy(update={"shared_storage": True})
    # One of before leases, which a roll-out has not come to, sends no mark.
    assert await _asked_with(lost, "") == ""
    assert "as soon as the admins have declared that node out of service" in await _told(lost, "node2")
    lost.api.asked.clear()
    with pytest.raises(StartRefused, match="node2"):
        await lost.start()
    assert lost.api.asked == []


async def test_hub_that_was_started_anew_knows_that_a_pod_has_a_lease(lost: Cluster) -> None:
    spawner = await _next_hub(lost)
    spawner.settings = SETTINGS.model_copy(update={"shared_storage": True})
    async with asyncio.timeout(10):
        while not spawner.obituaries.of("ann"):
            assert await spawner.poll() is None
            await asyncio.sleep(0.05)
    assert "stop the server and start it again" in spawner.obituaries.of("ann")[0].words


@pytest.mark.parametrize("shared", [True, False])
async def test_deletion_of_a_lost_pod_that_was_not_heard_is_asked_for_again(lost: Cluster, shared: bool) -> None:
    lost.spawner.settings = SETTINGS.model_copy(update={"shared_storage": shared})
    await _told(lost, "node2")
    lost.api.asked.clear()
    lost.api.unheard, lost.spawner.k8s_api_request_timeout = 1, 1
    await asyncio.wait_for(lost.start() if shared else lost.spawner.stop(), 10)
    assert lost.api.asked[:2] == ["DELETE pods", "DELETE pods"]


async def test_server_is_not_started_beside_one_that_a_lost_node_may_still_run(lost: Cluster) -> None:
    words = await _told(lost, "node2")
    lost.api.asked.clear()
    with pytest.raises(StartRefused) as refusal:
        await lost.start()
    assert refusal.value.jupyterhub_message == words
    assert refusal.value.status_code == 503
    assert lost.api.asked == []
    lost.api.remove("pods", POD)  # an admin has declared the node out of service, and the cluster takes its pods away
    await _ended(lost)
    assert await lost.start() == f"http://{lost.address}:{pods.PORT}"


async def test_pod_that_the_cluster_has_given_up_with_its_node_is_no_server_any_more(lost: Cluster) -> None:
    await _told(lost, "node2")
    pod = json.loads(json.dumps(lost.api.pods[POD]))
    pod["metadata"]["deletionTimestamp"] = "2027-03-01T00:05:00Z"
    lost.api.put("pods", pod)
    await _ended(lost)
    with pytest.raises(StartRefused, match="node2 does not answer"):
        await lost.start()


async def test_server_of_a_lost_node_is_started_elsewhere_where_other_nodes_reach_its_data(lost: Cluster) -> None:
    lost.spawner.settings = SETTINGS.model_copy(update={"shared_storage": True})
    await _told(lost, "stop the server and start it again")
    first = lost.api.pods[POD]["metadata"]["uid"]
    # One that came back once before it was lost says so still, which is no word about the next.
    (container,) = lost.api.pods[POD]["status"]["containerStatuses"]
    lost.api.status(POD, containerStatuses=[container | {"lastState": {"terminated": {"exitCode": 1}}}])
    lost.api.asked.clear()
    lost.api.grace.clear()
    assert await lost.start() == f"http://{lost.address}:{pods.PORT}"
    assert (lost.api.asked, lost.api.grace) == (["DELETE pods", "POST pods"], [0])
    assert lost.api.pods[POD]["metadata"]["uid"] != first
    assert "Leaving the node node2, which does not answer" in lost.steps()
    assert lost.spawner.obituaries.of("ann") == []


@pytest.mark.parametrize("choice", ["minimal", "theirs"])
async def test_lost_pod_whose_record_stays_is_not_started_a_second_time(lost: Cluster, choice: str) -> None:
    lost.spawner.settings = SETTINGS.model_copy(update={"shared_storage": True})
    await _told(lost, "node2")
    lost.api.kept[POD] = (403, "pods is forbidden")
    lost.api.asked.clear()
    with pytest.raises(StartRefused, match="forbidden" if choice == "minimal" else "theirs"):
        await lost.start(choice)
    assert "POST pods" not in lost.api.asked
    # Who may not start one leaves the other its pod.
    assert ("DELETE pods" in lost.api.asked) is (choice == "minimal")


async def test_stop_of_a_server_on_a_lost_node_waits_for_nothing_and_forces_nothing(lost: Cluster) -> None:
    await _told(lost, "node2")
    await asyncio.wait_for(lost.spawner.stop(), 5)
    assert lost.api.asked[-1] == "DELETE pods"
    assert lost.api.grace == [1]


async def test_node_that_is_back_takes_the_words_back_and_the_proxy_leads_to_the_pods_new_address(lost: Cluster) -> None:
    await _told(lost, "node2")
    other = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
    lost.user.settings["proxy"].refuses = 1
    lost.api.status(POD, podIP=other)
    _node(lost, answers=True)
    await _told(lost, "")
    async with asyncio.timeout(10):
        while not lost.routes:
            assert await lost.spawner.poll() is None
            await asyncio.sleep(0.05)
    await lost.spawner.poll()
    assert lost.routes == [f"http://{other}:{pods.PORT}"]


async def test_server_that_its_node_has_yet_to_start_again_is_not_ended(lost: Cluster) -> None:
    await _told(lost, "node2")
    gone = {"terminated": {"exitCode": 255, "reason": "Unknown"}}
    lost.api.runs(POD, lost.address, ready=False, state=gone)
    lost.api.status(POD, conditions=[{"type": name, "status": "False"} for name in ("Ready", "ContainersReady")])
    await _told(lost, "")
    lost.api.runs(POD, lost.address, restartCount=1, lastState=gone)
    assert "ended when its node went off and has been started again" in await _told(lost, "its node")
    assert POD in lost.api.pods


async def test_server_that_its_node_does_not_start_again_is_told_why(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_ends, "AWAY_SECONDS", 0.0)
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    gone = {"terminated": {"exitCode": 1, "reason": "Error"}}
    cluster.api.runs(POD, cluster.address, ready=False, state=gone)
    assert "which goes on trying, has not started it again. It did not say why." in await _told(cluster, "goes on trying")
    cluster.api.runs(POD, cluster.address, restartCount=1, lastState=gone)
    assert "has been started again" in await _told(cluster, "stopped by itself with status 1")


async def test_server_that_has_ended_for_good_is_not_waited_for(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    cluster.api.runs(POD, cluster.address, ready=False, state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    await _ended(cluster)


async def test_stop_takes_the_pod_away(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    await cluster.spawner.stop()
    assert cluster.api.pods == {}


async def test_stop_is_over_soon_after_the_pod_that_took_its_time(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    cluster.api.lingers = True
    stopping = asyncio.ensure_future(cluster.spawner.stop())
    # By then KubeSpawner looks every few seconds.
    await asyncio.sleep(3)
    assert not stopping.done()
    cluster.api.remove("pods", POD)
    # The next look is a tenth of what was waited later; five times that.
    await asyncio.wait_for(stopping, 1.5)


async def test_stop_of_a_pod_that_does_not_end_is_an_error(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    # Who watches anew then does not see the pod for a while.
    cluster.api.lingers, cluster.api.slow, cluster.spawner.start_timeout = True, 1.5, 1
    with pytest.raises(TimeoutError):
        await cluster.spawner.stop()


async def test_restarted_hub_knows_the_pod_and_its_token_by_its_state(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    state = json.loads(json.dumps(cluster.spawner.get_state()))
    assert TOKEN not in json.dumps(state)
    spawner = cluster.user._new_spawner("")
    spawner.load_state(state)
    assert spawner.pod_name == POD
    assert await spawner.poll() is None
    volume = await spawner.volume_of(Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"]))
    assert volume.secrets == {"token": TOKEN}


async def test_pod_keeps_its_limit_when_its_profile_is_gone(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    processes = cluster.spawner.live.platform.profiles["minimal"].processes
    spawner = cluster.user._new_spawner("")
    spawner.load_state(json.loads(json.dumps(cluster.spawner.get_state())))
    assert await spawner.poll() is None
    spawner.live = SimpleNamespace(platform=SimpleNamespace(profiles={}), identities=spawner.live.identities)
    volume = await spawner.volume_of(Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"]))
    assert json.loads(volume.files["limits.json"]) == {"processes": processes}


async def test_volume_is_told_to_the_servers_own_pod_alone(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    servers = cluster.servers
    await cluster.start()
    assert await servers.volume_of(Pod(NAMESPACE, POD, "0"), "") is None
    own = Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"])
    volume = await servers.volume_of(own, "")
    assert volume is not None
    assert (volume.user, volume.uid, dict(volume.secrets)) == ("ann", 600_001, {"token": TOKEN})
    assert volume.account == cluster.api.pods[POD]["spec"]["serviceAccountName"]
    assert "ann:x:600001:600002:ann:/home/ann:/bin/bash" in volume.files["passwd"]
    assert "eso:x:700001:ann" in volume.files["group"]
    assert TOKEN not in repr(volume)
    for other in (Pod(NAMESPACE, POD, "another"), Pod("elsewhere", POD, own.uid), Pod(NAMESPACE, "server-bob", own.uid)):
        assert await servers.volume_of(other, "") is None
    assert json.loads(volume.files["limits.json"]) == {"processes": cluster.spawner.live.platform.profiles["minimal"].processes}
    told = servers.remounted(own)
    assert "lost the files that were open" in cluster.spawner.obituaries.of("ann")[0].words
    assert json.loads(told["news.json"])["words"] == cluster.spawner.obituaries.of("ann")[0].words


async def test_ended_processes_of_the_servers_own_pod_are_told_once_and_counted_anew_with_its_container(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    servers = cluster.servers
    await cluster.start()
    own = Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"])
    assert servers.killed(Pod(NAMESPACE, POD, "another"), 1) == {}
    for kills, words in ((1, "a process was ended"), (1, ""), (3, "3 processes were ended"), (0, ""), (1, "a process was ended")):
        told = servers.killed(own, kills)
        assert words in json.loads(told["news.json"])["words"] if words else told == {}
    assert cluster.spawner.get_state()["kills"] == 1


async def test_start_on_a_node_that_does_not_reach_homes_ends_with_the_sentence(cluster: Cluster) -> None:
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    assert await _asked_with(cluster, "mark") == ""
    await cluster.spawner.stop()
    cluster.api.kubelet = waits_on_node1
    refused = asyncio.create_task(cluster.refused())
    words = await _asked_with(cluster, "another")
    assert words.startswith("Your home is not on node node1: what data.storage names is another file system there, ")
    assert f"{words}." in str((await refused).jupyterhub_message)
    # An older plugin tells no mark, and the next start is asked anew.
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start()
    for mark in ("mark", ""):
        assert await _asked_with(cluster, mark) == ""


async def _asked_with(cluster: Cluster, mark: str) -> str:
    """Ask for the volume of ann's pod as the plugin of a node with such a storage; return the words of a refusal."""
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.05)
            try:
                own = Pod(NAMESPACE, POD, cluster.api.pods[POD]["metadata"]["uid"])
                return "" if await cluster.servers.volume_of(own, mark) else "nobody's"
            except (KeyError, NotYet):
                continue  # it is being made
            except WrongNode as error:
                return str(error)


async def test_volume_of_a_pod_that_is_being_made_is_asked_for_again(cluster: Cluster) -> None:
    cluster.spawner._start_pending = True
    with pytest.raises(NotYet):
        await cluster.servers.volume_of(Pod(NAMESPACE, POD, "0"), "")


async def test_hub_that_was_started_anew_asks_to_be_asked_again_until_the_cluster_has_told_of_its_pods(cluster: Cluster) -> None:
    with pytest.raises(NotYet):
        await cluster.servers.volume_of(Pod(NAMESPACE, POD, "0"), "")
    cluster.spawner.server = None
    assert await cluster.servers.volume_of(Pod(NAMESPACE, POD, "0"), "") is None
