"""Renaming what somebody else has moved meanwhile, without having looked: where the kernel still knows it is nobody's concern."""

import pytest

from tests.support.data_rig import eventually
from tests.support.places import VIEWS, Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

TREE = "for path in ('a/sub/in', 'b', 'c/other'): os.makedirs(path)"
KNOWN = "os.stat('a/sub/in'); os.stat('c/other'); os.listdir('b')"
EXCHANGE = """
def exchange(a, b):
    if ctypes.CDLL(None).renameat2(-100, a.encode(), -100, b.encode(), 2): raise OSError
"""


@pytest.mark.parametrize(
    ("moved", "renamed"),
    [
        ("os.rename('a/sub', 'b/sub')", "os.rename('b/sub', 'c/sub')"),
        ("os.rename('a/sub', 'b/sub')", "os.rename('b/sub', 'a/sub')"),
        ("os.rename('a/sub', 'sub')", "os.rename('sub', 'a/sub')"),
        ("os.rename('a/sub', 'b/sub')", "os.rename('b/sub', 'sub')"),
        ("os.rename('a/sub', 'b/sub')", "os.mkdir('sub'); os.rename('sub', 'b/sub2'); os.rename('b/sub', 'sub')"),
        ("os.rename('a', 'b/a')", "os.rename('b/a/sub', 'a')"),
        ("exchange('a/sub', 'c/other')", "os.rename('c/other', 'b/x'); os.rename('a/sub', 'c/other')"),
        ("exchange('a/sub', 'c/other')", "os.rmdir('a/sub'); os.rename('c/other', 'a/sub')"),
        ("os.rename('c/other', 'b/other')", "os.rmdir('c'); os.rename('b/other', 'c')"),
    ],
)
def test_directory_that_the_other_moved_is_renamed(pair: Place, moved: str, renamed: str) -> None:
    # More than once: it is a matter of who comes first.
    for turn in range(5):
        pair.then(f"os.mkdir('{turn}'); os.chdir('{turn}')\n{TREE}")
        pair.do(f"os.chdir('{turn}')\n{KNOWN}")
        pair.then(f"{EXCHANGE}os.chdir('{turn}')\n{moved}")
        pair.do(f"os.chdir('{turn}')\n{renamed}")


def test_directory_that_one_stands_in_is_renamed_after_a_look(pair: Place) -> None:
    pair.then(TREE)
    pair.begin("""
        top = os.getcwd(); os.chdir('a/sub'); Path('here').touch()
        while os.path.exists('here'): time.sleep(0.01)
        os.stat(f'{top}/b/sub'); os.rename(f'{top}/b/sub', f'{top}/c/sub')
        answer = [os.getcwd() == f'{top}/c/sub', sorted(os.listdir('..')), os.listdir('.')]
    """)
    eventually((pair.backing / "a/sub/here").exists, 20)
    pair.then("os.rename('a/sub', 'b/sub'); os.unlink('b/sub/here')")
    assert pair.one.finish() == [True, ["other", "sub"], ["in"]]


def test_who_stands_in_what_the_other_removed_is_told_and_can_go_elsewhere(pair: Place) -> None:
    pair.then("os.makedirs('d/in')")
    pair.begin("""
        top = os.getcwd(); os.chdir('d/in'); Path('here').touch()
        while os.path.exists('here'): time.sleep(0.01)
        end, answer = time.monotonic() + 20, []
        while not answer and time.monotonic() < end:
            try: answer = [os.listdir('.')] if os.stat('.').st_nlink == 0 else []
            except OSError as error: answer = [errno.errorcode[error.errno]]
            time.sleep(0.05)
        try: Path('new').touch(); answer.append('made')
        except OSError as error: answer.append(errno.errorcode[error.errno])
        os.chdir(top); answer.append(os.listdir('.'))
    """)
    eventually((pair.backing / "d/in/here").exists, 20)
    pair.then("os.unlink('d/in/here'); os.rmdir('d/in'); os.rmdir('d')")
    seen, made, elsewhere = pair.one.finish()
    assert seen in ([], "ESTALE") if pair.kind == VIEWS else seen == []
    assert made in {"ENOENT", "ESTALE"} if pair.kind == VIEWS else made == "ENOENT"
    assert elsewhere == []
