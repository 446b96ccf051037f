"""What a descriptor that was open when a right was lost can still do: be closed. `docs/sharing-files.md` says the same."""

import contextlib
from collections.abc import Iterator
from signal import SIGBUS

import pytest

from tests.fuse.test_data_access import changed
from tests.support.data_rig import DataRig, Failed, Person, eventually, member, record
from tests.support.resident import Resident

pytestmark = [pytest.mark.root, pytest.mark.fuse]

OPENED = """
def tried(act, *arguments):
    try: return act(*arguments)
    except OSError as error: return errno.errorcode[error.errno]
def fault(m, at):
    # In a child: a page that is refused is a signal.
    child = os.fork()
    if not child:
        m[at]; os._exit(0)
    return -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
team, cubes = 'teams/ant', 'releases/sky/dr2/cubes'
os.mkdir(f'{team}/d'); Path(f'{team}/d/f').write_bytes(b'x' * 65536); os.truncate(f'{team}/d/f', 16 << 20)
f, r = os.open(f'{team}/d/f', os.O_RDWR), os.open(f'{cubes}/deep.fits', os.O_RDONLY)
d, s, top = os.open(f'{team}/d', os.O_RDONLY), os.open(cubes, os.O_RDONLY), os.open(team, os.O_RDONLY)
fcntl.lockf(f, fcntl.LOCK_EX, 10)
m, n = mmap.mmap(f, 16 << 20), mmap.mmap(r, 0, access=mmap.ACCESS_READ)
m.madvise(mmap.MADV_RANDOM); n.madvise(mmap.MADV_RANDOM)
h = os.open('home/h', os.O_RDWR | os.O_CREAT)
answer = [m[0], n[1], os.listdir(d), os.listdir(s), len(os.pread(f, 100, 0))]
"""


@pytest.fixture
def holder(ann: Person) -> Iterator[Resident]:
    """Ann, with files and directories of a release and of her team's space open and mapped."""
    with contextlib.closing(Resident(ann, keep=True)) as resident:
        assert resident.do(OPENED) == [120, 1, ["f"], ["deep.fits"], 100]
        yield resident


@pytest.fixture
def outsider(rig: DataRig, ann: Person, holder: Resident) -> Resident:
    """She, after she has lost the team."""
    rig.know(record("ann", version=2))
    eventually(lambda: ann.do("answer = os.path.exists('teams/ant') or os.path.exists('releases/sky/dr2')") is False)
    rig.worker("ann")
    return holder


# Each does one thing with what was open; none of them may come to anything.
FILE = """
    os.pread(f, 10, 0) | os.pwrite(f, b'new', 0) | os.ftruncate(f, 0) | os.posix_fallocate(f, 0, 1 << 20) | os.fsync(f) | os.fstat(f)
    os.fchmod(f, 0o600) | os.setxattr(f, 'user.a', b'x') | os.getxattr(f, 'user.a') | os.listxattr(f) | os.utime(f)
    fcntl.lockf(f, fcntl.LOCK_EX, 10, 100) | fcntl.flock(f, fcntl.LOCK_EX) | os.lseek(f, 0, os.SEEK_HOLE)
    os.copy_file_range(f, f, 10, 0, 1 << 17) | os.open(f'/proc/self/fd/{f}', os.O_RDONLY) | os.open(f'/proc/self/fd/{f}', os.O_RDWR)
"""
RELEASED = """
    os.pread(r, 10, 0) | os.pread(r, 10, 500_000) | os.fstat(r) | os.lseek(r, 0, os.SEEK_DATA) | os.listxattr(r)
    os.open(f'/proc/self/fd/{r}', os.O_RDONLY) | os.copy_file_range(r, h, 10, 0)
"""
DIRECTORY = """
    os.listdir(d) | os.fstat(d) | os.fsync(d) | os.fchdir(d) | os.stat('f', dir_fd=d) | os.open('f', os.O_RDONLY, dir_fd=d)
    os.mkdir('new', dir_fd=d) | os.unlink('f', dir_fd=d) | os.rename('f', 'g', src_dir_fd=d, dst_dir_fd=d)
    os.link('f', 'g', src_dir_fd=d, dst_dir_fd=d) | os.symlink('f', 'g', dir_fd=d) | os.listdir(top) | os.stat('d', dir_fd=top)
    os.listdir(s) | os.stat('deep.fits', dir_fd=s) | os.open('deep.fits', os.O_RDONLY, dir_fd=s) | os.fchdir(s)
"""


@pytest.mark.parametrize("pieces", [FILE, RELEASED, DIRECTORY], ids=["file of a space", "file of a release", "directory"])
def test_descriptor_does_nothing_any_more(rig: DataRig, outsider: Resident, pieces: str) -> None:
    team = rig.var.spaces / "ant"
    before = (team / "d/f").stat()
    tries = [piece.strip() for line in pieces.strip().splitlines() for piece in line.split(" | ") if not piece.isspace()]
    came_to = outsider.do("answer = {piece: str(tried(eval, piece)) for piece in tries}", tries=tries)
    assert {piece: end for piece, end in came_to.items() if end not in {"ESTALE", "EACCES"}} == {}
    assert [path.name for path in team.rglob("*")] == ["d", "f"]
    assert (team / "d/f").stat() == before


def test_mapped_pages_are_gone_also_those_that_were_there(outsider: Resident) -> None:
    assert outsider.do("answer = [fault(m, 0), fault(m, 8 << 20), fault(n, 1), fault(n, 1 << 19)]") == [SIGBUS] * 4
    assert outsider.do("answer = tried(m.flush)") == "EACCES"


def test_what_was_open_can_be_closed_and_the_lock_is_free(rig: DataRig, outsider: Resident) -> None:
    outsider.do("m.close(); n.close(); [os.close(fd) for fd in (f, r, d, s, top)]")
    rig.know(record("bob", member("ant"), version=2))
    rig.mount("bob").do("f = open('teams/ant/d/f', 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)")


def test_right_that_comes_back_opens_it_again(rig: DataRig, ann: Person, outsider: Resident) -> None:
    rig.know(record("ann", member("ant"), version=3))
    eventually(lambda: ann.do("answer = os.path.exists('teams/ant/d/f')"))
    rig.worker("ann")
    assert outsider.do("answer = [len(os.pread(f, 10, 0)), os.pwrite(f, b'new', 0), len(os.pread(r, 10, 0)), os.listdir(d)]") == [
        *(10, 3, 10, ["f"])
    ]


def test_public_file_that_the_kernel_reads_is_read_to_its_end(rig: DataRig, ann: Person) -> None:
    if "the kernel reads public files" not in rig.log.read_text():
        pytest.skip("this kernel has no FUSE_PASSTHROUGH")
    path = "releases/sky/dr1/cubes/deep.fits"
    with contextlib.closing(Resident(ann, keep=True)) as reader:
        reader.do("fd = os.open(path, os.O_RDONLY)", path=path)
        rig.feed.platform(changed(rig.platform, "dr1", public=False, teams=["bee"]))
        eventually(lambda: ann.do("answer = os.path.exists(path)", path=path) is False)
        rig.worker("ann")
        assert reader.do("answer = [len(os.pread(fd, 1 << 20, at)) for at in (0, 1 << 20)]") == [1 << 20, 0]
        with pytest.raises(Failed, match="ESTALE"):
            reader.do("os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)")
