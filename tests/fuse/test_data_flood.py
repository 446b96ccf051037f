"""Thousands of deletions in a space that is nearly full: the trash gives way to what is written, the oldest first, and to nothing else."""

import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_fuse.charge import ENTRY_BYTES

from tests.fuse.posix.test_programs import a_wheel, needs
from tests.fuse.test_data_quota import MIB, limited, used
from tests.support.data_rig import DataRig, Failed, Person, eventually, member, record
from tests.support.standing import Standing

pytestmark = [pytest.mark.root, pytest.mark.fuse]

FILES, BYTES = 1000, 2000
WEIGHT = FILES * (BYTES + ENTRY_BYTES)
# Room for one generation of files, and for less than half of the one before it.
HARD = WEIGHT * 7 // 5
SOME = 300
# After so many seconds, and not those that the trash asks for otherwise, a file is somebody's work.
LIVED_SECONDS = 1.0
SOONER = f"from bowerbird_fuse.stores import trash\ntrash.LIVED_SECONDS = {LIVED_SECONDS}\n"
PIP = "PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) /usr/bin/python3 -m pip --no-cache-dir -q install --no-index --upgrade"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DataRig]:
    """A keeper of a team's space with little room; ann and bob are both ants."""
    rig = DataRig(Var(tmp_path / "var"), limited(team=HARD))
    (tmp_path / "sitecustomize.py").write_text(SOONER)
    rig.python_path = (str(tmp_path),)
    rig.feed.start()
    rig.know(record("ann", member("ant")), record("bob", member("ant")))
    try:
        rig.start()
        yield rig
        assert "Traceback" not in rig.log.read_text(), rig.log.read_text()
        assert "the trash could not take it" not in rig.log.read_text()
    finally:
        rig.clear()


@pytest.fixture
def bob(rig: DataRig) -> Person:
    return rig.mount("bob")


def wait_until_worth_keeping() -> None:
    """Return when what is there now has lived for long enough to be somebody's work."""
    made = time.monotonic()
    eventually(lambda: time.monotonic() - made > LIVED_SECONDS + 0.1, 2 * LIVED_SECONDS)


def kept_by(rig: DataRig, user: str) -> set[str]:
    """Return the names of the files in the trash that this user deleted."""
    return {path.name for path in (rig.var.spaces / "ant/.trash").glob(f"*_{user}/**/*") if path.is_file()}


def make(person: Person, folder: str, count: int) -> None:
    """Write so many files of that folder, each of which must fit."""
    code = """
        os.makedirs(f'teams/ant/{folder}', exist_ok=True)
        for n in range(count): Path(f'teams/ant/{folder}/{n}').write_bytes(b'%06d' % n * (size // 6) + b'xx')
    """
    person.do(code, folder=folder, count=count, size=BYTES)


def fill_up(rig: DataRig, person: Person) -> None:
    """Write as much as the keeper says there is room for, of which the trash is no part; the next byte is refused."""
    figures = rig.order(op="status")["spaces"]["team/ant"]
    left = figures["hard"] - figures["used"] - ENTRY_BYTES
    assert left > 0
    with pytest.raises(Failed, match="EDQUOT"):
        person.do("with open('teams/ant/last', 'wb', 0) as f: f.write(bytes(left)); f.write(b'!')", left=left)
    assert (rig.var.spaces / "ant/last").stat().st_size == left
    assert not kept_by(rig, "ann") | kept_by(rig, "bob")


def test_what_is_written_takes_the_room_of_the_oldest_first(rig: DataRig, ann: Person, bob: Person) -> None:
    make(ann, "early", FILES // 4)
    make(ann, "late", FILES // 4)
    wait_until_worth_keeping()
    bob.sh("rm -r teams/ant/early")
    began = time.time()
    eventually(lambda: int(time.time()) > int(began))
    ann.sh("rm -r teams/ant/late")
    assert (len(kept_by(rig, "bob")), len(kept_by(rig, "ann"))) == (FILES // 4, FILES // 4)
    make(ann, "new", FILES)
    assert 0 < len(kept_by(rig, "bob")) < FILES // 4
    assert len(kept_by(rig, "ann")) == FILES // 4
    make(ann, "more", FILES // 4)
    assert kept_by(rig, "bob") == set()
    assert 0 < len(kept_by(rig, "ann")) < FILES // 4
    directories = 3  # two, and the trash itself
    assert used(rig, "team/ant") == (FILES + FILES // 4) * (BYTES + ENTRY_BYTES) + directories * ENTRY_BYTES
    fill_up(rig, ann)


# Writes what does not fit beside the file in the trash; says how it went.
WRITE = """
    try: Path(path).write_bytes(bytes(size)); answer = 'written'
    except OSError as error: answer = errno.errorcode[error.errno]; os.unlink(path)
"""


def test_file_of_the_trash_that_another_view_reads_takes_its_room_until_it_is_closed(rig: DataRig, ann: Person, bob: Person) -> None:
    size = HARD * 2 // 3
    ann.do("Path('teams/ant/large').write_bytes(bytes(size)); Path('teams/ant/small').write_bytes(b'small')", size=size)
    wait_until_worth_keeping()
    ann.sh("rm teams/ant/large teams/ant/small")
    large = next((rig.var.spaces / "ant").glob(".trash/*/large")).relative_to(rig.var.spaces)
    with Standing(bob, f"teams/{large}", flags=os.O_RDONLY) as reader:
        assert ann.do(WRITE, path="teams/ant/new", size=size) == "EDQUOT"
        assert kept_by(rig, "ann") == {"large"}
        assert reader.do("answer = len(os.pread(files['f'], 1 << 16, 0))") == 1 << 16
        reader.do("close()")
        eventually(lambda: ann.do(WRITE, path="teams/ant/new", size=size) == "written", 20)
    assert kept_by(rig, "ann") == set()
    assert used(rig, "team/ant") == (rig.var.spaces / "ant/new").stat().st_size + ENTRY_BYTES * 2


def test_file_of_the_trash_that_one_reads_oneself_takes_its_room_until_it_is_closed(rig: DataRig, ann: Person) -> None:
    size = MIB * 2 // 3
    ann.do("Path('home/large').write_bytes(bytes(size))", size=size)
    wait_until_worth_keeping()
    ann.sh("rm home/large")
    told = ann.do(
        f"""
    from pathlib import Path
    large = next(Path('home/.trash').glob('*/large'))
    with open(large, 'rb', 0) as held: held.read(1)
    held, said = open(large, 'rb', 0), []
    held.read(1)
    {WRITE.strip()}
    said += [answer, large.exists()]
    held.close()
    {WRITE.strip()}
    said += [answer, large.exists()]
    answer = said
    """,
        path="home/new",
        size=size,
    )
    assert told == ["EDQUOT", True, "written", False]


def bytes_of(n: int) -> bytes:
    return f"{n:06}".encode() * (BYTES // 6)


def a_large_wheel(folder: Path) -> bytes:
    """Make a wheel of many modules."""
    wheel = a_wheel(folder)
    with zipfile.ZipFile(wheel, "a") as archive:
        for n in range(SOME // 5):
            archive.writestr(f"treasure/m{n}.py", f"N = {n}\n" + "#" * BYTES)
    return wheel.read_bytes()


BEGIN = """
    export HOME=$PWD/home; cd teams/ant; umask 002; mkdir copy repo
    rsync -rt ../../releases/sky/dr1/one/ copy/
    cd repo; git init -q -b main; git config user.email a@b; git config user.name a
    for n in $(seq 60); do echo $n >$n; done; git add .; git commit -qm one; cd ..
"""
# Each replaces all that it finds.
REPLACE = """
    export HOME=$PWD/home; cd teams/ant; umask 002
    for generation in other one other; do rsync -rt --delete ../../releases/sky/dr1/$generation/ copy/; done
    cd repo; git rm -qr .; git commit -qm none; for n in $(seq 60); do echo more $n >$n; done; git add .; git commit -qm other
    git checkout -q HEAD~2; git checkout -q main; git gc -q --prune=now; git fsck --strict 2>&1; git log --format=%s | cat; cd ..
"""


@needs("rsync")
@needs("git")
@pytest.mark.skipif(not list(Path("/usr/share/python-wheels").glob("pip-*")), reason="needs Debian's pip: apt-get install python3-venv")
def test_programs_that_replace_all_they_find_never_want_for_room(rig: DataRig, ann: Person, tmp_path: Path) -> None:
    files = {f"{kind}/{kind}{n}": bytes_of(n) for kind in ("one", "other") for n in range(SOME)}
    rig.release("sky", "dr1", {**files, "treasure-1.0-py3-none-any.whl": a_large_wheel(tmp_path)})
    install = f"export HOME=$PWD/home; cd teams/ant; {PIP} --target site ../../releases/sky/dr1/treasure-1.0-py3-none-any.whl"
    rig.feed.platform(limited(team=5 * MIB))
    eventually(lambda: rig.order(op="status")["spaces"]["team/ant"]["hard"] == 5 * MIB)
    assert ann.sh(BEGIN) == ""
    assert ann.sh(install) == ""
    wait_until_worth_keeping()
    assert ann.sh(install) == ""
    assert ann.sh(REPLACE) == "other\nnone\none\n"
    assert ann.sh(install) == ""
    assert kept_by(rig, "ann")
    copy = {path.name: path.read_bytes() for path in (rig.var.spaces / "ant/copy").iterdir()}
    assert copy == {f"other{n}": bytes_of(n) for n in range(SOME)}
    fill_up(rig, ann)
