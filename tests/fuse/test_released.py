"""What the companion answers of releases by itself: the same as Python would, taken over where Python needs it, kept over a kill."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bowerbird_fuse.journal import Journal, Mark

from tests.support.data_rig import DataRig, Person, eventually

pytestmark = [pytest.mark.root, pytest.mark.fuse]
TOP = "releases/sky/dr1"
NAMES = ["plain", 'quo"te', "back\\slash", "sp ace", "Wörter", "tab\there", "x" * 255]
# Opens a file, reads some of it, and once a line comes the rest in small parts, so that no page of it is there yet.
READ_LATER = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
print(os.pread(fd, 10, 0).decode(), flush=True)
sys.stdin.readline()
print(os.pread(fd, 10, 500_000).decode(), os.fstat(fd).st_size, flush=True)
"""
LOOK = """
    answer = {}
    for folder in (top + "/many", top):
        for entry in os.scandir(folder):
            st = os.lstat(entry.path)
            assert st.st_ino == entry.inode(), entry.path
            answer[entry.path] = [st.st_ino, st.st_mode, st.st_size, st.st_uid, st.st_gid, st.st_mtime_ns, entry.is_dir()]
"""


@pytest.fixture
def many(rig: DataRig) -> Path:
    """A release with a directory of many names and a file that is read in parts."""
    files = {f"many/{name}": name.encode() for name in NAMES} | {f"many/{number:04}": b"few" for number in range(2000)}
    return rig.release("sky", "dr1", files | {"data/parts": b"0123456789" * 100_000})


@contextmanager
def reader(person: Person, path: str) -> Iterator["subprocess.Popen[str]"]:
    with person.spawn(["/usr/bin/python3", "-c", READ_LATER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "0123456789\n"
        yield child
        said, _ = child.communicate("now\n", timeout=30)
        assert said == "0123456789 1000000\n"


def kill(rig: DataRig) -> None:
    before = rig.worker("ann")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: rig.worker("ann") != before, 20)


def journal_of(rig: DataRig) -> Journal:
    """Read the journal of ann's worker, as the next one would."""
    pid = rig.worker("ann")
    for path in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(path).startswith("/memfd:bowerbird") and "journal" not in os.readlink(path):
            found = Journal(os.open(path, os.O_RDONLY))
            if any(line[0] == Mark.NODE for line in _lines(found)):
                return found
            os.close(found.fd)
    raise AssertionError("no journal")


def _lines(journal: Journal) -> list[list[object]]:
    try:
        return list(journal.lines())
    except (ValueError, OSError):
        return [[""]]


def test_every_name_is_listed_as_it_is_looked_up(many: Path, ann: Person) -> None:
    seen = ann.do(LOOK, top=TOP)
    assert {path.rpartition("/")[2] for path in seen if "/many/" in path} == {path.name for path in (many / "many").iterdir()}
    for name in NAMES:
        assert ann.do("answer = open(path).read()", path=f"{TOP}/many/{name}") == name


def test_numbers_attributes_and_open_files_outlive_the_worker(rig: DataRig, many: Path, ann: Person) -> None:
    before = ann.do(LOOK, top=TOP)
    with reader(ann, f"{TOP}/data/parts"):
        kill(rig)
        assert ann.do(LOOK, top=TOP) == before
        with reader(ann, f"{TOP}/data/parts"):
            kill(rig)
    assert ann.do(LOOK, top=TOP) == before
    assert "Traceback" not in rig.log.read_text()


def test_python_takes_over_what_it_is_asked_about(rig: DataRig, many: Path, ann: Person) -> None:
    code = """
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        first = os.pread(fd, 10, 0)
        fcntl.lockf(fd, fcntl.LOCK_SH)
        told = os.getxattr(fd, "user.bowerbird.release").decode()
        os.fsync(fd)
        answer = [first == os.pread(fd, 10, 500_000), told, os.fstat(fd).st_ino == os.stat(path).st_ino, os.lseek(fd, 0, os.SEEK_HOLE)]
        os.close(fd)
        answer.append(open(path).read(10))
    """
    assert ann.do(code, path=f"{TOP}/data/parts") == [True, "dr1", True, 1_000_000, "0123456789"]


def test_two_names_of_one_file_are_one_file(many: Path, ann: Person) -> None:
    os.link(many / "many/0000", many / "many/twin")
    code = "answer = [os.stat(f'{top}/{name}').st_ino for name in ('0000', 'twin', '0000')] + [open(f'{top}/twin').read()]"
    first, second, third, said = ann.do(code, top=f"{TOP}/many")
    assert (first, third, said) == (second, second, "few")


def test_file_that_was_put_in_anothers_place_is_the_new_one_at_the_next_opening(many: Path, ann: Person) -> None:
    path = f"{TOP}/many/0001"
    assert ann.do("answer = open(path).read()", path=path) == "few"
    (many / "new").write_bytes(b"more")
    (many / "new").rename(many / "many/0001")
    assert ann.do("answer = open(path).read()", path=path) == "more"


def test_nothing_stays_open_and_the_journal_knows(rig: DataRig, many: Path, ann: Person) -> None:
    code = """
        for turn in range(3):
            held = [open(f"{top}/{number:04}") for number in range(2000)]
            answer = sum(len(file.read()) for file in held)
            for file in held: file.close()
    """
    ann.do("answer = open(path).read()", path=f"{TOP}/many/0000")
    pid = rig.worker("ann")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    assert ann.do(code, top=f"{TOP}/many") == 6000
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before + 1)
    journal = journal_of(rig)
    try:
        text = os.pread(journal.fd, os.fstat(journal.fd).st_size, 0)
        opened, closed = (re.findall(rb'\["%s",(\d+)' % mark, text) for mark in (b"O", b"C"))
        assert len(opened) >= 6000
        assert len(set(opened)) == len(opened)
        assert set(opened) == set(closed)
    finally:
        os.close(journal.fd)
