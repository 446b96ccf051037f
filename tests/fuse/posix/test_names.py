"""Names and paths of every kind and length."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

TOO_LONG = [
    "os.open(name, os.O_CREAT | os.O_WRONLY)",
    "os.mkdir(name)",
    "os.mkfifo(name)",
    "os.symlink('f', name)",
    "os.link('f', name)",
    "os.rename('f', name)",
    "os.rename(name, 'a')",
    "os.stat(name)",
    "os.lstat(name)",
    "os.unlink(name)",
    "os.rmdir(name)",
    "os.readlink(name)",
    "os.truncate(name, 0)",
    "os.listxattr(name)",
    "os.stat('f/../' + name)",
]


def test_every_byte_but_slash_and_nul_may_stand_in_a_name(pair: Place) -> None:
    single = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    strange = [b"\xff" * 255, b"...", b".a", b"-rf", b"a\nb", b"a ", "é".encode(), b"e\xcc\x81", b"EE", b".fuse_hidden0001", b".git"]
    names = sorted({*single, *(byte * 2 for byte in single), *strange})
    pair.do("for name in names: os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))", names=names)
    found = pair.then(
        """
        answer = sorted(os.listdir(b'.')) == names
        for name in names:
            os.rename(name, b'a new name'); os.stat(b'a new name'); os.rename(b'a new name', name); os.unlink(name)
        answer = [answer, os.listdir('.')]
        """,
        names=names,
    )
    assert found == [True, []]


@pytest.mark.parametrize("act", TOO_LONG)
def test_name_of_256_bytes_is_too_long(place: Place, act: str) -> None:
    with pytest.raises(Failed) as refused:
        place.do("Path('f').touch()\nname = 'é' * 128\n" + act)
    assert refused.value.code == ("ENOTDIR" if "f/.." in act else "ENAMETOOLONG")


def test_name_of_255_bytes_is_a_name_for_everything(place: Place) -> None:
    found = place.do("""
        a, b = 'a' * 255, 'b' * 255
        os.mkdir(a); os.rename(a, b); Path(b, a).write_text('x'); os.link(b + '/' + a, a); os.symlink(a, 'l'); os.chmod(a, 0o600)
        answer = [Path('l').read_text(), os.listdir(b) == [a], os.stat(a).st_nlink, len(os.readlink('l'))]
    """)
    assert found == ["x", True, 2, 255]


def test_path_of_4095_bytes_is_opened_and_one_of_4096_is_not(place: Place) -> None:
    found = place.do("""
        part = 'd' * 200; deep = '/'.join([part] * 20)
        os.makedirs(deep); rest = 4095 - len(deep) - 1
        Path(deep, 'f' * rest).write_text('far')
        path = deep + '/' + 'f' * rest; answer = [len(path), open(path).read()]
        for longer in (deep + '/' + 'f' * (rest + 1), './' + path, '/' * 5000 + 'x'):
            try: open(longer)
            except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == [4095, "far", *["ENAMETOOLONG"] * 3]


def test_paths_as_deep_as_a_program_can_go(pair: Place) -> None:
    down = "for _ in range(40): os.chdir('d' * 200)\n"
    pair.do("for _ in range(40):\n    os.mkdir('d' * 200); os.chdir('d' * 200)\nPath('bottom').write_text('8000 bytes down')")
    assert pair.then(down + "os.rename('bottom', 'floor'); answer = [Path('floor').read_text(), os.listdir('.')]") == [
        "8000 bytes down",
        ["floor"],
    ]
    assert pair.do(down + "for _ in range(40): os.chdir('..')\nanswer = os.listdir('.') == ['d' * 200]")


def test_dots_and_slashes_lead_where_they_always_lead(place: Place) -> None:
    found = place.do("""
        os.makedirs('a/b'); Path('a/f').write_text('f')
        answer = [Path(p).read_text() for p in ('a//f', './a/./f', 'a/b/../f', 'a/../a/f')]
        answer += [os.stat('a/b/..').st_ino == os.stat('a').st_ino == os.stat('a/').st_ino]
        for path in ('a/f/', 'a/f/.', 'a/f/..'):
            try: os.stat(path)
            except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == [*"ffff", True, *["ENOTDIR"] * 3]


def test_ways_up_end_at_the_top_of_the_view_as_anywhere(place: Place) -> None:
    assert place.do("answer = [os.path.samefile('../' * 60, '/'), os.path.samefile(os.getcwd(), '.')]") == [True, True]
