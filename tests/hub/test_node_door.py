"""The hub's door for node plugins: asked by the plugin's own client, with an API server that reviews tokens over real HTTP."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bowerbird_config.pods import Pod
from bowerbird_config.user_names import SERVICES_ACCOUNT
from bowerbird_fuse.csi.asking import Hub
from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.errors import Away, CallError, Denied
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.csi.volumes import Volume
from bowerbird_hub.nodes.door import NodeDoor, NotYet, Trust, VolumeOf, WrongNode
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_hub.nodes.opening import door_of
from bowerbird_hub.nodes.reviews import ApiServer, Bearer, TokenReviews, bearer
from bowerbird_hub.nodes.services import SERVICES_RECORD

from tests.support.hub_door import Answer, HubDoor

DRIVER = "data.example"
PLUGIN, SERVICES = ("bowerbird", "node-plugin"), ("bowerbird", "services")
ANN, BOB, LATE = (Pod("people", name, f"uid-of-{name}") for name in ("ann", "bob", "late"))
# As a Deployment names its pods; nobody else's is told apart by that name, or by its labels.
VO, ELSEWHERE, BESIDE = (Pod(namespace, "services-5d9f", f"uid-in-{namespace}") for namespace in ("bowerbird", "people", "beside"))


def review(account: str, pod: Pod | None, *, audience: str = DRIVER) -> dict[str, Any]:
    """Return what an API server says of a good token."""
    told = {"authentication.kubernetes.io/pod-name": [pod.name], "authentication.kubernetes.io/pod-uid": [pod.uid]} if pod else {}
    user = {"username": f"system:serviceaccount:{account}", "extra": told}
    return {"status": {"authenticated": True, "audiences": [audience], "user": user}}


TOKENS = {
    "plugin": review("bowerbird:node-plugin", Pod("bowerbird", "data-1", "u")),
    "another account": review("people:node-plugin", None),
    "plugin elsewhere": review("bowerbird:node-plugin", None, audience="other.example"),
    "ann": review("people:default", ANN),
    "bob": review("people:default", BOB),
    "late": review("people:default", LATE),
    "unbound": review("people:default", None),
    "vo": review("bowerbird:services", VO),
    "of the name of theirs, elsewhere": review("people:services", ELSEWHERE),
    "another account beside them": review("bowerbird:hub", VO),
    "theirs, for something else": review("bowerbird:services", VO, audience="other.example"),
    "ann, as somebody else": review("people:another", ANN),
    "recreated": review("people:default", Pod("people", "ann", "an older uid")),
}


class Servers:
    def __init__(self) -> None:
        self.lost: list[str] = []

    async def volume_of(self, pod: Pod, storage: str) -> VolumeOf | None:
        if pod.name == "late":
            raise NotYet
        if storage == "another":
            raise WrongNode("your home is not there")
        return VolumeOf("default", "ann", 1234, {"passwd": "p"}, {"token": "t"}) if pod == Pod("people", "ann", "uid-of-ann") else None

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        self.lost.append(str(pod))
        return {"news.json": f"{pod} lost it"}

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        if pod.name == "late":
            raise NotYet
        return {"news.json": f"{pod}: {kills}"}


@pytest.fixture
def api() -> Iterator[HubDoor]:
    """An API server that reviews tokens."""

    def answer(_path: str, body: Any) -> Answer:
        good = TOKENS.get(body["spec"]["token"])
        status = good or {"status": {"authenticated": False, "error": "invalid bearer token"}}
        return 201, json.dumps(status).encode()

    with HubDoor() as api:
        api.answer = answer
        yield api


class Asked:
    """The door, open, and a plugin's client of it."""

    def __init__(self, url: str, servers: Servers, feed: NodeFeed, token: Path) -> None:
        self.url, self.servers, self.feed, self.token = url, servers, feed, token
        token.write_text("plugin")
        self.hub = Hub(url, token)

    async def whose(self, pod: Pod, token: str, storage: str = "") -> Admission:
        claim = Claim("csi-1", Target(Path("/pods"), pod.uid, "data"), pod, read_only=False, token=token, storage=storage)
        return await asyncio.to_thread(self.hub.whose, claim)

    async def refusal(self, pod: Pod, token: str) -> CallError:
        with pytest.raises(CallError) as refused:
            await self.whose(pod, token)
        return refused.value


@pytest_asyncio.fixture
async def asked(api: HubDoor, tmp_path: Path) -> AsyncIterator[Asked]:
    (tmp_path / "hub-token").write_text("of-the-hub")
    servers, feed = Servers(), NodeFeed(lambda: [{"kind": "platform"}, {"kind": "synced"}])
    door = NodeDoor(Trust(DRIVER, PLUGIN, SERVICES, TokenReviews(ApiServer(api.url, tmp_path / "hub-token"))), servers, feed)
    port = door.open(0, "127.0.0.1")
    try:
        yield Asked(f"http://127.0.0.1:{port}", servers, feed, tmp_path / "token")
    finally:
        await door.close()


@pytest.mark.asyncio
async def test_pod_of_ours_is_told_by_name_and_uid(asked: Asked, api: HubDoor) -> None:
    assert await asked.whose(ANN, "ann") == Admission("ann", 1234, {"passwd": "p"}, {"token": "t"})
    for _, authorization, body in api.asked:
        assert authorization == "Bearer of-the-hub"
        assert body["spec"]["audiences"] == [DRIVER]


@pytest.mark.asyncio
@pytest.mark.parametrize("token", ["bob", "unbound", "recreated", "forged", "", "plugin elsewhere"])
async def test_token_that_is_not_the_pods_own_is_refused(asked: Asked, token: str) -> None:
    refusal = await asked.refusal(ANN, token)
    assert isinstance(refusal, Denied)
    assert "people/ann" in str(refusal)


@pytest.mark.asyncio
async def test_node_that_does_not_reach_homes_is_told_so(asked: Asked) -> None:
    assert (await asked.whose(ANN, "ann", "mark")).user == "ann"
    with pytest.raises(Denied, match=r"^your home is not there$"):
        await asked.whose(ANN, "ann", "another")


@pytest.mark.asyncio
async def test_pod_that_somebody_else_made_gets_nothing(asked: Asked) -> None:
    refusal = await asked.refusal(BOB, "bob")
    assert (type(refusal), str(refusal)) == (Denied, "pod people/bob is no server that this hub has started")


@pytest.mark.asyncio
async def test_pod_with_another_service_account_than_a_server_gets_nothing(asked: Asked) -> None:
    refusal = await asked.refusal(ANN, "ann, as somebody else")
    assert (type(refusal), str(refusal)) == (Denied, "pod people/ann has the service account another, and a server has default")


@pytest.mark.asyncio
async def test_pod_of_the_services_is_known_by_its_service_account(asked: Asked) -> None:
    assert await asked.whose(VO, "vo") == Admission(SERVICES_ACCOUNT, SERVICES_RECORD.uid)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("pod", "token"),
    [
        (ELSEWHERE, "of the name of theirs, elsewhere"),
        (VO, "another account beside them"),
        (VO, "theirs, for something else"),
        (VO, "plugin"),
        (VO, "unbound"),
        (VO, "forged"),
        (ANN, "vo"),
        (BOB, "vo"),
        (BESIDE, "vo"),
        (Pod("bowerbird", "services-5d9f", "an older uid"), "vo"),
    ],
)
async def test_nothing_else_makes_a_pod_one_of_the_services(asked: Asked, pod: Pod, token: str) -> None:
    assert isinstance(await asked.refusal(pod, token), Denied)


@pytest.mark.asyncio
async def test_pod_that_is_just_being_made_is_asked_about_again(asked: Asked) -> None:
    assert isinstance(await asked.refusal(LATE, "late"), Away)


@pytest.mark.asyncio
@pytest.mark.parametrize("token", ["another account", "plugin elsewhere", "ann", "forged"])
async def test_only_the_node_plugin_may_ask(asked: Asked, token: str) -> None:
    asked.token.write_text(token)
    refusal = await asked.refusal(ANN, "ann")
    assert isinstance(refusal, Away)
    assert "the token is not one of bowerbird/node-plugin" in str(refusal)

    def listen() -> None:
        with asked.hub.feed():
            pass

    with pytest.raises(Away):
        await asyncio.to_thread(listen)
    assert asked.servers.lost == []


@pytest.mark.asyncio
async def test_api_server_that_is_away_is_asked_again(asked: Asked, api: HubDoor) -> None:
    api.answer = lambda _path, _body: (500, b"")
    refusal = await asked.refusal(ANN, "ann")
    assert isinstance(refusal, Away)
    assert "the API server did not review a token" in str(refusal)


@pytest.mark.asyncio
async def test_hub_takes_note_of_lost_files(asked: Asked) -> None:
    claim = Claim("csi-1", Target(Path("/pods"), ANN.uid, "data"), ANN, read_only=False, token="x")
    told = await asyncio.to_thread(asked.hub.tell_remounted, Volume.of(claim, "ann"))
    assert asked.servers.lost == ["people/ann"]
    assert told == {"news.json": "people/ann lost it"}


@pytest.mark.asyncio
async def test_hub_takes_note_of_processes_that_were_ended(asked: Asked) -> None:
    ann, late = (Volume.of(Claim("csi-1", Target(Path("/pods"), pod.uid, "data"), pod, False, "x"), pod.name) for pod in (ANN, LATE))
    assert await asyncio.to_thread(asked.hub.tell_killed, ann, 2) == {"news.json": "people/ann: 2"}
    for volume, kills, error in ((late, 1, Away), (ann, -1, Denied), (ann, True, Denied)):
        with pytest.raises(error):
            await asyncio.to_thread(asked.hub.tell_killed, volume, kills)


@pytest.mark.asyncio
async def test_node_hears_all_that_is_known_and_each_change(asked: Asked) -> None:
    heard: list[str] = []
    changed, done = threading.Event(), threading.Event()

    def listen() -> None:
        with asked.hub.feed() as lines:
            for line in lines:
                heard.append(json.loads(line)["kind"])
                (changed if heard[-1] == "synced" else done).set()
                if heard[-1] == "forget":
                    return

    listening = asyncio.create_task(asyncio.to_thread(listen))
    await asyncio.to_thread(changed.wait, 20)
    asked.feed.publish([{"kind": "identity"}, {"kind": "forget"}])
    await asyncio.wait_for(listening, 20)
    assert [kind for kind in heard if kind != "ping"] == ["platform", "synced", "identity", "forget"]
    # It is noticed when something is written; a ping comes every few seconds, here the next change.
    while asked.feed.subscribers:
        asked.feed.publish([{"kind": "ping"}])
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_node_that_does_not_read_is_let_go() -> None:
    feed = NodeFeed(list, waiting_bytes=1000)
    with feed.subscription() as lines:
        assert await anext(lines) == b""
        feed.publish([{"kind": "identity", "text": "x" * 600}])
        feed.publish([{"kind": "identity", "text": "x" * 600}])
        assert [piece async for piece in lines] == []
    assert feed.subscribers == 0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"status": None},
        {"status": {"authenticated": "yes", "audiences": [DRIVER]}},
        {"status": {"authenticated": True, "user": {"username": "system:serviceaccount:a:b"}}},
        {"status": {"authenticated": True, "audiences": [DRIVER], "user": {"username": "admin"}}},
        {"status": {"authenticated": True, "audiences": [DRIVER], "user": {"username": "system:serviceaccount:a"}}},
        {"status": {"authenticated": True, "audiences": [DRIVER], "user": {}}},
    ],
)
def test_review_that_does_not_say_so_makes_no_bearer(answer: Any) -> None:
    assert bearer(answer, DRIVER) is None


def test_review_of_two_pods_binds_to_none() -> None:
    told = review("people:default", ANN)
    told["status"]["user"]["extra"]["authentication.kubernetes.io/pod-uid"] = ["a", "b"]
    assert bearer(told, DRIVER) == Bearer("default", "people", "ann", "")


ENVIRONMENT = {
    "BOWERBIRD_NODE_DOOR_PORT": "8083",
    "BOWERBIRD_NODE_ACCOUNT": "data/plugin",
    "BOWERBIRD_SERVICES_ACCOUNT": "hub/services",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


def test_door_is_described_by_the_environment() -> None:
    assert door_of(ENVIRONMENT, DRIVER, Servers(), NodeFeed(list))[1] == 8083


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BOWERBIRD_NODE_DOOR_PORT", "", "has no BOWERBIRD_NODE_DOOR_PORT"),
        ("KUBERNETES_SERVICE_HOST", "", "has no KUBERNETES_SERVICE_HOST"),
        ("BOWERBIRD_NODE_ACCOUNT", "plugin", "written NAMESPACE/NAME"),
        ("BOWERBIRD_NODE_ACCOUNT", "a/b/c", "written NAMESPACE/NAME"),
        ("BOWERBIRD_SERVICES_ACCOUNT", "", "has no BOWERBIRD_SERVICES_ACCOUNT"),
        ("BOWERBIRD_SERVICES_ACCOUNT", "/services", "it is the services' service account, written NAMESPACE/NAME"),
    ],
)
def test_door_that_is_not_described_does_not_open(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        door_of(ENVIRONMENT | {name: value}, DRIVER, Servers(), NodeFeed(list))
