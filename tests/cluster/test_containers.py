"""Containers of the probe's image run in a machine, by Debian's containerd, without a registry."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.cluster import images, place
from tests.support.cluster.machine import Machine, wait_for

pytestmark = pytest.mark.cluster
_IMPORT = """serve containerd containerd
until ctr version >/dev/null 2>&1; do sleep 0.05; done
ctr images import /run/images/probe.tar && touch /var/imported
"""


@pytest.fixture(scope="module")
def machine(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with containerd, which has the probe's image."""
    folder = tmp_path_factory.mktemp("containers")
    archives = folder / "images"
    archives.mkdir()
    images.write(archives / "probe.tar", images.PROBE, ["/usr/bin/python3"], images.probe_files())
    held = place.claim(folder / "run")
    made = Machine("node1", held.name, held.folder, archives, archives, held.addresses.node(1), 24)
    made.install(_IMPORT, {})
    made.boot()
    try:
        wait_for((made.disk / "var/imported").exists, "the image", 60)
        yield made
    finally:
        made.power_cut()
        held.leave()


def in_container(machine: Machine, *argv: str) -> str:
    command = machine.inside("ctr", "run", "--rm", images.PROBE, "one", *argv)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_python_and_its_library_run_in_a_container(machine: Machine):
    program = "import http.server, json, socket, sqlite3, ssl, urllib.request; print('all there')"
    assert in_container(machine, "python3", "-c", program) == "all there\n"


def test_a_shell_and_its_tools_run_in_a_container_that_sees_nothing_else(machine: Machine):
    assert in_container(machine, "sh", "-c", "mkdir -p /tmp/it && ls /tmp && id -u") == "it\n0\n"
    # Its own root, and what a container's runtime mounts: nothing of the machine's.
    assert not set(in_container(machine, "ls", "/").split()) & {"boot", "home", "images", "opt", "sbin", "srv"}
