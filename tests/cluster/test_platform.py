"""The platform as people meet it on a cluster: they sign in by the demo CAS server, and their servers are pods with their files."""

from collections.abc import Iterator

import pytest

from tests.hub.runtime_contract import told_by, until
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.release import Release
from tests.support.hub import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400, func_only=True)]
_LOOK = """
import getpass, os, pathlib
(pathlib.Path.home() / "mine.txt").write_text("kept")
answer = {"user": getpass.getuser(), "home": os.environ["HOME"], "data": sorted(os.listdir("/data")), "uid": os.getuid()}
"""


@pytest.fixture
def person(release: Release) -> Iterator[Person]:
    """Somebody who came in by the proxy and the CAS server."""
    hub = ClusterHub(release)
    hub.await_ready()
    person = hub.sign_in("researcher")
    yield person
    if person.model():
        person.stop()
    person.client.close()


def test_a_person_signs_in_and_their_server_has_their_home_and_data(release: Release, person: Person):
    hub = ClusterHub(release)
    person.start("minimal")
    found = told_by(person, _LOOK)
    assert (found["user"], found["home"]) == ("researcher", "/home/researcher")
    assert "home" in found["data"]
    assert hub.read_home("researcher", "mine.txt") == "kept"
    # What the test before had is taken away a moment after it was ended by force.
    until(lambda: hub.mounted() == {"researcher"})
    person.stop()
    until(lambda: hub.servers() == {} and hub.mounts() == [])
