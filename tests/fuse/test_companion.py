"""What the native companion adds to pyfuse3: room and holes of files, copies within the disk, figures of the very file system."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, Person, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRig]:
    """A keeper for all checks of this module, with ann's view mounted."""
    rig = DataRig(Var(tmp_path_factory.mktemp("companion") / "var"), two_teams())
    rig.release("sky", "dr1", {"catalogue.txt": b"stars\n" * 1000})
    rig.feed.start()
    rig.know(record("ann", member("ant")))
    try:
        rig.start()
        rig.mount("ann")
        yield rig
        assert "Traceback" not in rig.log.read_text()
        assert "companion is not" not in rig.log.read_text()
    finally:
        rig.clear()


@pytest.fixture(params=["native", "home", "team"])
def place(request: pytest.FixtureRequest, spaces: DataRig) -> Person:
    """A fresh directory of ann's; the native one proves the check."""
    view = spaces.var.views / "ann"
    top = {"native": spaces.var.homes / "ann", "home": view / "home", "team": view / "teams/ant"}[request.param]
    name = f"{request.node.name.partition('[')[0]}-{request.param}"
    Person(spaces.records["ann"], top).do("os.mkdir(name)", name=name)
    return Person(spaces.records["ann"], top / name)


@pytest.fixture
def whole(spaces: DataRig) -> Person:
    """Ann at the top of her view."""
    return Person(spaces.records["ann"], spaces.var.views / "ann")


FALLOCATE = """
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(f, mode, offset, length):
    if libc.fallocate(f.fileno(), mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), 'fallocate')
KEEP, PUNCH, ZERO = 1, 2, 16
"""


def test_room_is_given_and_taken(place: Person) -> None:
    found = place.do(
        FALLOCATE
        + """
f = open('a', 'w+b')
fallocate(f, 0, 0, 1 << 20)
answer = [os.fstat(f.fileno()).st_size, os.fstat(f.fileno()).st_blocks >= 2048]
fallocate(f, KEEP, 1 << 20, 1 << 20)
answer += [os.fstat(f.fileno()).st_size, os.fstat(f.fileno()).st_blocks >= 4096]
f.write(b'x' * (1 << 20)); f.flush(); os.fsync(f.fileno())
before = os.fstat(f.fileno()).st_blocks
fallocate(f, PUNCH | KEEP, 4096, 65536)
answer += [os.fstat(f.fileno()).st_blocks < before, os.pread(f.fileno(), 2, 4095) == b'x' + bytes(1)]
os.pwrite(f.fileno(), b'y' * 8192, 0); fallocate(f, ZERO, 0, 4096)
answer += [os.pread(f.fileno(), 2, 4095) == bytes(1) + b'y']
os.posix_fallocate(f.fileno(), 3 << 20, 10)
answer += [os.fstat(f.fileno()).st_size]
"""
    )
    assert found == [1 << 20, True, 1 << 20, True, True, True, True, (3 << 20) + 10]


def test_data_and_holes_are_found(place: Person) -> None:
    found = place.do("""
        f = open('a', 'w+b'); f.truncate(1 << 20)
        os.pwrite(f.fileno(), b'x' * 4096, 65536); os.fsync(f.fileno())
        seek = lambda at, how: os.lseek(f.fileno(), at, how)
        answer = [seek(0, os.SEEK_DATA), seek(65536, os.SEEK_HOLE), seek(0, os.SEEK_HOLE)]
        try: seek(1 << 19, os.SEEK_DATA)
        except OSError as error: answer.append(error.errno)
    """)
    assert found == [65536, 69632, 0, 6]


def test_files_are_copied_by_the_disk(place: Person) -> None:
    found = place.do("""
        data = os.urandom(20 << 20); Path('a').write_bytes(data)
        a, b = open('a', 'rb'), open('b', 'w+b')
        done, calls = 0, 0
        while done < len(data): done += os.copy_file_range(a.fileno(), b.fileno(), len(data) - done); calls += 1
        answer = [Path('b').read_bytes() == data, calls < 10]
        answer.append(os.copy_file_range(a.fileno(), b.fileno(), 1000, 5, 20 << 20))
        answer.append(Path('b').read_bytes() == data + data[5:1005])
    """)
    assert found == [True, True, 1000, True]


def test_copy_out_of_a_release_and_out_of_what_the_view_makes(whole: Person) -> None:
    found = whole.do("""
        answer = []
        for source in ('releases/sky/dr1/catalogue.txt', 'releases/sky/dr1/README'):
            with open(source, 'rb') as a, open('home/copy', 'wb') as b:
                answer.append(os.copy_file_range(a.fileno(), b.fileno(), 1 << 20) == os.path.getsize(source))
            answer.append(Path('home/copy').read_bytes() == Path(source).read_bytes())
    """)
    assert found == [True] * 4


def test_file_opened_to_read_gets_nothing(place: Person) -> None:
    found = place.do(
        FALLOCATE
        + """
Path('a').write_bytes(b'x' * 100); f = open('a', 'rb'); answer = []
for change in (lambda: fallocate(f, 0, 0, 10), lambda: os.copy_file_range(f.fileno(), f.fileno(), 10, 0, 100)):
    try: change()
    except OSError as error: answer.append(error.errno)
"""
    )
    assert found == [errno.EBADF] * 2


def test_mode_that_is_not_had_is_refused(place: Person) -> None:
    found = place.do(
        FALLOCATE
        + """
f = open('a', 'w+b'); answer = []
for mode in (2, 8, 32, 64, 1 << 30, -1):
    try: fallocate(f, mode, 0, 4097); answer.append(0)
    except OSError as error: answer.append(error.errno)
"""
    )
    assert set(found) <= {errno.EOPNOTSUPP, errno.EINVAL}


def test_figures_are_those_of_the_file_system_that_was_asked_about(spaces: DataRig, whole: Person) -> None:
    team = spaces.var.spaces / "ant"
    asked = (".", "home", "teams", "teams/ant", "releases/sky/dr1", "releases/sky/dr1/README")
    found = whole.do("answer = [[os.statvfs(path).f_blocks, os.statvfs(path).f_bsize] for path in asked]", asked=asked)
    home, ant, release = (os.statvfs(path) for path in (spaces.var.homes / "ann", team, spaces.var.releases))
    assert found == [[one.f_blocks, one.f_bsize] for one in (home, home, home, ant, release, home)]


def test_figures_of_a_space_on_a_disk_of_its_own(spaces: DataRig, tmp_path: Path) -> None:
    mine = spaces.var.spaces / "bee"
    mine.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "bowerbird-test", str(mine)], check=True)
    try:
        spaces.know(record("bob", member("bee")))
        bob = spaces.mount("bob")
        found = bob.do("answer = [os.statvfs(path).f_blocks * os.statvfs(path).f_frsize for path in ('teams/bee', 'home')]")
        assert found[0] == 8 << 20 != found[1]
    finally:
        spaces.order(op="unmount", user="bob")
        subprocess.run(["umount", "--lazy", str(mine)], check=True)


WILD = """
import random
dice, ends = random.Random(seed), (0, 1, 4096, 1 << 20, 1 << 24, 1 << 62, (1 << 63) - 1, -1, -(1 << 62))
f = os.open('teams/ant/wild', os.O_RDWR | os.O_CREAT); g = os.open('teams/ant/wild', os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True); libc.copy_file_range.restype = ctypes.c_long
number = lambda: ctypes.c_long(dice.choice(ends) + dice.randint(-2, 2))
def lock():
    kind = dice.choice((0, 1, 2, 3, 7, -1))
    how = dice.choice((fcntl.F_SETLK, fcntl.F_GETLK, 36, 37, 5000))
    fcntl.fcntl(dice.choice((f, g)), how, struct.pack('hhqqi4x', kind, dice.choice((0, 1, 2, 9)), number().value, number().value, 0))
steps = (
    lock, lock, lambda: fcntl.flock(dice.choice((f, g)), dice.choice((1, 2, 8, 32, 64, 255)) | fcntl.LOCK_NB),
    lambda: libc.fallocate(f, dice.choice((1, 3, 16, 17, 255)), number(), number()),
    lambda: os.lseek(f, number().value, dice.choice((os.SEEK_HOLE, os.SEEK_DATA, 77))),
    lambda: libc.copy_file_range(g, ctypes.byref(number()), f, ctypes.byref(number()), number(), 0),
    lambda: os.ftruncate(f, dice.choice((0, 1, 4096))),
)
end = time.monotonic() + 2
answer = 0
while time.monotonic() < end:
    try: dice.choice(steps)()
    except OSError: answer += 1
"""


def test_wild_requests_end_no_worker(spaces: DataRig, whole: Person) -> None:
    worker = spaces.worker("ann")
    code = f"import struct\n{WILD}"
    with whole.start(code, seed=1) as one, whole.start(code, seed=2) as other:
        said = [child.communicate(timeout=60) for child in (one, other)]
    assert all('"answer"' in out for out, _ in said), said
    assert spaces.worker("ann") == worker
    assert whole.do("Path('teams/ant/wild').unlink(); answer = os.listdir('teams/ant') is not None")
