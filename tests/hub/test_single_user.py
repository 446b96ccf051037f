"""The program of a single-user server: what it leaves out, and that whoever asks for it later has it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bowerbird_hub.runtimes import single_user

PROGRAM = Path(single_user.__file__)
AFTER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import single_user
single_user.leave_out()
single_user.put_off("jupyterhub.orm")
with single_user.without_the_hubs_pages():
    import jupyterhub.log
import jupyterhub.singleuser
print(json.dumps({"modules": sorted(sys.modules), "answer": eval(sys.argv[2])}))
"""
SHOWN_ANEW = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
import single_user
single_user.come_back()
os.rmdir(sys.argv[2])
os.mkdir(sys.argv[2])
print(subprocess.run(["/bin/pwd"], capture_output=True, text=True).stdout.strip())
print(os.getcwd())
"""


def after(asked: str) -> tuple[set[str], object]:
    """Return what is loaded when a server's program has been imported, and the answer to what is asked then."""
    argv = [sys.executable, "-I", "-c", AFTER, str(PROGRAM.parent), asked]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)
    return set(told["modules"]), told["answer"]


def test_server_starts_without_the_hubs_database_and_pages() -> None:
    modules, _ = after("None")
    assert "jupyterhub.singleuser.extension" in modules
    assert modules.isdisjoint({"sqlalchemy.orm", "alembic", "jupyterhub.handlers", "jupyterhub.user", "lark"})


@pytest.mark.parametrize(
    "asked",
    [
        "jupyterhub.scopes.orm.User.__tablename__ == 'users'",
        "__import__('jupyterhub.orm').orm.Group.__tablename__ == 'groups'",
        "'get' in vars(__import__('jupyterhub.handlers.pages').handlers.pages.HealthCheckHandler)",
        "sorted(jupyterhub.scopes._intersect_expanded_scopes({'read:users!user=a'}, {'read:users'})) == ['read:users!user=a']",
    ],
)
def test_what_was_left_out_is_there_when_it_is_asked_for(asked: str) -> None:
    _, answer = after(asked)
    assert answer is True


def settled(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    code = "import json, os, sys\nsys.path.insert(0, sys.argv[1])\nimport single_user\nsingle_user.settle(os.environ)\n"
    shown = "print(json.dumps([os.getcwd(), os.environ.get('JUPYTERHUB_API_TOKEN'), [n for n in os.environ if n.startswith('BOWERBIRD')]]))"
    argv = [sys.executable, "-I", "-c", code + shown, str(PROGRAM.parent)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=60)


def test_token_of_a_pod_is_read_from_its_volume_and_the_server_begins_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    told = settled({"BOWERBIRD_TOKEN_FILE": str(tmp_path / "token"), "HOME": str(tmp_path)})
    assert json.loads(told.stdout) == [str(tmp_path), "abc", []]


def test_program_begins_in_the_home_that_is_shown_anew_in_the_place_of_one_that_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    argv = [sys.executable, "-I", "-c", SHOWN_ANEW, str(PROGRAM.parent), str(home)]
    told = subprocess.run(argv, capture_output=True, text=True, cwd=home, check=True, timeout=60)
    assert told.stdout.splitlines() == [str(home)] * 2


def test_token_of_a_process_is_left_as_it_is() -> None:
    assert json.loads(settled({"JUPYTERHUB_API_TOKEN": "abc"}).stdout)[1:] == ["abc", []]


def test_volume_that_brings_no_token_is_told(tmp_path: Path) -> None:
    told = settled({"BOWERBIRD_TOKEN_FILE": str(tmp_path / "token"), "HOME": str(tmp_path)})
    assert told.returncode == 1
    assert f"The volume of this server does not bring what it must: {tmp_path}/token: No such file or directory." in told.stderr
