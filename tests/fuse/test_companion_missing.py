"""A worker without the native companion serves on; what it cannot do is refused, and its log says what that is."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


NAME = "libbowerbird_fuse.so"
# Of the time before builds were told apart, and of other sources: either would open no session at all.
BUILDS = {
    "old": "",
    "other": f'const char bowerbird_sources[] = "{"0" * 64}";',
}


def make_late(folder: Path) -> str:
    (folder / "sitecustomize.py").write_text("import pyfuse3\n")
    return "pyfuse3 was loaded first"


def make_build(folder: Path, said: str) -> str:
    code = said + "void *fuse_session_new(void) { return 0; }\nint fuse_version(void) { return 314; }\n"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", folder / NAME, "-"], input=code, text=True, check=True)
    return f"{folder / NAME} was built of other sources: install anew"


@pytest.fixture(params=["late", *BUILDS])
def reason(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Why the companion cannot be used: pyfuse3 was there before it, or the one that is installed is not of this code."""
    folder = tmp_path / "early"
    folder.mkdir()
    return make_late(folder) if request.param == "late" else make_build(folder, BUILDS[request.param])


@pytest.fixture
def rig(tmp_path: Path, reason: str) -> Iterator[DataRig]:
    """A keeper whose workers find what stands in the companion's way before all else."""
    rig = DataRig(Var(tmp_path / "var"), two_teams(), python_path=(str(tmp_path / "early"),))
    rig.feed.start()
    rig.know(record("ann", member("ant")))
    try:
        rig.start()
        yield rig
    finally:
        rig.clear()


def test_without_it_no_lock_is_granted_and_all_else_works(rig: DataRig, reason: str) -> None:
    found = rig.mount("ann").do("""
        f = open('teams/ant/f', 'w+b'); f.write(b'x' * 100); f.flush(); answer = []
        for lock in (lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda: fcntl.flock(f, fcntl.LOCK_EX)):
            try: lock(); answer.append('granted')
            except OSError as error: answer.append(error.errno)
        g = open('home/g', 'wb')
        answer += [Path('teams/ant/f').read_bytes() == b'x' * 100, os.statvfs('teams/ant').f_blocks > 0]
        answer += [os.copy_file_range(f.fileno(), g.fileno(), 100, 0), os.lseek(f.fileno(), 0, os.SEEK_HOLE)]
    """)
    assert found == [errno.ENOSYS, errno.ENOSYS, True, True, 100, 100]
    log = rig.log.read_text()
    assert log.count(f"the native companion is not in use ({reason}): files cannot be locked") == 1
    assert "Traceback" not in log
