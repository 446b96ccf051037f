"""rename(2) and renameat2(2): what they move, what they replace, what they refuse, and what others see of it."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

FLAGS = """
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags):
        raise OSError(ctypes.get_errno(), 'renameat2')
"""
TREE = "Path('f').write_text('f'); os.makedirs('d/sub'); os.mkdir('empty'); Path('d/x').write_text('x'); os.symlink('no where', 'l')\n"
REFUSED = [
    ("os.rename('none', 'a')", "ENOENT"),
    ("os.rename('f', 'none/a')", "ENOENT"),
    ("os.rename('f/x', 'a')", "ENOTDIR"),
    ("os.rename('f', 'f/a')", "ENOTDIR"),
    ("os.rename('f', 'a/')", "ENOTDIR"),
    ("os.rename('empty', 'f')", "ENOTDIR"),
    ("os.rename('empty', 'l')", "ENOTDIR"),
    ("os.rename('f', 'empty')", "EISDIR"),
    ("os.rename('l', 'empty')", "EISDIR"),
    ("os.rename('empty', 'd')", "ENOTEMPTY"),
    ("os.rename('d', 'd/sub/d')", "EINVAL"),
    ("os.rename('d', 'd/d')", "EINVAL"),
    ("os.rename('d/sub', 'd')", "ENOTEMPTY"),
    ("os.rename('d/.', 'a')", "EBUSY"),
    ("os.rename('d', 'a/..')", "ENOENT"),
    ("os.rename('empty', 'd/..')", "EBUSY"),
    ("os.rename('f', 'n' * 256)", "ENAMETOOLONG"),
    ("os.rename('n' * 256, 'a')", "ENAMETOOLONG"),
    ("os.rename('', 'a')", "ENOENT"),
    ("os.chmod('d', 0o500); os.rename('d/x', 'a')", "EACCES"),
    ("os.chmod('d', 0o500); os.rename('f', 'd/a')", "EACCES"),
    ("os.chmod('d', 0); os.rename('f', 'd/a')", "EACCES"),
    ("renameat2('f', 'd', NOREPLACE)", "EEXIST"),
    ("renameat2('d', 'empty', NOREPLACE)", "EEXIST"),
    ("renameat2('f', 'l', NOREPLACE)", "EEXIST"),
    ("renameat2('f', 'f', NOREPLACE)", "EEXIST"),
    ("renameat2('none', 'a', NOREPLACE)", "ENOENT"),
    ("renameat2('d', 'd/sub/a', NOREPLACE)", "EINVAL"),
    ("renameat2('f', 'none', EXCHANGE)", "ENOENT"),
    ("renameat2('none', 'f', EXCHANGE)", "ENOENT"),
    ("renameat2('d', 'd/sub', EXCHANGE)", "EINVAL"),
    ("renameat2('d/sub', 'd', EXCHANGE)", "EINVAL"),
    ("renameat2('f', 'd', NOREPLACE | EXCHANGE)", "EINVAL"),
    ("renameat2('f', 'a', WHITEOUT | EXCHANGE)", "EINVAL"),
    ("renameat2('f', 'a', 8)", "EINVAL"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_cannot_be_renamed_is_refused_and_left(place: Place, act: str, errno: str) -> None:
    before = place.do(TREE + "answer = sorted(os.popen('ls -R').read())")
    with pytest.raises(Failed) as refused:
        place.do(FLAGS + act)
    assert refused.value.code == errno
    assert place.do("os.chmod('d', 0o755); answer = sorted(os.popen('ls -R').read())") == before


def test_rename_replaces_a_file_that_is_open(pair: Place) -> None:
    pair.do("Path('a').write_text('a'); Path('b').write_text('b')")
    pair.begin("""
        b = open('b'); Path('opened').touch()
        while os.path.exists('a'): time.sleep(0.01)
        st = os.fstat(b.fileno())
        answer = [sorted(os.listdir('.')), Path('b').read_text(), b.read(), st.st_size, st.st_nlink]
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        os.rename('a', 'b')
    """)
    assert pair.one.finish() == [["b", "opened"], "a", "b", 1, 0]


def test_directory_moves_with_all_below_it(place: Place) -> None:
    found = place.do("""
        os.makedirs('a/b/c'); Path('a/b/c/f').write_text('deep'); f = open('a/b/c/f'); os.chdir('a/b')
        os.rename('../../a', '../../z')
        answer = [Path('c/f').read_text(), Path('../../z/b/c/f').read_text(), f.read(), os.path.exists('../../a')]
        os.rename('c', 'd'); answer.append(Path('../../z/b/d/f').read_text())
    """)
    assert found == ["deep", "deep", "deep", False, "deep"]


def test_one_of_two_names_of_a_file_renamed_to_the_other_changes_nothing(place: Place) -> None:
    found = place.do(
        FLAGS + "Path('a').touch(); os.link('a', 'b'); os.rename('a', 'b'); os.rename('a', 'a')\nanswer = sorted(os.listdir('.'))"
    )
    assert found == ["a", "b"]


def test_renamed_file_is_the_same_file(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('a'); os.utime('a', ns=(3, 5)); os.mkdir('d'); before = os.stat('a')
        os.rename('a', 'd/b'); after = os.stat('d/b')
        answer = [before.st_ino == after.st_ino, after.st_mtime_ns, before.st_ctime_ns <= after.st_ctime_ns]
    """)
    assert found == [True, 5, True]


def test_rename_changes_the_times_of_both_directories_and_their_counts(place: Place) -> None:
    found = place.do("""
        os.makedirs('a/sub'); os.mkdir('b'); os.utime('a', ns=(1, 1)); os.utime('b', ns=(1, 1))
        os.rename('a/sub', 'b/sub'); a, b = os.stat('a'), os.stat('b')
        answer = [a.st_mtime_ns > 1, b.st_mtime_ns > 1, a.st_nlink, b.st_nlink, os.stat('b/sub/..').st_ino == b.st_ino]
    """)
    assert found == [True, True, 2, 3, True]


def test_symbolic_link_is_moved_and_not_what_it_names(place: Place) -> None:
    found = place.do(TREE + "os.symlink('f', 's'); os.rename('s', 't'); os.rename('l', 'f'); answer = [os.readlink('t'), os.readlink('f')]")
    assert found == ["f", "no where"]


def test_rename_without_replacing_moves_to_a_free_name(pair: Place) -> None:
    pair.do(TREE + FLAGS + "renameat2('f', 'g', NOREPLACE); renameat2('d', 'e', NOREPLACE)")
    assert pair.then("answer = [sorted(os.listdir('.')), Path('g').read_text(), Path('e/x').read_text()]") == [
        ["e", "empty", "g", "l"],
        "f",
        "x",
    ]


def test_exchange_swaps_whatever_the_two_names_are(pair: Place) -> None:
    pair.do(TREE)
    pair.then("Path('f').read_text(); Path('d/x').read_text(); os.readlink('l')")
    pair.do(FLAGS + "renameat2('f', 'd', EXCHANGE); renameat2('l', 'd', EXCHANGE); renameat2('f', 'empty', EXCHANGE)")
    found = pair.then("answer = [Path('l').read_text(), os.readlink('d'), Path('empty/x').read_text(), os.listdir('f')]")
    assert found == ["f", "no where", "x", []]
    assert pair.do("answer = [os.stat(n).st_nlink for n in ('empty', 'f')]") == [3, 2]


def test_exchanged_directories_take_open_files_and_who_stands_in_them_along(place: Place) -> None:
    found = place.do(FLAGS + """
        os.makedirs('p/a/in'); os.makedirs('q/b/in'); Path('p/a/in/f').write_text('of a'); Path('q/b/in/f').write_text('of b')
        """.replace("        ", "") + """
f = open('p/a/in/f'); os.chdir('p/a/in'); renameat2('../../../p/a', '../../../q/b', EXCHANGE)
answer = [f.read(), Path('f').read_text(), Path('../../../q/b/in/f').read_text(), Path('../../../p/a/in/f').read_text()]
answer.append(os.stat('../..').st_ino == os.stat('../../../q').st_ino)
""")  # fmt: skip
    assert found == ["of a", "of a", "of a", "of b", True]


def test_two_who_move_the_same_file_move_it_once(pair: Place) -> None:
    pair.do("for n in range(100): Path(f'f{n}').touch()\nfor d in ('one', 'other'): os.mkdir(d)")
    code = """
        answer = 0
        for n in range(100):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f'f{n}', f'{to}/f{n}'); answer += 1
    """
    pair.begin(code, to="one")
    moved = pair.then(code, to="other") + pair.one.finish()
    assert moved == 100
    assert pair.do("answer = [len(os.listdir(d)) for d in ('.', 'one', 'other')]")[0] == 2
