"""What programs expect of a file system: each check runs in a native directory, which proves the check, in a home and in a team's space."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bowerbird_config.paths import Var

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, Failed, Person, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRig]:
    """A keeper for all checks of this module, with ann's view mounted."""
    rig = DataRig(Var(tmp_path_factory.mktemp("posix") / "var"), two_teams())
    rig.feed.start()
    rig.know(record("ann", member("ant")))
    try:
        rig.start()
        rig.mount("ann")
        yield rig
        assert "Traceback" not in rig.log.read_text()
    finally:
        rig.clear()


@dataclass(frozen=True)
class Place:
    """A fresh directory, and its owner in it."""

    person: Person

    def do(self, code: str, **values: object) -> object:
        return self.person.do(code, **values)


@pytest.fixture(params=["native", "home", "team"])
def place(request: pytest.FixtureRequest, spaces: DataRig) -> Place:
    view = spaces.var.views / "ann"
    top = {"native": spaces.var.homes / "ann", "home": view / "home", "team": view / "teams/ant"}[request.param]
    name = request.node.name.partition("[")[0]
    ann = Person(spaces.records["ann"], top)
    ann.do("os.mkdir(name)", name=f"{name}-{request.param}")
    return Place(Person(ann.record, top / f"{name}-{request.param}"))


def test_what_is_written_is_read(place: Place) -> None:
    found = place.do("""
        data = os.urandom(3 << 20)
        Path('a').write_bytes(data)
        answer = [Path('a').read_bytes() == data, os.stat('a').st_size, len(os.listdir('.'))]
    """)
    assert found == [True, 3 << 20, 1]


def test_exclusive_creation_happens_once(place: Place) -> None:
    with pytest.raises(Failed, match="EEXIST"):
        place.do("for _ in range(2): os.close(os.open('a', os.O_CREAT | os.O_EXCL | os.O_WRONLY))")


def test_file_works_on_after_its_name_is_gone(place: Place) -> None:
    found = place.do("""
        f = open('a', 'w+b')
        f.write(b'before'); f.flush()
        os.unlink('a')
        f.write(b' after'); f.flush()
        os.ftruncate(f.fileno(), 9); os.fchmod(f.fileno(), 0o600); os.utime(f.fileno(), ns=(5, 7))
        st = os.fstat(f.fileno()); f.seek(0)
        answer = [f.read().decode(), st.st_nlink, st.st_size, st.st_mtime_ns, os.path.exists('a')]
    """)
    assert found == ["before af", 0, 9, 7, False]


def test_new_file_under_the_name_of_an_open_one_is_another(place: Place) -> None:
    found = place.do("""
        old = open('a', 'w+'); old.write('old'); old.flush()
        os.unlink('a'); Path('a').write_text('new'); old.seek(0)
        answer = [old.read(), Path('a').read_text(), os.fstat(old.fileno()).st_ino != os.stat('a').st_ino]
    """)
    assert found == ["old", "new", True]


def test_rename_replaces_a_file_that_is_open(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('a'); Path('b').write_text('b'); b = open('b')
        os.rename('a', 'b')
        answer = [sorted(os.listdir('.')), Path('b').read_text(), b.read(), os.fstat(b.fileno()).st_nlink]
    """)
    assert found == [["b"], "a", "b", 0]


def test_directory_moves_with_all_below_it(place: Place) -> None:
    found = place.do("""
        os.makedirs('a/b/c'); Path('a/b/c/f').write_text('deep'); f = open('a/b/c/f'); os.chdir('a/b')
        os.rename('../../a', '../../z')
        answer = [Path('c/f').read_text(), Path('../../z/b/c/f').read_text(), f.read(), os.path.exists('../../a')]
        os.rename('c', 'd'); answer.append(Path('../../z/b/d/f').read_text())
    """)
    assert found == ["deep", "deep", "deep", False, "deep"]


def test_directory_is_not_moved_over_one_that_has_files(place: Place) -> None:
    with pytest.raises(Failed, match=r"ENOTEMPTY|EEXIST"):
        place.do("os.mkdir('a'); os.makedirs('b/c'); os.rename('a', 'b')")


RENAMEAT2 = """
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
    if libc.renameat2(-100, old, -100, new, flags):
        raise OSError(ctypes.get_errno(), 'renameat2')
"""


def test_rename_without_replacing_refuses_what_is_there(place: Place) -> None:
    with pytest.raises(Failed, match="EEXIST"):
        place.do(RENAMEAT2 + "Path('a').touch(); renameat2(b'a', b'c', 1); Path('b').touch(); renameat2(b'c', b'b', 1)")


def test_exchange_swaps_a_file_and_a_directory(place: Place) -> None:
    code = "Path('f').write_text('file'); os.mkdir('d'); Path('d/x').write_text('x'); renameat2(b'f', b'd', 2)"
    found = place.do(RENAMEAT2 + code + "\nanswer = [Path('d').read_text(), Path('f/x').read_text(), sorted(os.listdir('.'))]")
    assert found == ["file", "x", ["d", "f"]]


def test_append_goes_to_the_end_whoever_wrote_before(place: Place) -> None:
    found = place.do("""
        first, second = open('log', 'ab', 0), open('log', 'ab', 0)
        for n in range(50):
            first.write(b'1'); second.write(b'2')
        answer = Path('log').read_text()
    """)
    assert found == "12" * 50


def test_truncate_cuts_and_lengthens_with_zeros(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(b'x' * 100)
        os.truncate('a', 10); os.truncate('a', 20)
        answer = Path('a').read_bytes() == b'x' * 10 + bytes(10)
        open('a', 'w').close(); answer = [answer, os.stat('a').st_size]
    """)
    assert found == [True, 0]


def test_sparse_file_takes_no_room(place: Place) -> None:
    found = place.do("""
        with open('a', 'wb') as f:
            f.seek(1 << 30); f.write(b'end')
        st = os.stat('a'); answer = [st.st_size, st.st_blocks < 100]
    """)
    assert found == [(1 << 30) + 3, True]


def test_hard_link_is_the_same_file(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('one'); os.mkdir('d'); os.link('a', 'd/b')
        Path('d/b').write_text('two'); os.unlink('a')
        a = os.stat('d/b'); answer = [a.st_nlink, Path('d/b').read_text()]
        os.link('d/b', 'c'); answer += [os.stat('c').st_ino == a.st_ino, os.stat('c').st_nlink]
    """)
    assert found == [1, "two", True, 2]


def test_symbolic_link_says_what_was_written(place: Place) -> None:
    found = place.do("""
        os.symlink('/etc/../no where//x', 'far'); os.symlink('near', 'loop'); os.symlink('loop', 'near')
        Path('f').write_text('f'); os.symlink('f', 'l')
        answer = [os.readlink('far'), Path('l').read_text(), os.lstat('l').st_size]
        try: os.stat('loop')
        except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == ["/etc/../no where//x", "f", 1, "ELOOP"]


def test_times_are_kept_to_the_nanosecond(place: Place) -> None:
    found = place.do("""
        Path('a').touch(); os.utime('a', ns=(1_000_000_001, 2_000_000_000_000_000_003)); st = os.stat('a')
        os.symlink('x', 'l'); os.utime('l', ns=(1, 2), follow_symlinks=False)
        answer = [st.st_atime_ns, st.st_mtime_ns, os.lstat('l').st_mtime_ns]
        os.utime('a', ns=(-1_500_000_000, -1)); answer += [os.stat('a').st_atime_ns, os.stat('a').st_mtime_ns]
    """)
    assert found == [1_000_000_001, 2_000_000_000_000_000_003, 2, -1_500_000_000, -1]


def test_mode_is_kept_and_obeyed(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('#!/bin/sh\\nexit 3\\n'); os.chmod('a', 0o750)
        answer = [oct(os.stat('a').st_mode), os.spawnv(os.P_WAIT, './a', ['a'])]
        os.chmod('a', 0)
        try: open('a')
        except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == ["0o100750", 3, "EACCES"]


def test_file_is_written_by_who_opened_it_before_it_was_made_read_only(place: Place) -> None:
    found = place.do("""
        fd = os.open('a', os.O_CREAT | os.O_RDWR, 0o444); os.write(fd, b'object'); os.ftruncate(fd, 3)
        answer = [Path('a').read_text(), oct(os.stat('a').st_mode & 0o777)]
    """)
    assert found == ["obj", "0o444"]


def test_extended_attributes(place: Place) -> None:
    found = place.do("""
        Path('a').touch(); os.setxattr('a', 'user.note', b'\\x00\\xff'); os.setxattr('a', 'user.empty', b'')
        answer = [sorted(os.listxattr('a')), os.getxattr('a', 'user.note') == b'\\x00\\xff']
        os.removexattr('a', 'user.note'); answer.append(os.listxattr('a'))
        try: os.getxattr('a', 'user.note')
        except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == [["user.empty", "user.note"], True, ["user.empty"], "ENODATA"]


def test_file_and_directory_are_synced(place: Place) -> None:
    found = place.do("""
        with open('a', 'w') as f:
            f.write('x'); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
        d = os.open('.', os.O_RDONLY); os.fsync(d)
        answer = 'synced'
    """)
    assert found == "synced"


def test_memory_maps_are_written_through(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(bytes(8192))
        with open('a', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
            m[5000:5005] = b'hello'; m.flush()
        answer = Path('a').read_bytes()[5000:5005].decode()
    """)
    assert found == "hello"


def test_pipe_and_socket_can_be_made(place: Place) -> None:
    found = place.do("""
        os.mkfifo('p'); r = os.open('p', os.O_RDONLY | os.O_NONBLOCK); w = os.open('p', os.O_WRONLY); os.write(w, b'through')
        s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s')
        answer = [os.read(r, 10).decode(), stat.S_ISSOCK(os.stat('s').st_mode)]
    """)
    assert found == ["through", True]


def test_listing_survives_changes_while_it_is_read(place: Place) -> None:
    found = place.do("""
        for n in range(3000): Path(f'f{n:04}').touch()
        seen = []
        for entry in os.scandir('.'):
            seen.append(entry.name)
            if len(seen) % 2: os.unlink(entry.name)
        answer = [len(seen), len(set(seen)), len(os.listdir('.')), sorted(seen)[:2], '.' in os.popen('ls -a').read().split()]
    """)
    assert found == [3000, 3000, 1500, ["f0000", "f0001"], True]


def test_every_byte_but_slash_and_nul_may_stand_in_a_name(place: Place) -> None:
    found = place.do("""
        names = [bytes([b]) * 2 for b in range(1, 256) if b != 0x2f and b != 0x2e] + [b'\\xff' * 255, b'...', b' ', b'-rf', b'a\\nb']
        for name in names: os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        answer = sorted(os.listdir(b'.')) == sorted(names)
        for name in names:
            os.rename(name, b'x'); os.stat(b'x'); os.rename(b'x', name); os.unlink(name)
        answer = [answer, os.listdir('.')]
        try: open(b'n' * 256, 'w')
        except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == [True, [], "ENAMETOOLONG"]


def test_paths_as_deep_as_a_program_can_go(place: Place) -> None:
    found = place.do("""
        for _ in range(40):
            os.mkdir('d' * 200); os.chdir('d' * 200)
        Path('bottom').write_text('8000 bytes down'); os.rename('bottom', 'floor')
        answer = [Path('floor').read_text(), os.listdir('.')]
    """)
    assert found == ["8000 bytes down", ["floor"]]


def test_directory_that_is_not_empty_is_not_removed(place: Place) -> None:
    with pytest.raises(Failed, match="ENOTEMPTY"):
        place.do("os.makedirs('a/b'); os.rmdir('a')")


def test_figures_of_the_disk(place: Place) -> None:
    found = place.do("v = os.statvfs('.'); answer = [v.f_blocks > v.f_bavail > 0, v.f_namemax]")
    assert found == [True, 255]


def test_owner_is_who_wrote(place: Place) -> None:
    with pytest.raises(Failed, match="EPERM"):
        place.do("Path('a').touch(); assert os.stat('a').st_uid == os.getuid(); os.chown('a', 0, -1)")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_keeps_a_repository(place: Place) -> None:
    said = place.person.sh("""
        export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q -b main work; cd work
        git config user.email ann@example.org; git config user.name Ann
        for n in 1 2 3 4 5; do echo $n > file$n; git add .; git commit -qm "commit $n"; done
        git gc -q; git clone -q . ../copy; cd ../copy; git fsck --strict; git log --oneline | wc -l; git status --short
    """)
    assert said.split() == ["5"]


def test_sqlite_keeps_every_row(place: Place) -> None:
    found = place.do("""
        for n in range(20):
            with contextlib.closing(sqlite3.connect('db')) as db, db:
                db.execute('create table if not exists t (n integer primary key, x text)')
                db.execute('insert into t (x) values (?)', [f'row {n}'])
        with contextlib.closing(sqlite3.connect('db')) as db:
            answer = [db.execute('pragma integrity_check').fetchone(), db.execute('select count(*) from t').fetchone()]
    """)
    assert found == [["ok"], [20]]


def test_archive_is_unpacked_and_copied_as_it_was(place: Place) -> None:
    said = place.person.sh("""
        mkdir -p src/sub; echo a > src/a; ln -s a src/l; ln src/a src/sub/h; chmod 700 src/sub; touch -d 2001-02-03 src/a
        tar cf t.tar src; mkdir out; tar xpf t.tar -C out; cp -a src copy
        diff -r src out/src; diff -r src copy; stat -c %Y out/src/a copy/a; readlink out/src/l
    """)
    assert len(set(said.split()[:2])) == 1
    assert said.split()[2] == "a"


def test_links_and_moves_stay_in_their_space(spaces: DataRig) -> None:
    ann = Person(spaces.records["ann"], spaces.var.views / "ann")
    for act in ("os.link('home/crossing', 'teams/ant/crossing')", "os.rename('home/crossing', 'teams/ant/crossing')"):
        with pytest.raises(Failed, match="EXDEV"):
            ann.do("Path('home/crossing').touch(); " + act)
    ann.sh("mv home/crossing teams/ant/crossing; test -f teams/ant/crossing; test ! -e home/crossing")
    assert Path(spaces.var.spaces / "ant/crossing").stat().st_gid == 612001


def test_group_of_a_team_space_is_kept(spaces: DataRig) -> None:
    ann = Person(spaces.records["ann"], spaces.var.views / "ann")
    ann.do("Path('teams/ant/kept').touch(); os.chown('teams/ant/kept', -1, os.getgid())")
    assert (spaces.var.spaces / "ant/kept").stat().st_gid == 612001
