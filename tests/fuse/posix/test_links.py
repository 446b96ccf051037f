"""Hard links and symbolic links."""

import os
import shutil
from errno import EMLINK

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place, Places

pytestmark = [pytest.mark.root, pytest.mark.fuse]

# More than the 65,000 of ext4.
MOST_NAMES = 70_000
TREE = "Path('f').write_text('f'); os.mkdir('d'); os.symlink('f', 'l'); os.symlink('loop', 'loop'); os.symlink('no where', 'away')\n"
REFUSED = [
    ("os.link('d', 'a')", "EPERM"),
    ("os.link('none', 'a')", "ENOENT"),
    ("os.link('f', 'd')", "EEXIST"),
    ("os.link('f', 'l')", "EEXIST"),
    ("os.link('f', 'away')", "EEXIST"),
    ("os.link('f', 'none/a')", "ENOENT"),
    ("os.link('f', 'f/a')", "ENOTDIR"),
    ("os.chmod('d', 0o500); os.link('f', 'd/a')", "EACCES"),
    ("os.symlink('x', 'f')", "EEXIST"),
    ("os.symlink('x', 'away')", "EEXIST"),
    ("os.symlink('', 'a')", "ENOENT"),
    ("os.symlink('x', 'none/a')", "ENOENT"),
    ("os.symlink('x', 'f/a')", "ENOTDIR"),
    ("os.symlink('x' * 4096, 'a')", "ENAMETOOLONG"),
    ("os.chmod('d', 0o500); os.symlink('x', 'd/a')", "EACCES"),
    ("os.readlink('f')", "EINVAL"),
    ("os.readlink('d')", "EINVAL"),
    ("os.readlink('none')", "ENOENT"),
    ("os.stat('loop')", "ELOOP"),
    ("open('loop/x')", "ELOOP"),
    ("os.chmod('loop', 0o600)", "ELOOP"),
    ("os.truncate('loop', 0)", "ELOOP"),
    ("os.open('l', os.O_RDONLY | os.O_NOFOLLOW)", "ELOOP"),
    ("os.open('l', os.O_WRONLY | os.O_CREAT | os.O_EXCL)", "EEXIST"),
    ("os.open('away', os.O_WRONLY | os.O_CREAT | os.O_EXCL)", "EEXIST"),
    ("os.open('l', os.O_RDONLY | os.O_DIRECTORY)", "ENOTDIR"),
    ("os.stat('l/')", "ENOTDIR"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act.replace("x" * 100, "x") for act, _ in REFUSED])
def test_what_is_no_link_is_refused(place: Place, act: str, errno: str) -> None:
    with pytest.raises(Failed) as refused:
        place.do(TREE + act)
    assert refused.value.code == errno


def test_hard_link_is_the_same_file_for_both(pair: Place) -> None:
    pair.do("Path('a').write_text('one'); os.mkdir('d'); os.link('a', 'd/b')")
    pair.then("answer = [Path('d/b').write_text('two'), os.unlink('a')]")
    found = pair.do("""
        a = os.stat('d/b'); answer = [a.st_nlink, Path('d/b').read_text()]
        os.link('d/b', 'c'); answer += [os.stat('c').st_ino == a.st_ino, os.stat('c').st_nlink, os.stat('d/b').st_nlink]
    """)
    assert found == [1, "two", True, 2, 2]


def test_file_is_written_under_one_name_and_read_under_another_while_both_are_open(pair: Place) -> None:
    pair.do("Path('a').write_text('....'); os.link('a', 'b')")
    pair.begin("""
        b = open('b'); Path('opened').touch()
        while not os.path.exists('written'): time.sleep(0.01)
        answer = [b.read(), os.stat('a').st_size]
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        with open('a', 'r+') as a: a.write('more than four')
        Path('written').touch()
    """)
    assert pair.one.finish() == ["more than four", 14]


def test_link_to_a_symbolic_link_is_that_link(place: Place) -> None:
    found = place.do(TREE + "os.link('l', 'm', follow_symlinks=False); answer = [os.readlink('m'), os.lstat('l').st_nlink]")
    assert found == ["f", 2]


def test_open_file_is_linked_by_its_descriptor(place: Place) -> None:
    found = place.do("""
        f = open('a', 'w+'); f.write('kept'); f.flush()
        if ctypes.CDLL(None, use_errno=True).linkat(-100, b'/proc/self/fd/%d' % f.fileno(), -100, b'b', 0x400):
            raise OSError(ctypes.get_errno(), 'linkat')
        os.unlink('a'); answer = [Path('b').read_text(), os.fstat(f.fileno()).st_nlink]
    """)
    assert found == ["kept", 1]


def test_symbolic_link_says_what_was_written(pair: Place) -> None:
    targets = ["/etc/../no where//x", "f", ".", "..", "/", "a/", "é\n\x01", "t" * 4095]
    pair.do("for n, target in enumerate(targets): os.symlink(target, f'l{n}')", targets=targets)
    found = pair.then("answer = [[os.readlink(f'l{n}'), os.lstat(f'l{n}').st_size] for n in range(count)]", count=len(targets))
    assert found == [[target, len(target.encode())] for target in targets]


def test_symbolic_link_leads_on(place: Place) -> None:
    found = place.do(TREE + """
os.symlink('d', 'e'); Path('e/x').write_text('x'); os.symlink('../l', 'd/up'); os.symlink('new', 'maker'); Path('maker').write_text('made')
answer = [Path('l').read_text(), Path('d/x').read_text(), Path('e/up').read_text(), Path('new').read_text(),
    stat.S_ISLNK(os.lstat('maker').st_mode)]
""")  # fmt: skip
    assert found == ["f", "x", "f", "made", True]


def test_forty_links_in_a_row_are_followed_and_one_more_is_not(place: Place) -> None:
    found = place.do("""
        Path('l0').write_text('end')
        for n in range(1, 42): os.symlink(f'l{n - 1}', f'l{n}')
        answer = Path('l40').read_text()
        try: open('l41')
        except OSError as error: answer = [answer, errno.errorcode[error.errno]]
    """)
    assert found == ["end", "ELOOP"]


def test_link_itself_is_opened_owned_and_dated(place: Place) -> None:
    found = place.do(TREE + """
fd = os.open('l', os.O_PATH | os.O_NOFOLLOW); os.chown('away', os.getuid(), os.getgid(), follow_symlinks=False)
os.utime('away', ns=(1, 2), follow_symlinks=False)
answer = [os.readlink('', dir_fd=fd), stat.S_ISLNK(os.fstat(fd).st_mode), os.lstat('away').st_mtime_ns, oct(os.lstat('away').st_mode)]
""")  # fmt: skip
    assert found == ["f", True, 2, "0o120777"]


def test_links_and_moves_stay_in_their_space(places: Places) -> None:
    ann = places.person("ann")
    for act in ("os.link('home/crossing', 'teams/ant/crossing')", "os.rename('home/crossing', 'teams/ant/crossing')"):
        with pytest.raises(Failed, match="EXDEV"):
            ann.do("Path('home/crossing').touch(); " + act)
    ann.sh("mv home/crossing teams/ant/crossing; test -f teams/ant/crossing; test ! -e home/crossing")
    assert (places.rig.var.spaces / "ant/crossing").stat().st_gid == 612001


def test_release_gives_no_links_and_takes_none(places: Places) -> None:
    ann = places.person("ann")
    for act in ("os.link('releases/sky/dr1/README', 'home/a')", "Path('home/b').touch(); os.link('home/b', 'releases/sky/dr1/b')"):
        with pytest.raises(Failed, match=r"EXDEV|EROFS|EACCES|EPERM|ENOENT"):
            ann.do(act)


def test_link_that_takes_a_directorys_place_is_never_followed_for_who_asked_not_to(pair: Place) -> None:
    pair.do("""
        for top, text in (('mine', 'mine'), ('theirs', 'theirs')):
            os.mkdir(top); Path(top, 'secret').write_text(text)
        os.symlink('theirs', 'swap')
    """)
    # openat2(2) with RESOLVE_NO_SYMLINKS: whoever reads "theirs" got it by a link that our side followed.
    pair.begin("""
        libc, found, how = ctypes.CDLL(None, use_errno=True), {}, struct.pack('QQQ', os.O_RDONLY, 0, 4)
        Path('began').touch()
        while 'done' not in found:
            fd = libc.syscall(437, -100, b'mine/secret', how, 24)
            what = os.read(fd, 9).decode() if fd >= 0 else errno.errorcode[ctypes.get_errno()]
            found[what] = found.get(what, 0) + 1
            if fd >= 0: os.close(fd)
            if os.path.exists('done'): found['done'] = 1
        answer = sorted(found)
    """)
    pair.then("""
        libc = ctypes.CDLL(None)
        while not os.path.exists('began'): time.sleep(0.01)
        for _ in range(400): libc.renameat2(-100, b'mine', -100, b'swap', 2)
        Path('done').touch()
    """)
    found = pair.one.finish()
    assert "mine" in found
    assert "theirs" not in found


def test_one_name_too_many_is_refused_as_the_disk_refuses_it(apart: Place) -> None:
    apart.do("Path('f').write_text('text'); os.mkdir('names')")
    names = 1
    try:
        while names < MOST_NAMES:
            os.link(apart.backing / "f", apart.backing / f"names/{names}")
            names += 1
    except OSError as error:
        if error.errno != EMLINK:
            raise
    else:
        pytest.skip(f"needs a disk that knows a most of names: this one gave {MOST_NAMES}")
    for code in ("os.link('f', 'more')", "os.link('names/7', 'names/more')"):
        with pytest.raises(Failed, match="EMLINK"):
            apart.do(code)
    os.unlink(apart.backing / "names/9")
    assert apart.do("os.link('f', 'more'); answer = [os.stat('more').st_nlink, Path('more').read_text()]") == [names, "text"]
    shutil.rmtree(apart.backing / "names")
