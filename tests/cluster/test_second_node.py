"""What becomes of people's servers when their node, the second, loses its power, is cut off, or loses all that mounts their data."""

import html
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from tests.hub.runtime_contract import kernel_of, told_by, until
from tests.support.cluster.aloud import COUNT, FILE, Aloud
from tests.support.cluster.cluster import NODES, Cluster
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import shared_claim
from tests.support.cluster.release import Release, roll_back, upgrade
from tests.support.cluster.seen import is_told, lab_opens
from tests.support.hub import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400, func_only=True)]
_LOST = NODES[1]
_HERE = f"Your server's node {_LOST} does not answer the cluster: it has lost its power or its network. "
_ON_NODE = "Your home and your teams' spaces are on that node, so the server cannot be started elsewhere; it comes back with its node."
_ELSEWHERE = "stop the server and start it again, and it comes up on another node, without what ran in it; or it comes back with its node."
# The longest that people wait for a word, and for their server once the node is back.
_TOLD_SECONDS, _BACK_SECONDS = 60, 15
_CLAIM = "storage"
_ASK_SECONDS = 3.0
# Appends to an open file of the home, opens it anew as often as may be, and says how many lines were taken and how often not.
_WRITES_ON = """
import os, pathlib, threading, time
diary = pathlib.Path.home() / "diary"
def opened(): return diary.open("ab", buffering=0)
def write():
    file, kept, refused = opened(), 0, 0
    while True:
        try:
            file.write(b"line\\n")
            kept += 1
        except OSError:
            refused += 1
            try: file = opened()
            except OSError: pass
        with open("/tmp/told.new", "w") as told: told.write(f"{kept} {refused}")
        os.rename("/tmp/told.new", "/tmp/told")
        time.sleep(0.02)
threading.Thread(target=write, daemon=True).start()
"""
_READ_TOLD = 'for root in /proc/[0-9]*/root; do [ -e "$root/tmp/told" ] && exec cat "$root/tmp/told"; done'
_SIZE = "import pathlib; answer = (pathlib.Path.home() / 'diary').stat().st_size"
# Counts aloud and into an open file of the home, opens that anew when it is refused, and says which numbers were, and how.
_COUNTS_ON = """
import errno, itertools, pathlib, time
def opened(name): return open(pathlib.Path.home() / name, "ab", buffering=0)
file, refused = opened("counted"), []
for number in itertools.count():
    print(number, flush=True)
    try:
        file.write(f"{number}\\n".encode())
    except OSError as error:
        refused.append(f"{number}:{errno.errorcode[error.errno]}\\n")
        try:
            file = opened("counted")
            opened("refused").write("".join(refused).encode())
            refused.clear()
        except OSError:
            pass
    time.sleep(0.05)
"""
# Ends the node plugin, what serves its mounts, and the holder, all at once.
_KILL_ALL = 'for each in /proc/[0-9]*; do grep -qs "[b]owerbird_fuse" "$each/cmdline" && kill -KILL "${each#/proc/}"; done; true'


@pytest.fixture
def arrive(release: Release) -> Iterator[Callable[[str], Person]]:
    """Starts servers on the node that is to be lost; they are stopped afterwards."""
    hub, came = ClusterHub(release), list[Person]()
    hub.await_ready()

    def arrive(name: str) -> Person:
        came.append(person := hub.sign_in(name))
        person.start("minimal")
        assert node_of(release, person) == _LOST
        return person

    with release.cluster.servers_on(_LOST):
        yield arrive
    for person in came:
        if person.model():
            person.stop()
        person.client.close()
    until(lambda: hub.servers() == {})


@pytest.fixture
def on_a_claim(release: Release) -> Iterator[None]:
    """Let the release have its storage by a claim, which both nodes reach; to the hub it is no node's own then."""
    release.cluster.apply(*shared_claim(release.data, _CLAIM, "/srv/bowerbird"))
    upgrade(release, _store_by_claim)
    try:
        await_rollout(release)
        yield
    finally:
        roll_back(release)
        await_rollout(release)
        release.cluster.kubectl("delete", "-n", release.data, f"pvc/{_CLAIM}", f"pv/{_CLAIM}")


def _store_by_claim(values: dict[str, Any]) -> None:
    values["data"]["storage"] = {"existingClaim": _CLAIM}


def await_rollout(release: Release) -> None:
    for namespace, what in ((release.data, f"daemonset/{release.name}-data"), (release.name, f"deployment/{release.name}-hub")):
        release.cluster.kubectl("rollout", "status", "-n", namespace, what, "--timeout=120s", seconds=130)
    ClusterHub(release).await_ready()


def pod_of(release: Release, person: Person) -> dict[str, Any]:
    return release.cluster.get(f"/api/v1/namespaces/{release.users}/pods/server-{person.name}")


def node_of(release: Release, person: Person) -> str:
    return str(pod_of(release, person)["spec"]["nodeName"])


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"{what}: {took:.1f} s")
    assert took <= seconds


def await_word(person: Person, sentence: str) -> None:
    until(lambda: is_told(person, sentence), 2 * _TOLD_SECONDS)


def await_node(cluster: Cluster) -> None:
    wait_for(lambda: cluster.ready() == set(NODES), "that the node is back", _TOLD_SECONDS)


def await_return(person: Person) -> None:
    """Wait until a server answers that was lost, and the page says so no more."""
    # A way that leads nowhere is not waited for.
    patience, person.client.timeout = person.client.timeout, httpx.Timeout(_ASK_SECONDS)
    try:
        until(lambda: not is_told(person, _HERE) and lab_opens(person), 2 * _TOLD_SECONDS)
    finally:
        person.client.timeout = patience


def test_people_whose_node_loses_its_power_are_told_so_and_have_their_servers_again_when_it_is_back(
    release: Release, arrive: Callable[[str], Person]
):
    stays, leaves, cluster = arrive("owner"), arrive("visitor"), release.cluster
    told_by(stays, "import pathlib; answer = (pathlib.Path.home() / 'word').write_text('kept')")
    uid = pod_of(release, stays)["metadata"]["uid"]
    cluster.power_cut(_LOST)
    with within(_TOLD_SECONDS, "told"):
        # Each server is asked after in its own time.
        for person in (stays, leaves):
            await_word(person, _HERE + _ON_NODE)
    assert stays.model()
    # Where the proxy's page leads.
    at_its_address = stays.get("hub/not-answering?at=/user/owner/lab")
    assert (at_its_address.status_code, _HERE + _ON_NODE in html.unescape(at_its_address.text)) == (503, True)
    leaves.stop()
    assert _HERE + _ON_NODE in html.unescape(leaves.refused({"profile": "minimal"}).text)
    cluster.boot(_LOST)
    await_node(cluster)
    with within(_TOLD_SECONDS, "the server is back"):
        cluster.await_ready(release.users, "server-owner")
    with within(_BACK_SECONDS, "the lab is back"):
        await_return(stays)
    await_word(stays, "Your server ended when its node went off and has been started again; what its kernels held is lost.")
    assert pod_of(release, stays)["metadata"]["uid"] == uid
    assert told_by(stays, "import pathlib; answer = (pathlib.Path.home() / 'word').read_text()") == "kept"
    until(lambda: "server-visitor" not in ClusterHub(release).servers().values())
    leaves.start("minimal")


def told(cluster: Cluster) -> tuple[int, int]:
    """Return how many lines of the server on the second node were taken, and how often none was."""
    kept, refused = cluster.inside(_LOST, "sh", "-c", _READ_TOLD).split()
    return int(kept), int(refused)


def moves(release: Release, person: Person) -> None:
    """Have a server started on the first node, as its page says, and look that the one before writes no more."""
    cluster, before = release.cluster, told(release.cluster)
    # Nobody has taken its lease yet.
    assert before[1] == 0
    wait_for(lambda: told(cluster) > before, "more lines of the old server", 30)
    cluster.start_servers_on(NODES[0])
    person.stop()
    with within(_TOLD_SECONDS, "started elsewhere"):
        person.start("minimal")
    assert node_of(release, person) == NODES[0]
    size, last = told_by(person, _SIZE), told(cluster)
    wait_for(lambda: told(cluster)[1] > last[1] + 50, "more tries of the old server", 30)
    # What was said to be written is there. A write that was under way when its view was taken away may be, and ends with an error.
    assert told(cluster)[0] == last[0] <= size // len("line\n")
    assert told_by(person, _SIZE) == size


def test_server_that_is_started_elsewhere_shuts_out_the_one_on_a_node_that_was_only_cut_off(
    release: Release, on_a_claim: None, arrive: Callable[[str], Person]
):
    leaves, stays, cluster, hub = arrive("researcher"), arrive("visitor"), release.cluster, ClusterHub(release)
    session, kernel = kernel_of(leaves)
    session.run(kernel, _WRITES_ON)
    aloud, uid = counting(stays), pod_of(release, stays)["metadata"]["uid"]
    with cluster.machines[_LOST].cut_off():
        with within(_TOLD_SECONDS, "told"):
            # Each server is asked after in its own time.
            for person in (leaves, stays):
                await_word(person, _ELSEWHERE)
                assert is_told(person, _HERE)
        moves(release, leaves)
    await_node(cluster)
    with within(_BACK_SECONDS, "the labs are back"):
        await_return(stays)
        await_return(leaves)
    assert (node_of(release, leaves), pod_of(release, stays)["metadata"]["uid"]) == (NODES[0], uid)
    hear_more(aloud)
    aloud.end()
    # It counts on: what is read twice is not the same.
    found = counted(hub, stays)
    assert found == list(range(len(found)))
    assert len(found) > aloud.heard[-1]
    # What is said while its node is cut off goes into a connection of which nobody tells the server that it is dead.
    print(f"breaks {aloud.breaks}, unheard {len(aloud.unheard(0))}")
    wait_for(lambda: all(any(uid in line for uid in hub.servers()) for line in hub.mounts()), "the end of what the old server had", 90)


def counting(person: Person, code: str = COUNT) -> Aloud:
    aloud = Aloud(person, code)
    hear_more(aloud)
    return aloud


def hear_more(aloud: Aloud) -> None:
    count = len(aloud.heard)
    wait_for(lambda: len(aloud.heard) > count + 10, "more numbers", _TOLD_SECONDS)


def counted(hub: ClusterHub, person: Person) -> list[int]:
    return [int(line) for line in hub.read_home(person.name, FILE).split("\n")[:-1]]


def reads_what_it_counted(person: Person) -> bool:
    """Tell whether a new kernel reads its home; JupyterLab may refuse one that is started in the moment in which a view is shown anew."""
    with suppress(AssertionError):
        return told_by(person, "import pathlib; answer = (pathlib.Path.home() / 'counted').read_text().startswith('0\\n1\\n')") is True
    return False


def test_people_are_told_of_open_files_that_went_with_plugin_and_holder_and_have_all_others_in_the_same_server(
    release: Release, arrive: Callable[[str], Person]
):
    person, cluster, hub = arrive("owner"), release.cluster, ClusterHub(release)
    aloud, before = counting(person, _COUNTS_ON), pod_of(release, person)
    cluster.inside(_LOST, "sh", "-c", _KILL_ALL)
    with within(_TOLD_SECONDS, "told"):
        await_word(person, "Your server's node lost the files that were open in /data and in your home.")
    last = counted(hub, person)[-1]
    wait_for(lambda: counted(hub, person)[-1] > last + 10, "more lines", _TOLD_SECONDS)
    hear_more(aloud)
    assert (aloud.breaks, aloud.unheard(0)) == (0, [])
    aloud.end()
    found, refused = counted(hub, person), [line.split(":") for line in hub.read_home(person.name, "refused").split()]
    # The call that was in work, and those after it.
    assert "ENOTCONN" in {name for _, name in refused} <= {"ENOTCONN", "ECONNABORTED"}
    assert {*found, *(int(number) for number, _ in refused)} == set(range(found[-1] + 1))
    wait_for(lambda: reads_what_it_counted(person), "a new kernel that reads its home", _TOLD_SECONDS)
    after = pod_of(release, person)
    for part in ("uid", "name"):
        assert after["metadata"][part] == before["metadata"][part]
    assert [each["restartCount"] for each in after["status"]["containerStatuses"]] == [0]
    await_rollout(release)
