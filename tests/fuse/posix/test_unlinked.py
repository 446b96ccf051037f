"""What is removed while somebody has it open, and what cannot be removed."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

TREE = "Path('f').touch(); os.makedirs('d/sub'); os.symlink('d', 'l'); os.symlink('no where', 'away')\n"
REFUSED = [
    ("os.unlink('none')", "ENOENT"),
    ("os.unlink('none/f')", "ENOENT"),
    ("os.unlink('f/')", "ENOTDIR"),
    ("os.unlink('f/x')", "ENOTDIR"),
    ("os.unlink('d')", "EISDIR"),
    ("os.unlink('l/')", "ENOTDIR"),
    ("os.unlink('n' * 256)", "ENAMETOOLONG"),
    ("os.unlink('')", "ENOENT"),
    ("os.chmod('d', 0o500); os.mkdir('d/sub/x'); os.rmdir('d/sub/x'); os.rmdir('d/sub')", "EACCES"),
    ("os.rmdir('none')", "ENOENT"),
    ("os.rmdir('f')", "ENOTDIR"),
    ("os.rmdir('l')", "ENOTDIR"),
    ("os.rmdir('d')", "ENOTEMPTY"),
    ("os.rmdir('d/sub/.')", "EINVAL"),
    ("os.rmdir('d/sub/..')", "ENOTEMPTY"),
    ("os.rmdir('n' * 256)", "ENAMETOOLONG"),
    ("os.stat('away')", "ENOENT"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_cannot_be_removed_is_refused_and_left(place: Place, act: str, errno: str) -> None:
    place.do(TREE)
    with pytest.raises(Failed) as refused:
        place.do(act)
    assert refused.value.code == errno
    assert place.do("os.chmod('d', 0o755); answer = [sorted(os.listdir('.')), os.listdir('d')]") == [["away", "d", "f", "l"], ["sub"]]


def test_file_works_on_after_its_name_is_gone(place: Place) -> None:
    found = place.do("""
        f = open('a', 'w+b')
        f.write(b'before'); f.flush()
        os.unlink('a')
        f.write(b' after'); f.flush()
        os.ftruncate(f.fileno(), 9); os.fchmod(f.fileno(), 0o600); os.utime(f.fileno(), ns=(5, 7))
        st = os.fstat(f.fileno()); f.seek(0)
        answer = [f.read().decode(), st.st_nlink, st.st_size, st.st_mtime_ns, oct(st.st_mode), os.path.exists('a'), os.listdir('.')]
    """)
    assert found == ["before af", 0, 9, 7, "0o100600", False, []]


def test_file_that_the_other_removed_works_on(pair: Place) -> None:
    pair.do("Path('a').write_text('before')")
    pair.begin("""
        f = open('a', 'r+b'); Path('opened').touch()
        while os.path.exists('a'): time.sleep(0.01)
        f.seek(0, 2); f.write(b' after'); f.flush(); os.fsync(f.fileno()); f.seek(0)
        os.fchmod(f.fileno(), 0o640); os.setxattr(f.fileno(), 'user.x', b'1')
        st = os.fstat(f.fileno())
        answer = [f.read().decode(), st.st_size, oct(st.st_mode), os.getxattr(f.fileno(), 'user.x').decode()]
        with contextlib.closing(mmap.mmap(f.fileno(), 0)) as m: m[0:1] = b'B'
        f.seek(0); answer.append(f.read(1).decode())
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        os.unlink('a'); Path('other').touch()
    """)
    assert pair.one.finish() == ["before after", 12, "0o100640", "1", "B"]


def test_removed_file_has_no_name_left_as_the_one_who_has_it_open_sees(pair: Place) -> None:
    pair.do("Path('a').touch(); os.link('a', 'b')")
    pair.begin("""
        f = open('a'); answer = [os.fstat(f.fileno()).st_nlink]; Path('opened').touch()
        for name in ('a', 'b'):
            while os.path.exists(name): time.sleep(0.01)
            answer.append(os.fstat(f.fileno()).st_nlink); Path('seen-' + name).touch()
    """)
    pair.then("""
        for name, sign in (('a', 'opened'), ('b', 'seen-a')):
            while not os.path.exists(sign): time.sleep(0.01)
            os.unlink(name)
    """)
    assert pair.one.finish() == [2, 1, 0]


def test_file_without_a_name_gets_none_again(place: Place) -> None:
    with pytest.raises(Failed, match="ENOENT"):
        place.do("""
            f = open('a', 'w'); os.unlink('a')
            if ctypes.CDLL(None, use_errno=True).linkat(-100, b'/proc/self/fd/%d' % f.fileno(), -100, b'b', 0x400):
                raise OSError(ctypes.get_errno(), 'linkat')
        """)


def test_new_file_under_the_name_of_an_open_one_is_another(pair: Place) -> None:
    pair.do("Path('a').write_text('old')")
    pair.begin("""
        old = open('a'); Path('opened').touch()
        while not os.path.exists('made'): time.sleep(0.01)
        answer = [old.read(), Path('a').read_text(), os.fstat(old.fileno()).st_ino != os.stat('a').st_ino]
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        os.unlink('a'); Path('a').write_text('new'); Path('made').touch()
    """)
    assert pair.one.finish() == ["old", "new", True]


def test_hundreds_of_removed_files_are_read_and_written_on(place: Place) -> None:
    found = place.do("""
        files = []
        for n in range(300):
            files.append(os.open('a', os.O_CREAT | os.O_EXCL | os.O_RDWR)); os.write(files[-1], b'%03d' % n); os.unlink('a')
        for n, fd in enumerate(files): os.pwrite(fd, b'x', 3)
        answer = [all(os.pread(fd, 9, 0) == b'%03dx' % n for n, fd in enumerate(files)), os.listdir('.')]
    """)
    assert found == [True, []]
