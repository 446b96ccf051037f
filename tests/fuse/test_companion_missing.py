"""A worker without the native companion serves on; what it cannot do is refused, and its log says what that is."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DataRig]:
    """A keeper whose workers have loaded pyfuse3 before anything else, which is too late for the companion."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early/sitecustomize.py").write_text("import pyfuse3\n")
    rig = DataRig(Var(tmp_path / "var"), two_teams(), python_path=(str(tmp_path / "early"),))
    rig.feed.start()
    rig.know(record("ann", member("ant")))
    try:
        rig.start()
        yield rig
    finally:
        rig.clear()


def test_without_it_no_lock_is_granted_and_all_else_works(rig: DataRig) -> None:
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
    assert log.count("the native companion is not in use (pyfuse3 was loaded first): files cannot be locked") == 1
    assert "Traceback" not in log
