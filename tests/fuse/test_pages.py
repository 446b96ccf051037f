"""Small files come with their opening: what is read is what was there then, never something older, whoever writes beside it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.data_rig import DataRig, Person

pytestmark = [pytest.mark.root, pytest.mark.fuse]
RELEASED, OWN = "releases/sky/dr1/small", "home/small"
# Python looks up what is opened first in a directory: the companion answers from then on.
READ_LATER = """
import os, sys
open(sys.argv[1] + '/other').close()
fd = os.open(sys.argv[1] + '/file', os.O_RDONLY)
print('open', flush=True)
sys.stdin.readline()
print(os.read(fd, 10).decode(), flush=True)
"""
READ_EACH_TIME = """
import sys
open(sys.argv[1] + '/other').close()
for asked in sys.stdin:
    print(open(sys.argv[1] + '/file').read(), flush=True)
"""
# One writes a file by the view and maps it, others open it to read at the same time.
OPEN_WHILE_IT_IS_WRITTEN = """
    size, wrong = 4096, []
    Path(path).write_bytes(b'0' * size)
    fd = os.open(path, os.O_RDWR)
    mapped = mmap.mmap(fd, size)
    def read():
        for _ in range(300):
            said = Path(path).read_bytes()
            if len(said) != size: wrong.append(len(said))
    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers: reader.start()
    for turn in range(300):
        mapped[turn] = ord('1')
        mapped.flush()
        os.pwrite(fd, b'2', size - 1 - turn)
    for reader in readers: reader.join()
    mapped.close()
    os.close(fd)
    said = Path(path).read_bytes()
    answer = [wrong, said[:300] == b'1' * 300, said[-300:] == b'2' * 300]
"""


@pytest.fixture
def home(rig: DataRig, ann: Person) -> Path:
    """A directory in ann's home, where it lies on the disk."""
    ann.do("os.mkdir(path)", path=OWN)
    return rig.var.homes / "ann" / "small"


def test_small_file_of_a_release_comes_with_its_opening(rig: DataRig, ann: Person) -> None:
    below = rig.release("sky", "dr1", {"small/file": b"old", "small/other": b""})
    fd = os.open(below / "small/file", os.O_RDWR)
    try:
        with ann.spawn(["/usr/bin/python3", "-c", READ_LATER, RELEASED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            os.pwrite(fd, b"new", 0)
            said, _ = child.communicate("now\n", timeout=30)
        assert said == "old\n"
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 1, 4096, 16_384, 16_385, 100_000])
@pytest.mark.parametrize("path", [RELEASED, OWN])
def test_file_of_any_size_is_read_whole_again_and_again(rig: DataRig, home: Path, ann: Person, path: str, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    rig.release("sky", "dr1", {"small/file": data, "small/other": b""})
    for name in ("file", "other"):
        (home / name).write_bytes(data)
    read = "open(path + '/other').close(); answer = [len(open(path + '/file', 'rb').read()) for _ in range(3)]"
    assert ann.do(read, path=path) == [size] * 3
    assert ann.do("answer = list(open(path + '/file', 'rb').read())", path=path) == list(data)


def test_home_is_never_read_as_it_was_at_an_earlier_opening(home: Path, ann: Person) -> None:
    for name in ("file", "other"):
        (home / name).write_bytes(b"0000")
    with ann.spawn(["/usr/bin/python3", "-c", READ_EACH_TIME, OWN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for turn in range(500):
            # Now and then it is shorter or longer than it was.
            data = f"{turn:04}" * (1 + turn % 3)
            (home / "file").write_text(data)
            child.stdin.write("now\n")
            child.stdin.flush()
            assert child.stdout.readline() == data + "\n"


def test_file_that_is_written_and_mapped_is_opened_to_read_meanwhile(home: Path, ann: Person) -> None:
    assert ann.do(OPEN_WHILE_IT_IS_WRITTEN, path=f"{OWN}/file") == [[], True, True]


def test_attributes_that_are_nobodys_own_are_not_there(home: Path, ann: Person) -> None:
    (home / "file").touch()
    code = """
        answer = []
        for name in ("security.capability", "system.posix_acl_access", "user.none"):
            try:
                os.getxattr(path, name)
            except OSError as error:
                answer.append(errno.errorcode[error.errno])
    """
    assert ann.do(code, path=f"{OWN}/file") == ["ENODATA"] * 3
