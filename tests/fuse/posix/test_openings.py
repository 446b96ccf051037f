"""open(2): its flags, what it refuses, and many at once."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

REFUSED = [
    ("os.open('none', os.O_RDONLY)", "ENOENT"),
    ("os.open('none/f', os.O_CREAT | os.O_WRONLY)", "ENOENT"),
    ("os.open('f/x', os.O_CREAT | os.O_WRONLY)", "ENOTDIR"),
    ("os.open('new/', os.O_CREAT | os.O_WRONLY)", "EISDIR"),
    ("os.open('f', os.O_CREAT | os.O_EXCL | os.O_WRONLY)", "EEXIST"),
    ("os.open('d', os.O_CREAT | os.O_EXCL | os.O_WRONLY)", "EEXIST"),
    ("os.open('', os.O_CREAT | os.O_WRONLY)", "ENOENT"),
    ("os.chmod('f', 0o444); os.open('f', os.O_WRONLY)", "EACCES"),
    ("os.chmod('f', 0o444); os.open('f', os.O_RDONLY | os.O_TRUNC)", "EACCES"),
    ("os.chmod('f', 0o222); os.open('f', os.O_RDONLY)", "EACCES"),
    ("os.chmod('d', 0o500); os.open('d/new', os.O_CREAT | os.O_WRONLY)", "EACCES"),
    ("os.write(os.open('f', os.O_PATH), b'x')", "EBADF"),
    ("os.mkfifo('p'); os.open('p', os.O_WRONLY | os.O_NONBLOCK)", "ENXIO"),
    ("socket.socket(socket.AF_UNIX).bind('s'); os.open('s', os.O_RDONLY)", "ENXIO"),
    ("os.chmod('f', 0o755); w = open('f', 'a'); subprocess.run(['./f'])", "ETXTBSY"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_cannot_be_opened_is_refused_and_left(place: Place, act: str, errno: str) -> None:
    place.do("Path('f').write_text('inside'); os.mkdir('d')")
    with pytest.raises(Failed) as refused:
        place.do(act)
    assert refused.value.code == errno
    assert place.do("os.chmod('f', 0o600); answer = [Path('f').read_text(), os.path.exists('new')]") == ["inside", False]


def test_exclusive_creation_happens_once_whoever_comes_first(pair: Place) -> None:
    code = """
        answer = 0
        for n in range(100):
            with contextlib.suppress(FileExistsError):
                os.close(os.open(f'f{n}', os.O_CREAT | os.O_EXCL | os.O_WRONLY)); answer += 1
    """
    pair.begin(code)
    assert pair.then(code) + pair.one.finish() == 100


def test_emptied_at_open(pair: Place) -> None:
    pair.do("Path('a').write_bytes(b'x' * 9000)")
    pair.then("os.close(os.open('a', os.O_WRONLY | os.O_TRUNC)); os.close(os.open('b', os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o444))")
    assert pair.do("answer = [Path('a').read_bytes() == b'', os.stat('b').st_size, oct(os.stat('b').st_mode)]") == [True, 0, "0o100444"]


def test_descriptors_share_their_place_or_have_their_own(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('abcdefghij'); fd = os.open('a', os.O_RDWR)
        same, own = os.dup(fd), os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)
        answer = [os.read(fd, 2), os.read(same, 2), os.read(own, 2)]
        pid = os.fork()
        if not pid:
            os.read(fd, 2); os._exit(0)
        os.waitpid(pid, 0); answer.append(os.read(fd, 2)); os.close(fd); answer.append(os.read(same, 2))
        answer = [part.decode() for part in answer]
    """)
    assert found == ["ab", "cd", "ab", "gh", "ij"]


def test_same_path_is_opened_by_the_ways_that_open_less(place: Place) -> None:
    found = place.do("""
        Path('f').write_text('f'); os.mkdir('d'); os.symlink('f', 'l')
        path = os.open('f', os.O_PATH); d = os.open('d', os.O_PATH | os.O_DIRECTORY); os.utime('f', ns=(1, 1))
        answer = [os.fstat(path).st_size, os.open('../f', os.O_RDONLY, dir_fd=d) > 0, os.read(os.open(f'/proc/self/fd/{path}',
            os.O_RDONLY), 9).decode()]
        answer.append(os.read(os.open('f', os.O_RDONLY | os.O_NOATIME), 9).decode())
    """)
    assert found == [1, True, "f", "f"]


def test_file_without_a_name_is_given_one_or_refused_in_time(place: Place) -> None:
    found = place.do("""
        try: fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error: answer = errno.errorcode[error.errno]
        else:
            os.write(fd, b'whole')
            ctypes.CDLL(None).linkat(-100, b'/proc/self/fd/%d' % fd, -100, b'named', 0x400); answer = Path('named').read_text()
    """)
    assert found == "whole" if place.kind == "native directory" else found in {"whole", "ENOTSUP"}
    assert place.do("answer = os.listdir('.')") == (["named"] if found == "whole" else [])


def test_two_thousand_files_are_open_at_once(place: Place) -> None:
    found = place.do("""
        Path('same').write_text('same'); fds = []
        for n in range(1000):
            fds.append(os.open(f'f{n}', os.O_CREAT | os.O_RDWR)); os.write(fds[-1], b'%d' % n)
            fds.append(os.open('same', os.O_RDONLY))
        answer = [all(os.pread(fds[2 * n], 9, 0) == b'%d' % n and os.pread(fds[2 * n + 1], 9, 0) == b'same' for n in range(1000)),
            len(set(fds))]
    """)
    assert found == [True, 2000]


def test_eight_readers_read_what_is_there(pair: Place) -> None:
    pair.do("""
        for n in range(8): Path(f'f{n}').write_bytes(random.Random(n).randbytes(1 << 20))
    """)
    found = pair.then("""
        digests = [hashlib.sha256(random.Random(n).randbytes(1 << 20)).hexdigest() for n in range(8)]
        def read():
            pid = os.fork()
            if not pid:
                try: os._exit(any(hashlib.sha256(Path(f'f{n}').read_bytes()).hexdigest() != digests[n] for n in range(8)))
                finally: os._exit(9)
            return pid
        answer = [os.waitpid(pid, 0)[1] for pid in [read() for _ in range(8)]]
    """)
    assert found == [0] * 8


def test_figures_of_the_disk(place: Place) -> None:
    found = place.do("""
        v, f = os.statvfs('.'), os.fstatvfs(os.open('.', os.O_RDONLY))
        answer = [v.f_blocks >= v.f_bavail > 0, v.f_namemax, f.f_blocks == v.f_blocks]
    """)
    assert found == [True, 255, True]
