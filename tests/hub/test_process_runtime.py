"""The process runtime: the contract of all runtimes, and what only processes of one machine can get wrong."""

import json
import re
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.runtimes import cgroups
from bowerbird_hub.runtimes.places import ServerPlace, mark_of
from bowerbird_hub.supervision.processes import command_line

from tests.hub.runtime_contract import RuntimeContract, kernel_of, shows, told_by, until
from tests.support.checkout import shown_of_tmp
from tests.support.hub import Person, RunningHub, running_hub
from tests.support.nobody import ANOTHER_UID

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
# Five times that in which an edit is in force.
EDIT_SECONDS = 10


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub with sandboxes, at a path with a space in it."""
    with running_hub(Var(tmp_path_factory.mktemp("a hub") / "var")) as hub:
        yield hub
        assert hub.servers() == {}


def listening_ports(hub: RunningHub) -> set[str]:
    """Return the TCP sockets on which a process of a server listens, as `address:port`."""
    inodes = set()
    for process in hub.servers():
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


class TestProcessRuntime(RuntimeContract[RunningHub]):
    """Under root, in sandboxes."""

    def left_of(self, user: str, hub: RunningHub) -> list[str]:
        places = [ServerPlace(hub.var, user, name) for name in ("", "second")]
        files = [str(path) for place in places for path in (place.directory, place.told) if path.exists()]
        groups = [str(group.paths) for name, group in cgroups.groups_of(cgroups.detect(), mark_of(hub.var)).items()]
        return [*files, *groups]

    def kill_server(self, hub: RunningHub) -> None:
        servers = [process for process in hub.servers() if any(word.endswith("single_user.py") for word in command_line(process.pid))]
        inner = [process for process in servers if not command_line(process.pid)[0].endswith("bwrap")]
        assert len(inner) == 1
        assert inner[0].send(signal.SIGKILL)

    def unlimited(self) -> str:
        return "; ".join(cgroups.missing())

    def test_server_is_its_users_and_sees_nobody_else(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        other = arrive("owner")
        other.start("minimal")
        person = arrive("researcher")
        person.start("minimal")
        found = told_by(
            person,
            """
            import os, pathlib, subprocess
            status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
            answer = {"groups": subprocess.run(["id", "-Gn"], capture_output=True, text=True).stdout.split(),
                      "uid": os.getuid(), "homes": os.listdir("/home"), "capabilities": status["CapBnd"].strip(), "tmp": os.listdir("/tmp"),
                      "no_new_privs": status["NoNewPrivs"].strip(), "users": [line.partition(":")[0] for line in open("/etc/passwd")],
                      "others": [p for p in os.listdir("/proc") if p.isdecimal() and os.stat("/proc/" + p).st_uid not in (0, os.getuid())]}
            """,
        )
        uid = (hub.var.homes / "researcher").stat().st_uid
        assert found == {
            "groups": ["researcher", "eso"],
            "uid": uid,
            "homes": ["researcher"],
            "capabilities": "0" * 16,
            "tmp": shown_of_tmp(),
            "no_new_privs": "1",
            "users": ["root", "researcher", "owner", "nobody"],
            "others": [],
        }
        assert uid != (hub.var.homes / "owner").stat().st_uid

    def test_who_joins_a_team_is_known_by_name_in_servers_that_run(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("minimal")
        session, kernel = kernel_of(person)
        asked = "import grp; print(grp.getgrnam('eso').gr_mem)"
        original = hub.platform.read_text()
        assert "'visitor'" not in session.run(kernel, asked)
        arrive("visitor")
        hub.edit(original.replace("members: [researcher]", "members: [researcher, visitor]"))
        try:
            until(lambda: "'visitor'" in session.run(kernel, asked))
        finally:
            hub.edit(original)

    def test_no_port_answers_another_uid(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("minimal")
        session, kernel = kernel_of(person)
        # A child's print takes a way of its own to the page.
        assert (
            session.run(kernel, "import os\nif os.fork() == 0:\n  print('of a child', flush=True); os._exit(0)\nos.wait()")
            == "of a child\n"
        )
        assert session.api("POST", "terminals").is_success
        assert listening_ports(hub) == set()
        place = ServerPlace(hub.var, "researcher")
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(place.socket)!r})"
        # Also where the directories above let everybody pass.
        asked = subprocess.run(
            ["/usr/bin/setpriv", f"--reuid={ANOTHER_UID}", f"--regid={ANOTHER_UID}", "--clear-groups", "/usr/bin/python3", "-c", code],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert "PermissionError" in asked.stderr
        assert place.socket.stat().st_mode & 0o007 == 0
        # Nor can the server itself put something else in the socket's place, for the hub to fall for.
        moved = "import os\ntry:\n  os.rename('/run/bowerbird/server.sock', '/run/bowerbird/x')\nexcept OSError as error:\n"
        assert session.run(kernel, f"{moved}  print(type(error).__name__)") == "PermissionError\n"

    @pytest.mark.long
    def test_packages_and_kernels_of_ones_own_survive_a_restart(
        self, hub: RunningHub, arrive: Callable[[str], Person], tmp_path: Path
    ) -> None:
        person = arrive("researcher")
        person.start("minimal")
        wheel = _wheel(tmp_path, "treasure")
        (hub.var.homes / "researcher" / wheel.name).write_bytes(wheel.read_bytes())
        session, kernel = kernel_of(person)
        printed = session.run(kernel, f"%pip install --no-index --no-deps /home/researcher/{wheel.name}")
        assert "Successfully installed treasure-1.0" in printed
        session.run(kernel, "!{__import__('sys').executable} -m ipykernel install --user --name mine --display-name Mine")
        person.stop()
        person.start("minimal")
        assert told_by(person, "import treasure; answer = treasure.WORD") == "blue"
        session = kernel_of(person)[0]
        assert "mine" in session.api("GET", "kernelspecs").json()["kernelspecs"]

    def test_home_with_a_limit_is_the_one_in_the_view_which_keeps_it(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        person = arrive("visitor")
        original = hub.platform.read_text()
        hub.edit(original + "spaces: {home: {hard: 1 GiB}}\n")
        try:
            until(lambda: json.loads(hub.var.platform.read_text())["spaces"]["home"]["hard"])
            person.start("minimal")
            told = told_by(person, "import os, pathlib; (pathlib.Path.home() / 'f').touch(); answer = os.getcwd()")
            assert told == "/data/home"
            assert (hub.var.views / "visitor/home/f").exists()
            assert not (hub.var.homes / "visitor/f").exists()
        finally:
            hub.edit(original)

    def test_edit_of_the_platform_file_shows_on_the_next_page(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        person = arrive("visitor")
        original = hub.platform.read_text()
        hub.edit(original.replace("title: Minimal", "title: Smallest").replace("name: Test platform", "name: Renamed platform"))
        try:
            page = until(lambda: shows(person.get("hub/spawn"), "Smallest"), EDIT_SECONDS).text
            assert "Renamed platform" in page
        finally:
            hub.edit(original)

    def test_broken_edit_is_shown_to_admins_and_to_nobody_else(self, hub: RunningHub, arrive: Callable[[str], Person]) -> None:
        admin, person = arrive("admin"), arrive("visitor")
        original = hub.platform.read_text()
        hub.edit(original.replace("memory: 1 GiB", "memory: 1 GB", 1))
        try:
            page = until(
                lambda: next((page for page in [admin.get("hub/home").text] if "as it stands is broken" in page), None), EDIT_SECONDS
            )
            assert re.search(r"platform\.yaml:\d+: .*is not a quantity with a unit", page)
            assert "is broken" not in person.get("hub/home").text
            assert 'value="minimal"' in person.get("hub/spawn").text
        finally:
            hub.edit(original)
        until(lambda: "is broken" not in admin.get("hub/home").text, EDIT_SECONDS)


def _wheel(place: Path, name: str) -> Path:
    """Make the least wheel there is."""
    path = place / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "WORD = 'blue'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path
