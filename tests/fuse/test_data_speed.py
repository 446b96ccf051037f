"""What is read without asking the worker, and that this changes nothing but the time: real mounts, real restarts."""

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EPERM
from pathlib import Path

import pytest
from bowerbird_config.platform import Platform
from bowerbird_fuse import broker, mount, passthrough

from tests.support.data_rig import DataRig, Failed, Person, eventually, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]

BIG = "releases/sky/dr1/big.fits"
BYTES = bytes(range(256)) * (2 * passthrough.SMALLEST_BYTES // 256)
WHOLE = hashlib.sha256(BYTES).hexdigest()
DIGEST = "answer = hashlib.sha256(Path(path).read_bytes()).hexdigest()"
# Opens a file, and reads it when a line comes.
READ_LATER = """
import hashlib, sys
file = open(sys.argv[1], "rb", 0)
print("open", flush=True)
sys.stdin.readline()
print(hashlib.sha256(file.read()).hexdigest(), flush=True)
"""


@pytest.fixture
def big(rig: DataRig) -> Path:
    """A file of a public release that is large enough for the kernel to read it by itself."""
    return rig.release("sky", "dr1", {"big.fits": BYTES}) / "big.fits"


@contextmanager
def opened(person: Person, path: str) -> Iterator[Callable[[], str]]:
    """Open a file as somebody; yields what reads it, and returns the digest of what was read."""
    with person.spawn(["/usr/bin/python3", "-c", READ_LATER, path], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"

        def read() -> str:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("now\n")
            child.stdin.flush()
            # The end is not waited for: to close the file is the worker's business.
            return str(child.stdout.readline().strip())

        yield read


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_large_public_file_is_read_while_the_worker_stands_still(rig: DataRig, big: Path, ann: Person) -> None:
    if "the kernel reads public files" not in rig.log.read_text():
        pytest.skip("this kernel has no FUSE_PASSTHROUGH")
    with opened(ann, BIG) as read, standing_still(rig.worker("ann")):
        assert read() == WHOLE


def test_file_that_the_kernel_reads_outlives_the_worker_and_is_opened_again(rig: DataRig, big: Path, ann: Person) -> None:
    with opened(ann, BIG) as read:
        before = rig.worker("ann")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: rig.worker("ann") != before, 20)
        with opened(ann, BIG) as read_again:
            assert read_again() == WHOLE
        assert ann.do(DIGEST, path=BIG) == WHOLE
        assert read() == WHOLE
    assert ann.do(DIGEST, path=BIG) == WHOLE
    assert "Traceback" not in rig.log.read_text()


def test_platform_may_forbid_it(rig: DataRig, big: Path, ann: Person) -> None:
    raw = rig.platform.model_dump(mode="json") | {"storage": {"passthrough": False}}
    rig.feed.platform(Platform.model_validate(raw))
    eventually(lambda: "the view of ann changes" in rig.log.read_text())
    before = rig.worker("ann")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: "every file is read by the worker: storage.passthrough is off" in rig.log.read_text(), 20)
    assert ann.do(DIGEST, path=BIG) == WHOLE


@pytest.mark.parametrize("path", ["home/mine", "teams/ant/ours"])
def test_file_that_is_read_on_shows_what_others_write_meanwhile(ann: Person, path: str) -> None:
    code = """
        Path(path).write_bytes(bytes(9000))
        with open(path, "rb", 0) as file:
            first = [len(os.pread(file.fileno(), 4096, at)) for at in (0, 4096)]
            Path(path).write_bytes(b"x" * 12000)
            st = os.fstat(file.fileno())
            answer = [*first, st.st_size, st.st_uid, st.st_gid, st.st_mode & 0o777, os.pread(file.fileno(), 1, 8192).decode()]
    """
    mine = ann.record.uid
    mode = 0o664 if path.startswith("teams") else 0o644
    assert ann.do(code, path=path) == [4096, 4096, 12000, mine, mine, mode, "x"]


def test_file_that_is_read_on_refuses_once_the_right_is_lost(rig: DataRig, ann: Person) -> None:
    code = """
        fd = os.open(path, os.O_RDONLY)
        for part in range(8):
            os.pread(fd, 4096, part * 131072)
        Path("home/ready").write_text("")
        answer, end = "still read", time.monotonic() + 20
        while answer == "still read" and time.monotonic() < end:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            try:
                os.pread(fd, 4096, 0)
            except OSError as error:
                answer = errno.errorcode[error.errno]
            time.sleep(0.05)
    """
    with ann.start(code, path="releases/sky/dr2/cubes/deep.fits") as child:
        eventually((rig.var.homes / "ann/ready").exists)
        rig.know(record("ann", version=2))
        out, err = child.communicate(timeout=30)
    assert json.loads(out)["answer"] in {"EACCES", "ESTALE"}, (out, err)


def test_listing_that_the_kernel_keeps_ends_with_the_right(rig: DataRig, ann: Person) -> None:
    listing, path = "answer = sorted(os.listdir(path))", "releases/sky/dr2"
    assert ann.do(listing, path=path) == ann.do(listing, path=path) == ["README", "catalogue.txt", "cubes"]
    rig.know(record("ann", version=2))
    eventually(lambda: ann.do("answer = os.path.exists(path)", path=path) is False)
    rig.know(record("ann", member("ant"), version=3))
    eventually(lambda: ann.do("answer = os.path.exists(path)", path=path))
    assert ann.do(listing, path=path) == ["README", "catalogue.txt", "cubes"]


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[socket.socket, Path, int]]:
    """The end of a broker's socket that a worker has, a file, and the read-only tree in which it may be handed over."""
    path = tmp_path / "tree/file"
    path.parent.mkdir()
    path.write_bytes(b"bytes")
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    made, ours = broker.start(device)
    tree = mount.read_only_tree(path.parent)
    made.trees = frozenset({broker.mount_number(tree)})
    ours.settimeout(5)
    try:
        yield ours, path, tree
    finally:
        ours.close()
        made.join(5)
        os.close(tree)
        os.close(device)
    assert not made.is_alive()


def asked(ours: socket.socket, fd: int) -> int:
    socket.send_fds(ours, [broker.WORDS.pack(broker.OPEN, 0)], [fd])
    os.close(fd)
    return int(broker.ANSWER.unpack(ours.recv(broker.ANSWER.size))[0])


def test_broker_asks_the_kernel_for_a_file_of_the_tree_alone(hostile: tuple[socket.socket, Path, int]) -> None:
    ours, path, tree = hostile
    # This device serves no mount, which is the kernel's to refuse.
    assert asked(ours, os.open("file", os.O_RDONLY, dir_fd=tree)) == -EPERM
    assert asked(ours, os.open(path, os.O_RDONLY)) == -EACCES
    assert asked(ours, os.open(path, os.O_RDWR)) == -EACCES
    assert asked(ours, os.open(path, os.O_PATH)) == -EACCES
    assert asked(ours, os.open("file", os.O_PATH, dir_fd=tree)) == -EACCES
    assert asked(ours, os.open(".", os.O_RDONLY, dir_fd=tree)) == -EACCES
    assert asked(ours, os.open("/dev/null", os.O_RDONLY)) == -EACCES
    ours.send(broker.WORDS.pack(broker.CLOSE, 7))
    assert asked(ours, os.open("file", os.O_RDONLY, dir_fd=tree)) == -EPERM


@pytest.mark.parametrize("said", [b"", b"x", broker.WORDS.pack(broker.OPEN, 0), broker.WORDS.pack(9, 9), b"y" * 100])
def test_broker_ends_with_a_worker_that_says_what_none_says(hostile: tuple[socket.socket, Path, int], said: bytes) -> None:
    ours, _, _ = hostile
    ours.send(said)
    assert ours.recv(16) == b""


def test_what_was_left_alone_and_then_changed_in_another_view_is_read_anew(rig: DataRig, ann: Person) -> None:
    rig.know(record("bob", member("ant"), member("bee"), version=2))
    bob = rig.mount("bob")
    write, read = "Path(path).write_text(text)", "answer = Path(path).read_text()[:1]"
    path = "teams/ant/shared"
    ann.do(write, path=path, text="a" * 8192)
    eventually(lambda: time.time() - os.stat(rig.var.spaces / "ant/shared").st_ctime > 2.1)
    assert [bob.do(read, path=path) for _ in range(3)] == ["a", "a", "a"]
    ann.do(write, path=path, text="b" * 8192)
    assert bob.do(read, path=path) == "b"
    ann.do(write, path=path, text="c" * 8192)
    assert bob.do(read, path=path) == "c"


def test_directory_of_a_release_that_is_replaced_below_is_seen_as_it_is(rig: DataRig, ann: Person) -> None:
    top = rig.var.releases / "sky/dr1/cubes"
    assert ann.do("answer = Path(path).stat().st_size", path="releases/sky/dr1/cubes/deep.fits") == 256 * 4096
    (top / "other.fits").write_bytes(b"another")
    (top / "deep.fits").unlink()
    assert ann.do("answer = Path(path).read_text()", path="releases/sky/dr1/cubes/other.fits") == "another"
    with pytest.raises(Failed, match=r"ENOENT|ESTALE"):
        ann.do("Path(path).read_bytes()", path="releases/sky/dr1/cubes/deep.fits")


def test_pipe_in_a_release_is_not_waited_for(rig: DataRig, ann: Person) -> None:
    os.mkfifo(rig.var.releases / "sky/dr1/pipe")
    assert ann.do("answer = stat.S_ISFIFO(os.stat(path).st_mode)", path="releases/sky/dr1/pipe")
