"""Programs that trust a file system with much: archives, git, SQLite, pip, rsync, and fio, which reads back what it wrote."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

GIT = """
    export HOME=$PWD/.home$(id -u) GIT_CONFIG_NOSYSTEM=1; mkdir -p $HOME; git config --global safe.directory '*'
    git config --global user.email $(id -u)@example.org; git config --global user.name $(id -u)
"""


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark of a test that runs a program of Debian's."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}: apt-get install {program}")


def test_archive_is_unpacked_and_copied_as_it_was(place: Place) -> None:
    said = place.sh("""
        mkdir -p src/sub; echo a > src/a; ln -s a src/l; ln src/a src/sub/h; chmod 700 src/sub; touch -d 2001-02-03 src/a
        tar cf t.tar src; mkdir out; tar xpf t.tar -C out; cp -a src copy
        diff -r src out/src; diff -r src copy; stat -c %Y out/src/a copy/a; readlink out/src/l
    """)
    assert len(set(said.split()[:2])) == 1
    assert said.split()[2] == "a"


@needs("git")
def test_git_keeps_a_repository(place: Place) -> None:
    said = place.sh(GIT + """
        git init -q -b main work; cd work
        for n in 1 2 3 4 5; do echo $n > file$n; git add .; git commit -qm "commit $n"; done
        git gc -q; git clone -q . ../copy; cd ../copy; git fsck --strict; git log --oneline | wc -l; git status --short
    """)  # fmt: skip
    assert said.split() == ["5"]


@needs("git")
def test_git_repository_is_everybodys_in_turn(apart: Place) -> None:
    apart.sh(GIT + """
        git init -q -b main --bare --shared=group base; git clone -q base one 2>&1
        cd one; echo 0 > log; git add .; git commit -qm 0; git push -q
    """)  # fmt: skip
    turn = GIT + """
        test -d $NAME || git clone -q base $NAME; cd $NAME; git pull -q --rebase
        echo $NAME >> log; git commit -qam $NAME; git push -q 2>&1
    """  # fmt: skip
    for _ in range(2):
        apart.sh("NAME=one\n" + turn)
        apart.sh_then("NAME=other\n" + turn)
    said = apart.sh(GIT + """
        cd base; git fsck --strict; git gc -q; git log --format=%s | sort | uniq -c; git show main:log | wc -l
    """)  # fmt: skip
    assert said.split() == ["1", "0", "2", "one", "2", "other", "5"]


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


def test_sqlite_keeps_every_row_that_either_of_two_writers_committed(pair: Place) -> None:
    pair.do("with contextlib.closing(sqlite3.connect('db')) as db, db: db.execute('create table t (who text, n integer)')")
    code = """
        with contextlib.closing(sqlite3.connect('db', timeout=60)) as db:
            for n in range(50):
                with db: db.execute('insert into t values (?, ?)', [who, n])
    """
    pair.begin(code, who="one")
    pair.then(code, who="other")
    pair.one.finish()
    found = pair.do("""
        with contextlib.closing(sqlite3.connect('db')) as db:
            answer = [db.execute('pragma integrity_check').fetchone(), db.execute('select who, n from t order by who, n').fetchall()]
    """)
    assert found == [["ok"], [[who, n] for who in ("one", "other") for n in range(50)]]


def a_wheel(folder: Path) -> Path:
    """Make a wheel of one module."""
    wheel = folder / "treasure-1.0-py3-none-any.whl"
    about = "treasure-1.0.dist-info"
    files = {
        "treasure/__init__.py": "FOUND = 'a blue feather'\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: treasure\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


@pytest.mark.skipif(not list(Path("/usr/share/python-wheels").glob("pip-*")), reason="needs Debian's pip: apt-get install python3-venv")
def test_pip_installs_into_the_space_and_the_other_imports_it(apart: Place, tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    apart.do("Path(name).write_bytes(data)", name=wheel.name, data=wheel.read_bytes())
    pip = "HOME=$PWD PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) /usr/bin/python3 -m pip --no-cache-dir -q"
    apart.sh(f"{pip} install --no-index --target here {wheel.name}")
    assert apart.sh_then("cd here; /usr/bin/python3 -c 'import treasure; print(treasure.FOUND)'") == "a blue feather\n"


@needs("rsync")
def test_rsync_brings_a_tree_as_it_is_and_then_nothing(apart: Place) -> None:
    apart.sh("""
        mkdir -p src/a/b src/empty; head -c 300000 /dev/urandom > src/a/large; echo x > src/a/b/x; ln -s ../large src/a/b/l; mkfifo src/p
        chmod 640 src/a/large; chmod 751 src/empty; touch -d '2001-02-03 04:05:06.789' src/a/b/x src/a; ln src/a/large src/hard
        rsync -aH src/ one/
    """)
    again = "rsync -aHi --checksum src/ one/"
    assert apart.sh(again) == ""
    changed = apart.sh_then("echo more >> src/a/b/x; rm src/hard; rsync -rlHi --delete --size-only src/ one/; cat one/a/b/x; ls one")
    assert ">f.s" in changed
    assert changed.split()[-5:] == ["x", "more", "a", "empty", "p"]


@needs("fio")
@pytest.mark.parametrize(
    "how",
    [
        "--rw=randwrite --bs=4k --ioengine=psync",
        "--rw=write --bs=64k --ioengine=mmap",
        "--rw=randrw --bs=512-20k --ioengine=psync --fsync=20",
    ],
)
def test_fio_reads_back_what_it_wrote(place: Place, how: str) -> None:
    said = place.sh(f"fio --name=v --size=2m {how} --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal --numjobs=2 2>&1")
    assert "verify" not in said.replace("v;", "")
