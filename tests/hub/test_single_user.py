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
