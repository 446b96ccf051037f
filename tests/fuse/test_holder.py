"""The holder alone: what is put there comes back, to whoever may ask, whatever else is said to it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_config import sockets
from bowerbird_fuse.held import Held

from tests.support.checkout import CHECKOUT
from tests.support.data_rig import eventually

pytestmark = pytest.mark.root


def started(path: Path) -> "subprocess.Popen[bytes]":
    path.unlink(missing_ok=True)
    members = os.pathsep.join(str(CHECKOUT / member) for member in ("config", "fuse"))
    argv = [sys.executable, "-m", "bowerbird_fuse.holder", "--socket", str(path)]
    holder = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": members})
    eventually(lambda: path.exists() or holder.poll() is not None, 20)
    return holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holder.sock"


@pytest.fixture
def holder(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    holder = started(path)
    yield holder
    holder.kill()
    holder.wait(10)


@pytest.fixture
def sides(path: Path) -> "Iterator[Callable[[], Held]]":
    """Make keepers' sides of the holder, which are closed in the end."""
    made: list[Held] = []

    def make() -> Held:
        made.append(Held(path))
        return made[-1]

    yield make
    for side in made:
        side.close()


Sides = Callable[[], Held]


def pipe_held(held: Held, name: str) -> int:
    """Have the writing end of a pipe held, and nowhere else; return the reading end."""
    reader, writer = os.pipe()
    held.put(name, [writer])
    os.close(writer)
    return reader


def names_after_care(held: Held) -> list[str]:
    held.tend(())
    return sorted(held.names())


def is_closed(reader: int) -> bool:
    os.set_blocking(reader, False)
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


@pytest.mark.usefixtures("holder")
def test_descriptors_outlive_who_put_them_there(sides: Sides) -> None:
    first, second = sides(), sides()
    reader = pipe_held(first, "7 ann")
    first.close()
    assert second.names() == ["7 ann"]
    (writer,) = second.take("7 ann")
    os.write(writer, b"!")
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    second.drop("7 ann")
    eventually(lambda: is_closed(reader))
    assert second.take("7 ann") == []
    assert second.names() == []
    os.close(reader)


@pytest.mark.usefixtures("holder")
def test_what_is_put_in_the_place_of_another_lets_go_of_it(sides: Sides) -> None:
    held = sides()
    readers = [pipe_held(held, "7 ann"), pipe_held(held, "7 ann"), pipe_held(held, "8 bob")]
    eventually(lambda: [is_closed(reader) for reader in readers] == [True, False, False])
    held.keep_only({"8 bob"})
    eventually(lambda: [is_closed(reader) for reader in readers] == [True, True, False])
    for reader in readers:
        os.close(reader)


@pytest.mark.usefixtures("holder")
def test_nonsense_ends_one_connection_and_not_the_holder(path: Path, sides: Sides) -> None:
    held = sides()
    reader = pipe_held(held, "7 ann")
    for nonsense in (b"!", b"x" * 100_000, b"\0"):
        with sockets.connect(path, 10, socket.SOCK_SEQPACKET) as rude:
            rude.send(nonsense)
            assert rude.recv(1) == b""
    with sockets.connect(path, 10, socket.SOCK_SEQPACKET) as deaf:
        deaf.setblocking(False)
        with contextlib.suppress(OSError):
            for _ in range(1_000_000):
                deaf.send(b"?")
        assert held.names() == ["7 ann"]
    os.close(reader)


@pytest.mark.usefixtures("holder")
def test_nobody_but_root_is_answered(path: Path) -> None:
    path.chmod(0o777)
    path.parent.chmod(0o755)
    code = (
        "import socket, sys, os; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534); "
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(10); s.connect(sys.argv[1]); "
        "print('sent', s.send(b'?')) if not s.recv(9) else print('heard')"
    )
    said = subprocess.run([sys.executable, "-c", code, path.name], cwd=path.parent, capture_output=True, text=True, check=False)
    assert "sent" in said.stdout or "BrokenPipe" in said.stderr or "ConnectionReset" in said.stderr


def test_next_holder_is_given_everything(
    path: Path, holder: "subprocess.Popen[bytes]", sides: Sides, caplog: pytest.LogCaptureFixture
) -> None:
    held = sides()
    reader, writer = os.pipe()
    held.put("7 ann", [writer])
    holder.kill()
    holder.wait(10)
    held.tend(())
    held.put("8 bob", [writer])
    other = started(path)
    try:
        eventually(lambda: names_after_care(held) == ["7 ann", "8 bob"])
    finally:
        other.kill()
        other.wait(10)
    assert caplog.text.count("the holder does not answer") == 1
    os.close(reader)
    os.close(writer)


def test_holder_that_hangs_is_left_alone(holder: "subprocess.Popen[bytes]", sides: Sides, caplog: pytest.LogCaptureFixture) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    held = sides()
    reader, writer = os.pipe()
    held.put("7 ann", [writer])
    assert held.take("7 ann") == []
    assert caplog.text.count("the holder does not answer") == 1
    os.kill(holder.pid, signal.SIGCONT)
    eventually(lambda: names_after_care(held) == ["7 ann"], 10)
    os.close(reader)
    os.close(writer)
