"""A release takes no changes, by any call, from anybody; and it says so as a read-only disk does."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Places

pytestmark = [pytest.mark.root, pytest.mark.fuse]

CHANGES = [
    "open('f', 'w')",
    "open('f', 'a')",
    "os.open('f', os.O_RDWR)",
    "os.open('f', os.O_RDONLY | os.O_TRUNC)",
    "os.open('new', os.O_CREAT | os.O_WRONLY)",
    "os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "os.mkdir('new')",
    "os.mkfifo('new')",
    "os.mknod('new')",
    "os.symlink('f', 'new')",
    "os.link('f', 'new')",
    "os.rename('f', 'new')",
    "os.rename('f', 'd/g')",
    "os.rename('/mnt/home/mine', 'f')",
    "os.rename('f', '/mnt/home/f')",
    "os.unlink('f')",
    "os.rmdir('empty')",
    "os.truncate('f', 0)",
    "os.chmod('f', 0o777)",
    "os.chmod('d', 0o777)",
    "os.chown('f', os.getuid(), -1)",
    "os.utime('f')",
    "os.utime('f', ns=(1, 1))",
    "os.setxattr('f', 'user.a', b'')",
    "os.setxattr('f', 'user.bowerbird.release', b'dr9')",
    "os.removexattr('f', 'user.bowerbird.release')",
    "mmap.mmap(os.open('f', os.O_RDONLY), 4, mmap.MAP_SHARED, mmap.PROT_WRITE)",
    "os.write(os.open('f', os.O_RDONLY), b'x')",
    "os.ftruncate(os.open('f', os.O_RDONLY), 0)",
    "os.posix_fallocate(os.open('f', os.O_RDONLY), 0, 100)",
    "fcntl.lockf(os.open('f', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)",
]


@pytest.fixture(scope="module")
def release(places: Places) -> str:
    """A release with files, a directory and an empty one."""
    top = places.rig.release("sky", "dr1", {"f": b"released", "d/g": b"below"})
    (top / "empty").mkdir(exist_ok=True)
    places.resident("ann").do("Path('home/mine').touch()")
    return "releases/sky/dr1"


@pytest.mark.parametrize("act", CHANGES)
def test_release_refuses_every_change(places: Places, release: str, act: str) -> None:
    with pytest.raises(Failed) as refused:
        places.resident("ann").do(act, release)
    assert refused.value.code in {"EROFS", "EACCES", "EPERM", "EXDEV", "EBADF", "EINVAL", "ENOTSUP", "ENODATA"}
    top = places.rig.var.releases / "sky/dr1"
    assert sorted(path.name for path in top.iterdir() if path.name in {"f", "d", "empty", "new"}) == ["d", "empty", "f"]
    assert (top / "f").read_bytes() == b"released"
    assert (top / "f").stat().st_mtime_ns > 1


def test_release_is_read_by_every_call(places: Places, release: str) -> None:
    found = places.resident("ann").do(
        """
        fd = os.open('f', os.O_RDONLY); m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ); r, w = os.pipe()
        os.sendfile(w, fd, 0, 8); os.copy_file_range(fd, os.open('/mnt/home/copy', os.O_CREAT | os.O_WRONLY), 8, 0)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB); fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        answer = [os.pread(fd, 9, 0), m[:], os.read(r, 9), Path('/mnt/home/copy').read_bytes()]
        answer = [part.decode() for part in answer] + [os.lseek(fd, 0, os.SEEK_END), os.access('f', os.W_OK), os.access('d',
            os.R_OK | os.X_OK)]
        """,
        release,
    )
    assert found == [*["released"] * 4, 8, False, True]
