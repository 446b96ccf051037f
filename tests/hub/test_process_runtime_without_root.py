"""The process runtime as an ordinary user runs it: a server all the same, and one clear line on what is missing."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.runtimes.places import ServerPlace

from tests.hub.runtime_contract import kernel_of, told_by
from tests.support.hub import RunningHub, running_hub

# Root only to become somebody else: as an ordinary user the test would start its hub as itself.
pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path_factory.mktemp("hub without root") / "var"), as_root=False) as hub:
        yield hub
        assert hub.servers() == {}


def test_server_runs_in_its_home_without_data_and_says_so(hub: RunningHub) -> None:
    person = hub.sign_in("owner")
    assert "servers run as you, without a sandbox, without limits and without /data" in person.get("hub/spawn").text
    person.start("minimal")
    found = told_by(
        person,
        """
        import os, pathlib
        answer = {"home": str(pathlib.Path.home()), "data": os.environ.get("BOWERBIRD_DATA"), "profile": os.environ["BOWERBIRD_PROFILE"]}
        """,
    )
    assert found == {"home": str(hub.var.homes / "owner"), "data": None, "profile": "minimal"}
    assert hub.log().count("without a sandbox") == hub.log().count("Running JupyterHub version")
    person.stop()
    assert hub.servers() == {}
    assert not ServerPlace(hub.var, "owner").directory.exists()


def test_killed_hub_finds_the_server_again_and_stop_ends_all_of_it(hub: RunningHub) -> None:
    person = hub.sign_in("researcher")
    person.start("minimal")
    session, kernel = kernel_of(person)
    session.run(kernel, "import subprocess; number = 7; subprocess.Popen(['sleep', '600'], start_new_session=True)")
    hub.kill_hub()
    hub.start_hub()
    person.wait(lambda model: bool(model and model["ready"]))
    assert session.run(kernel, "print(number)") == "7\n"
    assert len(hub.servers()) >= 3  # server, kernel, sleep
    person.stop()
    assert hub.servers() == {}


def test_socket_is_closed_to_others(hub: RunningHub) -> None:
    person = hub.sign_in("owner")
    person.start("minimal")
    place = ServerPlace(hub.var, "owner")
    assert stat.S_IMODE(Path(place.directory).stat().st_mode) == 0o700
    person.stop()
