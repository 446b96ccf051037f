"""The small parts of a local server: its environment, its accounts, its socket, its obituaries."""

import asyncio
import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.profiles import Profile
from bowerbird_config.teams import Membership, Role
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes import accounts, launch, remnants, single_user, unix_server
from bowerbird_hub.runtimes.environment import World, command, variables
from bowerbird_hub.runtimes.local import Host, LocalServer
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.places import ServerPlace, servers_directory

NOW = datetime(2027, 1, 1, tzinfo=UTC)
RECORD = IdentityRecord(
    1,
    "ann",
    600_001,
    600_002,
    (Membership("eso", Role.MEMBER), Membership("aat", Role.GUEST, NOW - timedelta(days=1))),
    {"eso": 700_001, "aat": 700_002},
)
CHOICE = Choice("uves", Profile(title="UVES", memory=1 << 30, cpu=1.5, teams="everyone", variables={"CPL_LOG": "x", "PYTHONPATH": "/evil"}))
WORLD = World(
    user="ann",
    home=PurePosixPath("/home/ann"),
    directory=PurePosixPath("/run/bowerbird"),
    runtime=PurePosixPath("/run/bowerbird/kernels"),
    python=Path("/envs/lab/bin/python"),
    program=PurePosixPath("/etc/bowerbird/single_user.py"),
    packages="lib/python3.11/site-packages",
    choice=CHOICE,
    data=PurePosixPath("/data"),
)


def test_environment_is_made_of_what_was_meant_for_it() -> None:
    hub = {"JUPYTERHUB_API_TOKEN": "own", "CONFIGPROXY_AUTH_TOKEN": "secret", "PATH": "/root/bin", "HOME": "/root", "SECRET": "x"}
    told = variables(WORLD, hub, 1 << 30, "mark")
    assert "secret" not in told.values()
    assert (told["HOME"], told["JUPYTERHUB_API_TOKEN"], told["CPL_LOG"], told["BOWERBIRD_DATA"]) == ("/home/ann", "own", "x", "/data")
    assert told["PATH"].split(":")[1] == "/envs/lab/bin"
    assert "SECRET" not in told


def test_a_server_is_told_where_the_tables_are() -> None:
    told = variables(WORLD, {"JUPYTERHUB_PUBLIC_HUB_URL": "https://data.example.org/base/hub/"}, 1, "mark")
    assert told["BOWERBIRD_TAP_URL"] == "https://data.example.org/base/services/vo/tap"
    assert "BOWERBIRD_TAP_URL" not in variables(WORLD, {}, 1, "mark")


@pytest.mark.root
def test_git_opens_what_a_team_mate_made_where_there_is_a_data(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    os.chown(tmp_path, 600_001, 600_001)
    for world, ends in ((WORLD, 0), (replace(WORLD, data=None), 128)):
        told = variables(world, {}, 1, "mark") | {"HOME": "/nowhere"}
        asked = subprocess.run(["/usr/bin/git", "-C", tmp_path, "status"], env=told, capture_output=True, text=True, check=False)
        assert asked.returncode == ends, asked.stderr


def test_files_of_servers_are_removed_but_those_that_are_kept(tmp_path: Path) -> None:
    kept, gone = (ServerPlace(Var(tmp_path), user) for user in ("ann", "bob"))
    files = {place: (place.directory, place.told, place.runtime) for place in (kept, gone)}
    for path in (path for paths in files.values() for path in paths):
        path.mkdir(parents=True)
        (path / "file").touch()
    remnants.remove_files(Var(tmp_path), {kept.mark})
    assert [path.exists() for path in (*files[kept], *files[gone])] == [True] * 3 + [False] * 3
    remnants.clear(Var(tmp_path))
    assert not any(path.exists() for path in files[kept])


def test_profile_cannot_take_the_place_of_what_a_start_sets() -> None:
    assert variables(WORLD, {}, 1, "mark")["PYTHONPATH"] == "/home/ann/.local/environments/lab/lib/python3.11/site-packages"


def test_packages_of_the_home_reach_kernels_and_never_the_server_itself() -> None:
    words = command(WORLD)
    assert words[:3] == ["/envs/lab/bin/python", "-I", "/etc/bowerbird/single_user.py"]
    assert "--KernelManager.transport=ipc" in words


def test_accounts_name_the_user_and_the_teams_held_today() -> None:
    assert "ann:x:600001:600002:ann:/home/ann:/bin/bash" in accounts.passwd(RECORD, "/home/ann").splitlines()
    lines = accounts.group(RECORD, NOW).splitlines()
    assert "eso:x:700001:ann" in lines
    assert not any(line.startswith("aat") for line in lines)
    assert accounts.teams_of(RECORD, NOW) == {"eso": 700_001}


def test_accounts_name_those_who_are_in_the_same_team_today() -> None:
    def other(name: str, uid: int, *held: Membership) -> IdentityRecord:
        return IdentityRecord(1, name, uid, uid, held, {"eso": 700_001, "aat": 700_002})

    bob = other("bob", 600_003, Membership("eso", Role.GUEST))
    once = other("cat", 600_004, Membership("eso", Role.MEMBER, NOW - timedelta(days=1)))
    elsewhere = other("dan", 600_005, Membership("aat", Role.OWNER))
    fellows = accounts.fellows(RECORD, [elsewhere, bob, once, RECORD], NOW)
    assert fellows == (bob,)
    assert "bob:x:600003:600003:bob:/nonexistent:/usr/sbin/nologin" in accounts.passwd(RECORD, "/home/ann", fellows).splitlines()
    assert "eso:x:700001:ann,bob" in accounts.group(RECORD, NOW, fellows).splitlines()


def test_sockets_lie_below_run_also_where_the_state_directory_is_too_deep(tmp_path: Path) -> None:
    deep = Var(tmp_path / ("deep" * 30))
    assert servers_directory(deep).parent == Path("/run")
    assert servers_directory(deep) != servers_directory(Var(tmp_path / ("deep" * 31)))
    assert len(bytes(ServerPlace(deep, "a" * 64, "b" * 64).socket)) <= 107
    near = Var(Path("/srv/bowerbird/var"))
    assert servers_directory(near) == near.run / "servers"


def test_names_of_user_and_server_make_one_place_each(tmp_path: Path) -> None:
    names = [("ann", ""), ("ann", "b"), ("ann--b", ""), ("annb", "")]
    assert len({ServerPlace(Var(tmp_path), *name).key for name in names}) == len(names)


def test_server_builds_no_grammar_at_its_start() -> None:
    code = """
import runpy, sys
runpy.run_path(sys.argv[1])["leave_out"]()
import jupyterhub.singleuser.extension, jupyterlab.labapp
print(sorted(name for name in sys.modules if name.partition(".")[0] == "lark"))
"""
    told = subprocess.run([sys.executable, "-I", "-c", code, single_user.__file__], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == "[]\n"


async def _answer(path: Path, head: bytes) -> unix_server.Answer | None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        return await unix_server.ask(path, "/api")


@pytest.mark.asyncio
async def test_answer_of_a_server_is_its_status_and_headers(tmp_path: Path) -> None:
    answer = await _answer(tmp_path / "s", b"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\n\r\n")
    assert answer is not None
    assert (answer.status, answer.headers.get("x-jupyterhub-version")) == (200, "6.1.1")


@pytest.mark.asyncio
@pytest.mark.parametrize("head", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * (1 << 20) + b"\r\n\r\n"])
async def test_what_is_no_answer_is_none(tmp_path: Path, head: bytes) -> None:
    assert await _answer(tmp_path / "s", head) is None


@pytest.mark.asyncio
async def test_nobody_at_the_socket_is_no_answer_in_time(tmp_path: Path) -> None:
    server = unix_server.UnixServer(base_url="/user/ann/").at("http+unix://x", tmp_path / "s")
    with pytest.raises(TimeoutError):
        await server.wait_up(timeout=0.1)


def test_link_in_the_sockets_place_is_not_followed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "another"))
        listening.listen()
        os.symlink("another", tmp_path / "s")
        with pytest.raises(OSError, match="is no socket"):
            unix_server.connect(tmp_path / "s")
        unix_server.connect(tmp_path / "another").close()


@pytest.mark.parametrize("own", [True, False])
def test_server_of_another_platform_is_not_taken_over_from_a_copied_record(tmp_path: Path, own: bool) -> None:
    here, there = (ServerPlace(Var(tmp_path / name), "ann") for name in ("copy", "original"))
    mark = (here if own else there).mark
    group = tmp_path / "groups" / mark
    group.mkdir(parents=True)
    local = LocalServer(Host(Install(tmp_path), here.var, None, sandboxed=False, bases={}), here)
    pause = "import signal; print('up', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", pause], env={launch.MARK: mark}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            found = asyncio.run(launch.started(process))
            local.load({**found.to_state(), "groups": [str(group)], "limits": [1 << 30, 1, 100], "kills": 0})
            assert local.alive == own
            asyncio.run(local.end(5))
            asyncio.run(local.clear())
            assert found.alive == (not own)
            assert group.exists() == (not own)
        finally:
            process.kill()


def test_obituary_is_kept_until_the_server_starts_again(tmp_path: Path) -> None:
    file = tmp_path / "obituaries.json"
    Obituaries(file).write("ann", "", "it ended")
    Obituaries(file).write("ann", "second", "this one too")
    Obituaries(file).write("bob", "", "his own")
    assert [(kept.server, kept.words) for kept in Obituaries(file).of("ann")] == [("", "it ended"), ("second", "this one too")]
    Obituaries(file).forget("ann", "")
    assert [kept.server for kept in Obituaries(file).of("ann")] == ["second"]
    Obituaries(file).forget("ann", "second")
    assert Obituaries(file).of("ann") == []
    assert [kept.words for kept in Obituaries(file).of("bob")] == ["his own"]


def test_damaged_obituaries_are_none(tmp_path: Path) -> None:
    file = tmp_path / "obituaries.json"
    file.write_text('{"ann": ')
    assert Obituaries(file).of("ann") == []
