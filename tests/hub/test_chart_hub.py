"""A hub as the chart starts it, by the command line, environment and files that Helm rendered, before an API server of the tests'."""

import asyncio
import json
import secrets
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.pods import Pod
from bowerbird_config.user_names import SERVICES_ACCOUNT
from bowerbird_fuse.csi.asking import Hub
from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.errors import CallError, Denied
from bowerbird_fuse.csi.targets import Target
from bowerbird_hub import pods
from bowerbird_hub.chart.make_secrets import KEYS
from bowerbird_hub.identity.database import DATABASE, connect, file_address, given_address
from bowerbird_hub.succession import Succession

from tests.support.cas import DemoCAS
from tests.support.certificates import certificate
from tests.support.chart_pods import ChartPods
from tests.support.charts import containers, example, rendered
from tests.support.hub import Person
from tests.support.kube_api import KubeApi, Object, bearer, kube_api
from tests.support.names import person_client
from tests.support.own_network import own_network
from tests.support.postgres import needs_postgres, postgres

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

URL = "http://localhost:8000/"
ADDRESS = "127.8.8.8"
USERS, DRIVER = "bowerbird-users", "bowerbird.csi.bowerbird"
PLUGIN = "of-the-plugin"
POD = pods.pod_name("researcher")


@dataclass
class Release:
    """What runs of the chart's trial, and the cluster that it runs in."""

    pods: ChartPods
    api: KubeApi
    loop: asyncio.AbstractEventLoop
    token_file: Path

    url = URL

    def log(self) -> str:
        return self.pods.log("hub")

    @property
    def passwords(self) -> dict[str, str]:
        file = self.pods.volume("bowerbird-hub", "state") / "demo-accounts.txt"
        return dict(line.split()[:2] for line in file.read_text().splitlines())

    @property
    def database(self) -> str:
        """SQLAlchemy's address of the hub's database."""
        file = file_address(Var(self.pods.volume("bowerbird-hub", "state")))
        return given_address({DATABASE: self.pods.secrets.get("url", "")}) or file

    def start_hub(self) -> None:
        self.pods.start("bowerbird-hub", "hub")
        self.pods.until(lambda: _answers("http://127.0.0.1:8081/hub/health"))

    def sign_in(self, name: str, client: httpx.Client) -> Person:
        page = client.get("hub/login")
        assert str(page.url).startswith(f"{URL}cas/login"), page.url
        answer = DemoCAS.submit(client, page, name, self.passwords[name])
        assert answer.status_code == httpx.codes.OK, answer.text
        assert answer.url.path.startswith("/hub/"), answer.url
        return Person(self, name, client)  # type: ignore[arg-type]  # of a hub it asks for no more than this

    @property
    def door(self) -> Hub:
        """The hub's inner door, as the node plugin asks it."""
        return Hub("http://127.0.0.1:8083", self.token_file)

    def whose(self, name: str, token: str) -> Admission:
        """Ask whose a pod is, as the node plugin does."""
        pod = self.pod(name)
        claim = Claim("csi-1", Target(Path("/pods"), pod.uid, "data"), pod, read_only=False, token=token)
        return self.door.whose(claim)

    def pod(self, name: str) -> Pod:
        return Pod(USERS, name, self.api.pods[name]["metadata"]["uid"])

    def token_of(self, pod: Pod) -> str:
        """Return a token that the cluster knows for that pod's own."""
        token = f"of-{pod.uid}"
        self.api.bearers[token] = (DRIVER, bearer(f"{pod.namespace}:bowerbird-server", pod))
        return token


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _kubelet(api: KubeApi, pod: Object) -> None:
    name = pod["metadata"]["name"]
    asyncio.get_running_loop().call_later(0.2, _run, api, name)


def _run(api: KubeApi, name: str) -> None:
    if name in api.pods:
        api.runs(name, ADDRESS)


async def _single_user(_request: web.Request) -> web.Response:
    return web.json_response({"version": "1"})


@contextmanager
def cluster(directory: Path) -> Iterator[tuple[KubeApi, Path, asyncio.AbstractEventLoop]]:
    """Serve an API server by TLS, and a stand-in for every single-user server, in a thread of its own."""
    public, private = certificate(directory, "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    ready, ended = threading.Event(), asyncio.Event()
    found: list[tuple[KubeApi, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.get("/user/{name}/{page:.*}", _single_user)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, ADDRESS, pods.PORT).start()
        async with kube_api(tls) as api:
            api.kubelet = _kubelet
            found.append((api, asyncio.get_running_loop()))
            ready.set()
            await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    api, loop = found[0]
    try:
        yield api, public, loop
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)


@pytest.fixture(scope="module", params=["file", pytest.param("postgresql", marks=needs_postgres)])
def release(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Release]:
    """The chart's trial: hub, demo CAS server and proxy, each in its pod; the hub with each of the databases that it can have."""
    directory = tmp_path_factory.mktemp("release")
    values = example("trial")
    with ExitStack() as stack:
        stack.enter_context(own_network())
        api, authority, loop = stack.enter_context(cluster(directory))
        told = {key: secrets.token_hex(32) for key in KEYS}
        if request.param == "postgresql":
            values["database"] = {"existingSecret": "bowerbird-database"}
            told["url"] = stack.enter_context(postgres("hub"))
        port = httpx.URL(api.url).port or 0
        running = ChartPods(rendered(values), directory, told, ("127.0.0.1", port, authority, "of-the-hub"))
        api.bearers[PLUGIN] = (DRIVER, bearer("bowerbird-data:bowerbird-data"))
        token_file = directory / "plugin-token"
        token_file.write_text(PLUGIN)
        found = Release(running, api, loop, token_file)
        try:
            # As kubelet starts the containers of a pod, in this order and without waiting; the CAS server waits for its accounts.
            running.start("bowerbird-hub", "demo-cas")
            running.start("bowerbird-proxy", "proxy")
            found.start_hub()
            running.until(lambda: _answers(f"{URL}cas/login"))
            yield found
        finally:
            running.end_all()


@pytest.fixture
def researcher(release: Release) -> Iterator[Person]:
    """Somebody who has signed in; their server ends after the test."""
    with person_client(URL) as client:
        person = release.sign_in("researcher", client)
        yield person
        if person.model():
            person.stop()


def test_somebody_signs_in_and_their_server_is_a_pod(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    made = release.api.pods[POD]
    assert made["metadata"]["namespace"] == USERS
    (container,) = made["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["JUPYTERHUB_API_URL"] == "http://bowerbird-hub.bowerbird:8081/hub/api"
    shown = json.dumps(made)
    assert not [name for name, secret in release.pods.secrets.items() if secret in shown]
    routes = _routes(release)
    assert routes["researcher.localhost/user/researcher"]["target"] == f"http://{ADDRESS}:{pods.PORT}"
    assert routes["localhost/cas"]["target"] == "http://bowerbird-demo-cas.bowerbird:8082"
    assert routes["localhost/services/vo"]["target"] == "http://bowerbird-services.bowerbird:8080"
    assert routes["localhost/services/vo/soda"]["target"] == "http://bowerbird-services.bowerbird:8084"
    assert routes["localhost"]["target"] == "http://bowerbird-hub.bowerbird:8081"


def _routes(release: Release) -> dict[str, Any]:
    headers = {"Authorization": f"token {release.pods.secrets['proxy-token']}"}
    found: dict[str, Any] = httpx.get("http://127.0.0.1:8001/api/routes", headers=headers).json()
    return {name.strip("/"): route for name, route in found.items()}


def test_door_tells_the_plugin_of_the_servers_own_pod_and_of_no_other(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    own = release.token_of(release.pod(POD))
    admission = release.whose(POD, own)
    assert admission.user == "researcher"
    assert admission.uid >= 1000
    assert set(admission.files) == {"passwd", "group", "limits.json"}
    assert set(admission.secrets) == {"token"}
    # A pod that somebody else has made, in the same namespace, with a good token of its own; labels say nothing.
    labels = release.pods.template("bowerbird-services")["metadata"]["labels"]
    foreign = {"metadata": {"name": "server-visitor", "namespace": USERS, "uid": "another", "labels": labels}, "status": {}}
    release.loop.call_soon_threadsafe(release.api.put, "pods", foreign)
    release.pods.until(lambda: "server-visitor" in release.api.pods)
    theirs = release.token_of(release.pod("server-visitor"))
    for name, token in (("server-visitor", theirs), (POD, theirs), (POD, "none such")):
        with pytest.raises(Denied):
            release.whose(name, token)


def test_door_knows_the_pod_of_the_services_by_the_account_that_the_chart_gives_it(release: Release) -> None:
    account = release.pods.template("bowerbird-services")["spec"]["serviceAccountName"]
    user = release.pods.template("bowerbird-services")["spec"]["securityContext"]["runAsUser"]
    pod = Pod("bowerbird", "bowerbird-services-1", "its-uid")
    claim = Claim("csi-1", Target(Path("/pods"), pod.uid, "data"), pod, read_only=True, token="of-the-services")
    release.api.bearers[claim.token] = (DRIVER, bearer(f"{pod.namespace}:{account}", pod))
    assert release.door.whose(claim) == Admission(SERVICES_ACCOUNT, user)
    with release.door.feed() as lines:
        told = list(takewhile(lambda message: message["kind"] != "synced", map(json.loads, lines)))
    records = [IdentityRecord.from_json(message["record"]) for message in told if message["kind"] == "identity"]
    assert IdentityRecord(0, SERVICES_ACCOUNT, user, user) in records
    release.api.bearers[claim.token] = (DRIVER, bearer(f"{pod.namespace}:bowerbird-hub", pod))
    with pytest.raises(Denied, match="is no server that this hub has started"):
        release.door.whose(claim)


def test_hub_tells_its_figures_to_prometheus_and_to_nobody_else(release: Release) -> None:
    def asked(page: str, key: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {release.pods.secrets[key]}"} if key else {}
        return httpx.get(f"{URL}hub/{page}", headers=headers)

    told = asked("metrics", "metrics-token")
    assert told.status_code == httpx.codes.OK
    assert "jupyterhub_server_spawn_duration_seconds_count" in told.text
    for key in (None, "culler-token", "services-token"):
        assert asked("metrics", key).status_code == httpx.codes.FORBIDDEN
    assert asked("api/users", "metrics-token").status_code == httpx.codes.FORBIDDEN


def test_door_asks_for_the_plugins_own_token(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    token = release.token_of(release.pod(POD))
    release.token_file.write_text(token)
    try:
        with pytest.raises(CallError, match="is not one of bowerbird-data/bowerbird-data"):
            release.whose(POD, token)
    finally:
        release.token_file.write_text(PLUGIN)


def test_services_follow_the_hub_from_a_pod_of_their_own(release: Release) -> None:
    (told,) = (each for each in containers(release.pods.template("bowerbird-services")) if each["name"] == "services")
    ready, tables = f"http://127.0.0.1:8080{told['readinessProbe']['httpGet']['path']}", f"{URL}services/vo/tap/sync"
    query = {"LANG": "ADQL", "QUERY": "SELECT schema_name FROM TAP_SCHEMA.schemas"}
    release.pods.start("bowerbird-services", "services")
    try:
        release.pods.until(lambda: _answers(ready))
        # Nobody has a table here; that it says so means that the hub has told who is who.
        release.pods.until(lambda: httpx.get(tables, params=query).status_code == httpx.codes.OK)
        assert release.pods.secrets["services-token"] not in release.pods.log("services")
    finally:
        release.pods.end("services")


def test_hub_that_is_killed_finds_pods_and_sessions_again(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    before = release.pod(POD)
    release.pods.end("hub", signal.SIGKILL)
    release.start_hub()
    release.pods.until(lambda: (researcher.model() or {}).get("ready"))
    assert release.pod(POD) == before
    assert release.whose(POD, release.token_of(before)).user == "researcher"


@pytest.fixture
def newer(release: Release) -> Iterator[Callable[[], None]]:
    """A hub of another pod, which takes this one's place; both are gone after the test, and the hub is there again."""
    engine = connect(release.database)
    yield Succession(engine, "bowerbird-hub-2").take
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from bowerbird_hubs where pod = 'bowerbird-hub-2'")
    engine.dispose()
    release.start_hub()


def test_hub_whose_place_another_pods_hub_has_taken_ends_with_a_sentence_and_does_not_come_back(
    release: Release, researcher: Person, newer: Callable[[], None]
) -> None:
    researcher.start("minimal")
    before, log = release.pod(POD), len(release.log())
    newer()
    assert release.pods.running.pop("hub").wait(10) != 0
    sentence = "the hub of pod bowerbird-hub ends: the hub of pod bowerbird-hub-2, which is newer, serves its database."
    # The last that it says.
    assert sentence in release.log().splitlines()[-1]
    # As kubelet does.
    release.pods.start("bowerbird-hub", "hub")
    assert release.pods.running.pop("hub").wait(60) != 0
    assert release.log()[log:].count(sentence) == 2
    assert "Traceback" not in release.log()[log:]
    assert release.pod(POD) == before


@pytest.fixture
def slow(release: Release) -> Iterator[None]:
    """A cluster whose new pods do not run until they are told to."""
    release.api.kubelet = lambda _api, _pod: None
    yield
    release.api.kubelet = _kubelet


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_hub_that_ends_in_the_middle_of_a_start_is_followed_by_one_that_goes_on_with_it(
    release: Release, researcher: Person, slow: None, signum: int
) -> None:
    researcher.post_form({"profile": "minimal"})
    release.pods.until(lambda: POD in release.api.pods)
    before = release.pod(POD)
    release.pods.end("hub", signum)
    release.start_hub()
    assert not (researcher.model() or {}).get("ready")
    release.loop.call_soon_threadsafe(_run, release.api, POD)
    release.pods.until(lambda: (researcher.model() or {}).get("ready"))
    assert release.pod(POD) == before
    assert release.whose(POD, release.token_of(before)).user == "researcher"
    release.pods.until(lambda: "researcher.localhost/user/researcher" in _routes(release))


def test_proxy_that_was_started_anew_is_given_its_routes(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    before = _routes(release)
    release.pods.end("proxy")
    release.pods.start("bowerbird-proxy", "proxy")
    release.pods.until(lambda: _answers(f"{URL}_chp_healthz"))
    release.pods.until(lambda: _routes(release).keys() == before.keys(), seconds=10)
    assert researcher.get("hub/home").url.path == "/hub/home"


def test_edit_of_the_platform_file_is_followed(release: Release, researcher: Person) -> None:
    file = release.pods.volume("bowerbird-hub", "platform") / "platform.yaml"
    before = file.read_text()
    edited = json.loads(before)
    edited["profiles"]["larger"] = {"title": "Larger than that", "memory": "2 GiB", "cpu": 1, "teams": "everyone"}
    try:
        file.write_text(json.dumps(edited))
        release.pods.until(lambda: "Larger than that" in researcher.get("hub/spawn").text)
    finally:
        file.write_text(before)
        release.pods.until(lambda: "Larger than that" not in researcher.get("hub/spawn").text)


def test_hub_writes_nothing_but_into_its_own_volume_and_no_secret_into_its_log(release: Release, researcher: Person) -> None:
    researcher.start("minimal")
    state = release.pods.volume("bowerbird-hub", "state")
    assert {path.name for path in state.iterdir()} <= {"cas", "demo-accounts.txt", "hub", "run", "secrets", "state"}
    assert list((state / "run").iterdir()) in ([], [state / "run" / "obituaries.json"])
    assert not [name for name, secret in release.pods.secrets.items() if secret in release.log()]
    assert "Traceback" not in release.log()
