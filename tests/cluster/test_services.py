"""The services' pod on a cluster: it reads every release by its volume, and people get what is theirs of it through the proxy."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io import fits
from bowerbird_services.store.dids import DID

from tests.support import sky_images
from tests.support.charts import example
from tests.support.cluster.cluster import NODES, KubectlError
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.node_plugin import delete_plugin
from tests.support.cluster.objects import Object, pod
from tests.support.cluster.platform_images import archive_of
from tests.support.cluster.release import Release, roll_back, upgrade
from tests.support.vo_service import COUNT, token

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300, func_only=True)]
_PLATFORM = example("trial")["platform"]
_TABLES = {"stars": {"file": "stars.csv", "title": "Stars"}}
# Everybody's, and the team's, of which nobody else hears.
_RELEASES = {
    "dr1": {"title": "First", "public": True, "tables": _TABLES},
    "dr2": {"title": "Second", "teams": ["craft"], "tables": _TABLES},
}
_COLLECTIONS = {"sky": {"title": "Sky", "releases": _RELEASES}}
_VOLUME = "/run/volume"
_FIGURES = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8080/metrics").read().decode())
"""
_COMBINED = "SELECT {} FROM {}"
# A count that takes some ten seconds on two cores.
_JOB_POWER = 10
# Another tag of the services' image.
_NEXT = "next"
# What the proxy answers while nobody is behind it.
_AWAY_IN_WORDS = "this does not answer at the moment: "
_AWAY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
_LOOK = """
import errno, json, os, pathlib
top = pathlib.Path("/run/volume/data")
refused = []
for place in (top / "f", top / "home" / "f", top / "releases" / "sky" / "dr1" / "f", top / "releases" / "sky" / "dr2" / "stars.csv"):
    try: place.write_text("x")
    except OSError as error: refused.append(errno.errorcode[error.errno])
stars = [(top / "releases" / "sky" / name / "stars.csv").read_text() for name in ("dr1", "dr2")]
print(json.dumps({"top": sorted(os.listdir(top)), "stars": stars, "refused": refused, "etc": os.listdir("/run/volume/etc")}))
"""


def stars(rows: int) -> str:
    return "id,ra,dec\n" + "".join(f"{row},{150 + row / 1000},2.2\n" for row in range(rows))


def put(releases: Path) -> None:
    """Write the releases where a node has them."""
    for number, name in enumerate(("dr1", "dr2"), start=1):
        sky_images.write(releases / "sky" / name / "field.fits", sky_images.waves(60, 60), sky_images.tangent(60, 60))
        (releases / "sky" / name / "stars.csv").write_text(stars(10 * number))


@pytest.fixture(scope="module")
def filled(shared_release: Release) -> Iterator[Release]:
    """The release with two releases of data, and services that run and have made their tables."""
    release, hub = shared_release, ClusterHub(shared_release)
    put(release.cluster.machines[NODES[0]].disk / "srv/bowerbird/releases")
    release.cluster.load(archive_of("services"), NODES[0])
    described = {**_PLATFORM, "collections": _COLLECTIONS}
    with hub.edited(json.dumps(described)):
        # A pod whose image was not there is tried again after minutes; one that is new, at once.
        release.cluster.kubectl("delete", "pod", "-n", release.name, "-l", "app.kubernetes.io/component=services", seconds=120)
        wait_for(lambda: release.all_ready("services", release.name, 1), "the services", 200)
        wait_for(lambda: "tables: done, 2 tables are there" in ingest_log(release), "the tables", 120, every=0.5)
        yield release
    wait_for(hub.settled, "the platform file as it was", 60, every=0.5)


@pytest.fixture
def services(release: Release, filled: Release) -> Release:
    """The release, whose services and proxy are Ready."""
    for component in ("services", "proxy"):
        wait_for(partial(release.all_ready, component, release.name, 1), component, 120)
    return filled


def in_services(release: Release, program: str, *arguments: str, container: str = "services") -> str:
    return release.cluster.kubectl(
        "exec",
        "-n",
        release.name,
        f"deployment/{release.name}-services",
        "-c",
        container,
        "--",
        "python3",
        "-I",
        "-c",
        program,
        *arguments,
        seconds=120,
    )


def ingest_log(release: Release) -> str:
    """Return what the container said that makes tables; nothing where it does not run yet."""
    with suppress(KubectlError):
        return release.cluster.kubectl("logs", "-n", release.name, f"deployment/{release.name}-services", "-c", "ingest")
    return ""


def restarts(release: Release) -> dict[str, int]:
    """Return how often each container of the services and of the hub has begun anew, by its pod's uid and its name."""
    pods = (*release.pods("services"), *release.pods("hub"))
    return {f"{pod['metadata']['uid']} {each['name']}": each["restartCount"] for pod in pods for each in pod["status"]["containerStatuses"]}


@pytest.fixture
def tokens(services: Release) -> dict[str, str]:
    """Tokens for the services, of a member of the team and of somebody else."""
    found = {}
    for name in ("researcher", "visitor"):
        person = ClusterHub(services).sign_in(name)
        found[name], _ = token(person)
        person.client.close()
    return found


def asked(release: Release, path: str, secret: str | None = None, **words: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.get(f"{release.url}services/vo/{path}", params=words, headers=headers, timeout=30, trust_env=False)


def count(release: Release, name: str, secret: str | None = None) -> httpx.Response:
    return asked(release, "tap/sync", secret, LANG="ADQL", QUERY=COUNT.format(name), RESPONSEFORMAT="csv")


def cut(release: Release, name: str, secret: str | None = None) -> httpx.Response:
    return asked(release, "soda/sync", secret, ID=str(DID("sky", name, "field.fits")), CIRCLE="150.1 2.2 0.005")


def test_their_pod_reads_every_release_and_writes_none(services: Release):
    found = json.loads(in_services(services, _LOOK))
    assert found["top"] == [".view.json", "private", "public", "releases", "teams"]
    assert found["stars"] == [stars(10), stars(20)]
    assert len(found["refused"]) == 4
    assert set(found["refused"]) <= {"EROFS", "ENOENT"}
    assert found["etc"] == []


def test_a_query_is_answered_by_who_asks(services: Release, tokens: dict[str, str]):
    for secret in (None, *tokens.values()):
        assert count(services, "dr1", secret).text.split() == ['"n"', "10"]
    assert count(services, "dr2", tokens["researcher"]).text.split() == ['"n"', "20"]
    for secret in (None, tokens["visitor"]):
        hidden, absent = count(services, "dr2", secret), count(services, "dr9", secret)
        assert hidden.status_code == absent.status_code == httpx.codes.BAD_REQUEST
        assert hidden.text.replace("dr2", "dr9") == absent.text


def test_pixels_are_for_whom_the_release_is(services: Release, tokens: dict[str, str]):
    answer = cut(services, "dr2", tokens["researcher"])
    assert answer.status_code == httpx.codes.OK, answer.text
    with fits.open(io.BytesIO(answer.content)) as hdus:
        assert hdus[0].shape == (10, 10)
    assert cut(services, "dr1").status_code == httpx.codes.OK
    for secret in (None, tokens["visitor"]):
        assert cut(services, "dr2", secret).status_code == httpx.codes.NOT_FOUND


def test_a_release_that_is_described_later_is_queried_a_little_later(services: Release):
    releases, before = services.cluster.machines[NODES[0]].disk / "srv/bowerbird/releases/sky", restarts(services)
    for name, content in (("dr3", stars(30).encode()), ("dr4", b"\x00\xff")):
        (releases / name).mkdir(exist_ok=True)
        (releases / name / "stars.csv").write_bytes(content)
    more = {name: {"title": name, "public": True, "tables": _TABLES} for name in ("dr3", "dr4")}
    described = {"sky": {"title": "Sky", "releases": {**_RELEASES, **more}}}
    hub = ClusterHub(services)
    with hub.edited(json.dumps({**_PLATFORM, "collections": described})):
        wait_for(lambda: count(services, "dr3").text.split() == ['"n"', "30"], "the rows of what is new", 60, every=0.5)
        sentence = "table stars of sky/dr4: stars.csv "
        wait_for(lambda: sentence in ingest_log(services), "the sentence about the broken file", 60, every=0.5)
        wait_for(lambda: f'bowerbird_services_not_made{{what="tables",why="{sentence}' in in_services(services, _FIGURES), "its figure", 60)
        assert "bowerbird_services_ingest_up 1" in in_services(services, _FIGURES)
        assert count(services, "dr4").status_code == httpx.codes.BAD_REQUEST
        assert count(services, "dr1").text.split() == ['"n"', "10"]
        assert restarts(services) == before
    wait_for(hub.settled, "the platform file as it was", 60, every=0.5)


def test_what_makes_tables_goes_on_after_it_was_ended(services: Release):
    before = sum(restarts(services).values())
    # Who ends a container may be ended with it before he can say that he has.
    with suppress(KubectlError):
        in_services(services, "import os, signal; os.kill(1, signal.SIGTERM)", container="ingest")
    wait_for(lambda: sum(restarts(services).values()) > before, "what makes tables", 60, every=0.2)
    wait_for(partial(services.all_ready, "services", services.name, 1), "the services", 60, every=0.2)
    wait_for(lambda: "tables: done, 2 tables are there" in ingest_log(services), "the tables", 60, every=0.5)
    assert count(services, "dr1").text.split() == ['"n"', "10"]


def posing(release: Release, namespace: str, account: str) -> Object:
    """Return a pod that calls itself the services' in every way that is its own to choose."""
    template = release.cluster.get(f"/apis/apps/v1/namespaces/{release.name}/deployments/{release.name}-services")["spec"]["template"]
    attributes = {"layout": "1", "user": "service-vo", "account": f"{release.name}/{release.name}-services"}
    volume = {"csi": {"driver": release.driver, "readOnly": True, "volumeAttributes": attributes}}
    made = pod(namespace, "services-posing", node=NODES[0], labels=template["metadata"]["labels"], volumes={_VOLUME: volume})
    made["spec"]["serviceAccountName"] = account
    return made


@pytest.mark.parametrize("where", ["beside them", "in another namespace"])
def test_a_pod_that_calls_itself_theirs_gets_nothing(services: Release, where: str):
    cluster, account = services.cluster, f"{services.name}-services"
    namespace, made = (services.name, "default") if where == "beside them" else (services.users, account)
    if made == account:
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}})
    cluster.apply(posing(services, namespace, made))
    sentence = f"pod {namespace}/services-posing is no server that this hub has started"
    events = ("events", "-n", namespace, "--for", "pod/services-posing")
    try:
        wait_for(lambda: sentence in cluster.kubectl(*events), "the refusal", 60, every=0.5)
    finally:
        cluster.kubectl("delete", "pod", "-n", namespace, "services-posing", "--ignore-not-found")
        if made == account:
            cluster.kubectl("delete", "serviceaccount", "-n", namespace, account)


def test_a_plugin_that_is_replaced_is_a_pause_for_the_services(services: Release, tokens: dict[str, str]):
    found: list[int] = []

    def new(replacing: Future[None]) -> bool:
        with suppress(httpx.TransportError):
            found.append(cut(services, "dr2", tokens["researcher"]).status_code)
        return replacing.done()

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(delete_plugin, services)
        wait_for(partial(new, replacing), "the next plugin", 240)
        replacing.result()
    assert set(found) == {httpx.codes.OK}
    assert cut(services, "dr2", tokens["researcher"]).status_code == httpx.codes.OK


def combined(power: int, what: str) -> str:
    """Return a query of the ten stars with themselves, which has 10 to that power rows."""
    return _COMBINED.format(what, ", ".join(f"sky_dr1.stars AS s{number}" for number in range(power)))


def read_slowly(release: Release, begun: threading.Event) -> int:
    """Return how many lines a long answer has that is read to its end, with a wait after the first of it; -1 where it was broken off."""
    words = {"LANG": "ADQL", "QUERY": combined(6, "s0.id, s1.ra, s2.dec"), "RESPONSEFORMAT": "csv", "MAXREC": "1000000"}
    lines = 0
    with (
        suppress(httpx.TransportError),
        httpx.stream("GET", f"{release.url}services/vo/tap/sync", params=words, timeout=60, trust_env=False) as answer,
    ):
        for block in answer.iter_bytes():
            lines += block.count(b"\n")
            if not begun.is_set():
                begun.set()
                wait_for(lambda: not release.all_ready("services", release.name, 1), "the end of the services", 60)
        return lines
    return -1


def a_job(release: Release, secret: str, query: str) -> Callable[[str], str]:
    """Begin a job; return what reads of it by a path below it."""
    words = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv", "PHASE": "RUN"}
    headers = {"Authorization": f"Bearer {secret}"}
    began = httpx.post(f"{release.url}services/vo/tap/async", data=words, headers=headers, timeout=30, trust_env=False)
    assert began.status_code == httpx.codes.SEE_OTHER, began.text
    path = began.headers["location"].partition("services/vo/")[2]
    return lambda below: asked(release, f"{path}/{below}", secret).text


def with_another_image(platform: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        # The platform file as it is: an upgrade writes it too.
        values["platform"] = platform
        values["images"]["services"]["tag"] = _NEXT

    return change


def await_next(release: Release) -> None:
    """Return when the services are those of the values that the release has now."""
    what = f"deployment/{release.name}-services"
    release.cluster.kubectl("rollout", "status", "-n", release.name, what, "--timeout=120s", seconds=130)


def images_of(release: Release) -> list[str]:
    """Return the image of each pod of the services."""
    return [pod["spec"]["containers"][0]["image"] for pod in release.pods("services")]


def next_image(release: Release) -> str:
    """Give the image another tag on its node, and return that name."""
    (image,) = images_of(release)
    following = f"{image.rpartition(':')[0]}:{_NEXT}"
    release.cluster.tag(image, following, NODES[0])
    return following


@contextmanager
def asking(release: Release) -> Iterator[list[httpx.Response]]:
    """Ask the same again and again while the block runs, and give what was answered."""
    answered, done = list[httpx.Response](), threading.Event()

    def ask() -> None:
        while not done.is_set():
            with suppress(httpx.TransportError):
                answered.append(count(release, "dr1"))

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(ask)
        try:
            yield answered
        finally:
            done.set()
        going.result()


def test_upgrade_of_the_services_gives_whole_answers_or_none_and_ends_no_job(services: Release, tokens: dict[str, str]):
    hub, (old,), begun = ClusterHub(services), services.pods("services"), threading.Event()
    described, (image,), following = hub.platform_file(), images_of(services), next_image(services)
    job = a_job(services, tokens["researcher"], combined(_JOB_POWER, "COUNT(*) AS n"))
    try:
        with ThreadPoolExecutor(1) as pool, asking(services) as answered:
            long = pool.submit(read_slowly, services, begun)
            wait_for(begun.is_set, "the first of the long answer", 60)
            upgrade(services, with_another_image(json.loads(described)))
            await_next(services)
            last = len(answered)
            wait_for(lambda: [each.status_code for each in answered[last:]].count(httpx.codes.OK) > 5, "queries", 60)
            lines = long.result()
        statuses = {each.status_code for each in answered}
        print(f"{len(answered)} answers of {sorted(statuses)}, the long one has {lines} lines, the job is {job('phase')}")
        assert services.pods("services")[0]["metadata"]["uid"] != old["metadata"]["uid"]
        assert images_of(services) == [following]
        assert statuses <= {httpx.codes.OK, *_AWAY}
        assert any(each.text.startswith(_AWAY_IN_WORDS) and each.headers["Retry-After"] == "10" for each in answered)
        assert {each.text for each in answered if each.status_code == httpx.codes.OK} == {count(services, "dr1").text}
        assert count(services, "dr1").text.split() == ['"n"', "10"]
        assert lines in (-1, 1_000_001)
        wait_for(lambda: job("phase") not in ("QUEUED", "EXECUTING"), "the job", 120, every=0.5)
        assert job("results/result").split() == ['"n"', f"{10**_JOB_POWER}"]
    finally:
        roll_back(services)
        hub.put(described)
        await_next(services)
        wait_for(lambda: count(services, "dr1").status_code == httpx.codes.OK, "the services of before", 120, every=0.5)
    assert images_of(services) == [image]
