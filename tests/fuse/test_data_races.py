"""Races between two processes for one name: who was told of a file gets that file, or a plain answer, and never ESTALE."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.data_rig import DataRig, Failed, Person, eventually, member, record
from tests.support.standing import Standing

pytestmark = [pytest.mark.root, pytest.mark.fuse]


@pytest.fixture
def bee_and_ant(rig: DataRig) -> Person:
    """Bob, who is in ann's team too."""
    rig.know(record("bob", member("bee"), member("ant")))
    return rig.mount("bob")


def test_descriptor_that_is_made_to_append_appends(rig: DataRig, ann: Person, bee_and_ant: Person) -> None:
    ann.do("Path('teams/ant/log').write_text('Start'); os.chmod('teams/ant/log', 0o660)")
    with Standing(ann, "teams/ant/log") as writer:
        writer.do("append = lambda on: fcntl.fcntl(files['f'], fcntl.F_SETFL, os.O_APPEND if on else 0); append(True)")
        bee_and_ant.do("open('teams/ant/log', 'a').write(' other')")
        writer.do("os.write(files['f'], b' one')")
        os.kill(rig.worker("ann"), signal.SIGKILL)
        bee_and_ant.do("open('teams/ant/log', 'a').write(' more')")
        assert writer.do("os.write(files['f'], b' two'); answer = os.pread(files['f'], 99, 0).decode()") == "Start other one more two"
        writer.do("append(False); os.pwrite(files['f'], b'START', 0)")
    assert bee_and_ant.do("answer = Path('teams/ant/log').read_text()") == "START other one more two"


@pytest.mark.parametrize("reader", ["ann", "bee_and_ant"])
def test_name_that_is_replaced_again_and_again_is_never_missing(ann: Person, reader: str, request: pytest.FixtureRequest) -> None:
    ann.do("Path('teams/ant/name').write_text('000')")
    code = """
        answer = 0
        while Path('teams/ant/name').read_text() != 'end': answer += 1
    """
    with request.getfixturevalue(reader).start(code) as reading:
        ann.do("""
            for n in range(300):
                Path('teams/ant/new').write_text('%03d' % n); os.rename('teams/ant/new', 'teams/ant/name')
            Path('teams/ant/new').write_text('end'); os.rename('teams/ant/new', 'teams/ant/name')
        """)
        out, err = reading.communicate(timeout=30)
    assert out.startswith('{"answer"'), (out, err)


def test_directory_that_was_removed_is_empty_for_who_stands_in_it(ann: Person, bee_and_ant: Person) -> None:
    look = """
        answer = [os.listdir('.'), os.listdir(files['f']), os.fstat(files['f']).st_nlink]
        try: Path('new').touch()
        except OSError as error: answer.append(error.errno)
    """
    removals = {"d": "os.rmdir('teams/ant/d')", "e": "os.mkdir('teams/ant/x'); os.rename('teams/ant/x', 'teams/ant/e')"}
    for name, remove in removals.items():
        ann.do("os.mkdir(path)", path=f"teams/ant/{name}")
        with Standing(ann) as standing:
            standing.do("os.chdir(path); files['f'] = os.open('.', os.O_RDONLY)", path=f"teams/ant/{name}")
            ann.do(remove)
            assert standing.do(look) == [[], [], 0, 2]
    ann.do("os.mkdir('teams/ant/z')")
    with Standing(ann) as standing:
        standing.do("files['f'] = os.open('teams/ant/z', os.O_RDONLY)")
        bee_and_ant.do("os.rmdir('teams/ant/z')")
        assert standing.do("answer = os.listdir(files['f'])") == []


IN_A_DIRECTORY = {
    "unlink": "os.unlink('f', dir_fd=files['f'])",
    "rmdir": "os.rmdir('s', dir_fd=files['f'])",
    "open": "os.open('f', os.O_RDONLY, dir_fd=files['f'])",
    "create": "os.open('new', os.O_RDWR | os.O_CREAT, dir_fd=files['f'])",
    "mkdir": "os.mkdir('new', dir_fd=files['f'])",
    "symlink": "os.symlink('x', 'new', dir_fd=files['f'])",
    "mkfifo": "os.mkfifo('new', dir_fd=files['f'])",
    "link": "os.link('teams/ant/other', 'new', dst_dir_fd=files['f'])",
    "rename into it": "os.rename('teams/ant/other', 'new', dst_dir_fd=files['f'])",
    "rename out of it": "os.rename('f', 'teams/ant/other', src_dir_fd=files['f'])",
    "stat": "os.stat('f', dir_fd=files['f'])",
}


@pytest.mark.parametrize("remove", ["shutil.rmtree('teams/ant/d')", "shutil.rmtree('teams/ant/d'); os.mkdir('teams/ant/d')"])
def test_open_directory_that_another_view_removed_is_empty_and_takes_nothing(ann: Person, bee_and_ant: Person, remove: str) -> None:
    ann.do("""
        os.makedirs('teams/ant/d/s'); Path('teams/ant/d/f').touch(); Path('teams/ant/other').touch()
        os.chmod('teams/ant/d', 0o2775); os.chmod('teams/ant/d/s', 0o2775)
        os.mkdir('teams/ant/many')
        for n in range(600): Path(f'teams/ant/many/{n}').touch()
    """)
    told = {}
    with Standing(ann) as standing:
        standing.do("files['f'] = os.open('teams/ant/d', os.O_RDONLY); os.stat('teams/ant/d/f'); os.stat('teams/ant/d/s')")
        bee_and_ant.do(remove)
        for call, code in IN_A_DIRECTORY.items():
            # More than a view holds for a moment of what was looked up last.
            standing.do("for n in range(600): os.stat(f'teams/ant/many/{n}')")
            with pytest.raises(Failed) as failed:
                standing.do(code)
            told[call] = failed.value.code
        assert standing.do("answer = [os.listdir(files['f']), os.fstat(files['f']).st_nlink]") == [[], 0]
    assert told == dict.fromkeys(IN_A_DIRECTORY, "ENOENT")


def test_two_remove_one_tree_at_once(ann: Person, bee_and_ant: Person) -> None:
    ann.do("""
        for a in range(6):
            for b in range(6):
                os.makedirs(f'teams/ant/tree/{a}/{b}'); Path(f'teams/ant/tree/{a}/{b}/f').touch()
                os.chmod(f'teams/ant/tree/{a}', 0o2775); os.chmod(f'teams/ant/tree/{a}/{b}', 0o2775)
        os.chmod('teams/ant/tree', 0o2775)
    """)
    code = """
        answer = []
        def on(_call, _path, what): answer.append(what[1].errno)
        shutil.rmtree('teams/ant/tree', onerror=on)
        answer = sorted(set(answer) - {errno.ENOENT, errno.ENOTEMPTY})
    """
    with ann.start(code) as one, bee_and_ant.start(code) as other:
        assert [child.communicate(timeout=30)[0] for child in (one, other)] == ['{"answer": []}\n'] * 2
    ann.do("shutil.rmtree('teams/ant/tree', ignore_errors=True); assert not os.path.exists('teams/ant/tree')")


def test_removed_file_gives_its_room_back(rig: DataRig, ann: Person) -> None:
    ann.do("Path('teams/ant/f').write_bytes(b'x' * 100); os.stat('teams/ant/f')")
    held = Path("/proc", str(rig.worker("ann")), "fd")
    (rig.var.spaces / "ant/f").unlink()
    eventually(lambda: not [fd for fd in held.iterdir() if _link(fd).endswith("ant/f (deleted)")])


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
