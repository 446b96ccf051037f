"""Two installs in one cluster, of which one has what was on one machine, goes, and comes back from an upgrade's copy of its database."""

import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hub.runtime_contract import kernel_of, told_by
from tests.support import moved
from tests.support.cluster import claims
from tests.support.cluster.cluster import NODES, Cluster, condition
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release, install, left, uninstall, upgrade, values_for_tests
from tests.support.hub import Person
from tests.support.moved import Machine

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]
_NAME, _STORAGE = "moved", "/srv/moved"
_LOOK = """
import os, pathlib
places = [pathlib.Path.home() / "thesis.tex", pathlib.Path("/data/teams/craft/shared.txt")]
answer = {"uid": os.getuid(), "texts": [place.read_text() for place in places], "owner": list(os.stat(places[0])[4:6])}
"""
# Fills the disk, and says what became of what was taken; then makes room and goes on.
_FILL = """
import errno, os, pathlib
os.chdir(pathlib.Path.home())
large, small, taken, said = pathlib.Path("large"), pathlib.Path("small"), 0, []
def tried(act, *arguments):
    try:
        return act(*arguments)
    except OSError as error:
        said.append(errno.errorcode[error.errno])
        return 0
with large.open("wb", buffering=0) as file:
    while not said and taken < 1 << 28:
        taken += tried(file.write, b"x" * (1 << 20))
    os.fsync(file.fileno())
kept = large.read_bytes()
tried(small.write_bytes, b"y" * (1 << 20))
thesis = pathlib.Path("thesis.tex").read_text()
large.unlink()
answer = {"said": said, "kept": kept == b"x" * taken and taken > 1 << 20, "thesis": thesis, "after": small.write_bytes(b"y" * (1 << 20))}
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One machine's platform, as it was left."""
    return moved.lived_in(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def values() -> dict[str, Any]:
    """The values of an install whose claims are there before it."""
    told = values_for_tests()
    told["data"] = {"storage": {"hostPath": _STORAGE}}
    told["platform"]["teams"]["craft"]["members"] = ["researcher"]
    for part in claims.PARTS:
        told.setdefault(part, {})["volume"] = {"existingClaim": part}
    return told


def same(release: Release, machine: Machine) -> Person:
    """Look that people of the machine are the same on the cluster, and what they have is theirs; return one whose server runs."""
    hub = ClusterHub(release)
    hub.await_ready()
    person = hub.sign_in("researcher")
    person.start("minimal")
    ids = machine.numbers()
    uid = ids["user researcher"]
    assert told_by(person, _LOOK) == {
        "uid": uid,
        "texts": ["of researcher", "of the team"],
        "owner": [uid, uid],
    }
    hub.sign_in("visitor").client.close()
    database = claims.volume(release.cluster, _NAME, "hub") / "hub/hub.sqlite"
    assert moved.numbers(database) == ids
    answer = httpx.get(f"{release.url}hub/api/user", headers={"Authorization": f"token {machine.token}"}, timeout=30, trust_env=False)
    assert answer.json()["name"] == "researcher"
    return person


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    """Return bytes, owners and modes of every file below a directory."""
    known = {path: path.lstat() for path in sorted(root.rglob("*"))}
    return {
        f"{path.relative_to(root)}": (told.st_mode, told.st_uid, told.st_gid, path.read_bytes() if stat.S_ISREG(told.st_mode) else None)
        for path, told in known.items()
    }


def mounts(cluster: Cluster, *words: str) -> list[str]:
    """Return the nodes' mounts in which any of some words is."""
    tables = (cluster.inside(node, "cat", "/proc/self/mountinfo") for node in NODES)
    return [line for table in tables for line in table.splitlines() if any(word in line for word in words)]


@contextmanager
def small_storage(cluster: Cluster) -> Iterator[None]:
    """Have what nodes mount on a disk of 32 MiB while the block runs."""
    steps = 'mv "$1" "$1.whole" && mkdir "$1" && mount -t tmpfs -o size=32m,mode=755 tmpfs "$1" && cp -a "$1.whole/." "$1"'
    cluster.inside(NODES[0], "sh", "-c", steps, "-", _STORAGE)
    try:
        yield
    finally:
        cluster.inside(NODES[0], "umount", "-l", _STORAGE)


def fills_its_disk(release: Release, person: Person) -> None:
    """Look that a full disk is told to who writes, costs nothing that was taken, and no part of the platform its life."""
    pods = {pod["metadata"]["uid"] for pod in (*release.pods("hub"), *release.pods("data", release.data))}
    found = told_by(person, _FILL)
    assert found == {"said": ["ENOSPC", "ENOSPC"], "kept": True, "thesis": "of researcher", "after": 1 << 20}
    now = [*release.pods("hub"), *release.pods("data", release.data)]
    assert {pod["metadata"]["uid"] for pod in now} == pods
    assert {status["restartCount"] for pod in now for status in pod["status"]["containerStatuses"]} == {0}
    assert all(condition(pod, "Ready") for pod in now)


def are_mounted(cluster: Cluster, pods: Collection[str]) -> bool:
    """Tell whether every one of some pods has its volume."""
    return len([line for line in mounts(cluster, *pods) if "kubernetes.io~csi" in line]) >= len(pods)


def goes(release: Release) -> None:
    """Uninstall while servers run, and look that nothing but what docs/k3s.md names is left."""
    cluster, servers = release.cluster, tuple(ClusterHub(release).servers())
    # The image of the services is not here: their pod waits for it, and has its volume.
    volumes = (*servers, *(pod["metadata"]["uid"] for pod in release.pods("services")))
    assert len(volumes) > 1
    # A volume that was asked for before the hub was there is asked for again minutes later.
    wait_for(lambda: are_mounted(cluster, volumes), f"the volumes of {volumes}", 180, every=0.5)
    uninstall(release)
    # These were waited for; those of the node plugin end by themselves.
    assert mounts(cluster, *volumes) == []
    assert ClusterHub(release).servers() == {}
    kept = {f"Namespace {release.data}"}
    wait_for(lambda: left(cluster, release.name) == kept, f"{kept} alone", 90, every=1)
    assert mounts(cluster, f"/{_NAME}") == []
    assert cluster.get(f"/api/v1/namespaces/{_NAME}/secrets/{_NAME}-secrets")["data"]
    found = cluster.get(f"/api/v1/namespaces/{_NAME}/persistentvolumeclaims")["items"]
    assert {claim["metadata"]["name"] for claim in found} == set(claims.PARTS)
    for node in NODES:
        assert release.driver not in cluster.inside(node, "ls", "/var/lib/kubelet/plugins_registry")
        assert f"/{_NAME}/" not in cluster.inside(node, "sh", "-c", "cat /proc/[0-9]*/cmdline || true")


def is_empty(cluster: Cluster) -> bool:
    """Tell whether nothing is left of the release but what nodes mount, and its claims' directories are gone too."""
    names = {each["metadata"]["name"] for each in cluster.get("/api/v1/namespaces")["items"]}
    directories = cluster.machines[NODES[0]].disk.glob(f"opt/local-path-provisioner/*_{_NAME}_*")
    return not names & {_NAME, f"{_NAME}-users", f"{_NAME}-data"} and not list(directories)


@pytest.fixture
def neighbour(release: Release) -> Iterator[Callable[[], str]]:
    """The server of somebody of the same name, in the run's own release; returns what it says."""
    hub = ClusterHub(release)
    hub.await_ready()
    person = hub.sign_in("researcher")
    person.start("minimal")
    session, kernel = kernel_of(person)
    session.run(kernel, "import pathlib; words = pathlib.Path.home() / 'words'; file = words.open('a+')")
    yield lambda: session.run(kernel, "file.write('kept'); file.flush(); print(words.read_text())")
    person.stop()
    person.client.close()


def test_what_was_on_one_machine_is_moved_to_a_second_install_which_goes_and_comes_back_from_its_copy(
    release: Release, machine: Machine, values: dict[str, Any], neighbour: Callable[[], str], tmp_path: Path
):
    cluster = release.cluster
    laid_out = moved.laid_out(machine, tmp_path, _NAME)
    claims.bring(cluster, laid_out, _NAME, _STORAGE)
    data = cluster.machines[NODES[0]].disk / _STORAGE.lstrip("/")
    with install(cluster, _NAME, values) as first:
        assert facts(data / "homes") == facts(machine.var.homes)
        assert facts(data / "spaces") == facts(machine.var.spaces)
        person = same(first, machine)
        assert neighbour().strip() == "kept"
        # An upgrade copies the database first. The copy and the Secret are what is kept of all that is not files.
        upgrade(first, lambda _values: None)
        shutil.copytree(claims.volume(cluster, _NAME, "hub") / "hub/backups", tmp_path / "backups")
        goes(first)
        person.client.close()
    assert neighbour().strip() == "keptkept"
    wait_for(lambda: is_empty(cluster), "an empty cluster", 90, every=0.5)
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name == "hub-before-000002.sqlite"
    claims.put_back(cluster, copy, laid_out / "secret.yaml", _NAME)
    with small_storage(cluster), install(cluster, _NAME, values) as second:
        person = same(second, machine)
        fills_its_disk(second, person)
        person.client.close()
