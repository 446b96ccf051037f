"""Whatever is said between keeper and worker is a message or refused: no thread dies of it, no descriptor is kept or given."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from bowerbird_fuse import wire
from bowerbird_fuse.broker import start as broker_of
from bowerbird_fuse.launch import Answered, Ended, Said, Worker
from bowerbird_fuse.processes import Process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.data_rig import eventually

# A worker may say these two; all else is the keeper's to say.
TRUE: tuple[wire.Message, ...] = (wire.Standby(), wire.Serving())
MESSAGES: tuple[wire.Message, ...] = (*TRUE, wire.Mount(), wire.Show(), wire.Go("0aff"), wire.Stores(("home", "release/sky/dr1"), (3, -1)))
SPOILS = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3), st.binary(max_size=5)), max_size=3)
WORDS = st.sampled_from(["kind", "keys", "slots", "init"]) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([type(m).__name__ for m in MESSAGES]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
)
MOST_FDS = 3


def encoded(message: wire.Message) -> bytes:
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode()


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A message of the protocol with bytes taken out, put in or changed; or the whole one."""
    data = encoded(draw(st.sampled_from(MESSAGES)))
    for at, length, instead in draw(SPOILS):
        data = data[:at] + instead + data[at + length :]
    return data or b"x"


DATAGRAMS = spoilt() | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(min_size=1, max_size=300)
SAID = st.lists(st.tuples(DATAGRAMS, st.integers(0, MOST_FDS)), min_size=1, max_size=8)


def open_files() -> dict[str, str]:
    """Return what this process has open."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return found


def send(connection: socket.socket, data: bytes, fds: list[int]) -> bool:
    """Say it; tell whether anybody still listens."""
    try:
        socket.send_fds(connection, [data], fds)
    except OSError:
        return False
    return True


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A file whose descriptor is laid beside messages, and must be kept by nobody."""
    fd = os.open(tmp_path_factory.mktemp("secret") / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


HOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@HOW
@given(data=DATAGRAMS, count=st.integers(0, MOST_FDS))
def test_what_comes_is_a_message_or_refused_with_all_beside_it(secret: int, data: bytes, count: int) -> None:
    before = open_files()
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        assert send(left, data, [secret] * count)
        try:
            message, fds = wire.receive(right)
        except wire.WireError:
            pass
        else:
            assert isinstance(message, wire.Message)
            assert len(fds) == count
            wire.close_all(fds)
    assert open_files() == before


def a_worker() -> tuple[Worker, socket.socket]:
    """A worker that is a sleeping process, and its end of the socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = subprocess.Popen(["sleep", "60"])
    process = Process.find(child.pid)
    assert process is not None
    return Worker(process, 0, (), ours, child), theirs


@settings(HOW, max_examples=40)
@given(said=SAID)
def test_keeper_hears_true_messages_once_and_ends_who_says_another(secret: int, said: list[tuple[bytes, int]]) -> None:
    before = open_files()
    worker, theirs = a_worker()
    events: list[Said | Ended | Answered] = []
    worker.watch(events.append)
    with theirs:
        for data, count in said:
            send(theirs, data, [secret] * count)
        theirs.shutdown(socket.SHUT_WR)
        expected = heard(said)
        eventually(lambda: len(events) >= len(expected) or worker.process.ended(), 10)
        # Nothing ever comes back from who listens, least of all a descriptor.
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        worker.kill()
        eventually(lambda: bool(events) and isinstance(events[-1], Ended), 10)
    assert [event.message for event in events if isinstance(event, Said)] == expected
    worker.close()
    assert open_files() == before


def heard(said: list[tuple[bytes, int]]) -> list[wire.Message]:
    """Return what the keeper takes up of it: each kind once, and nothing after what is no message."""
    found: list[wire.Message] = []
    for data, _ in said:
        try:
            message = wire._parse(data, 0)
        except wire.WireError:
            break
        if type(message) in map(type, found):
            break
        found.append(message)
    return found


@settings(HOW, max_examples=40)
@given(said=st.lists(st.tuples(st.binary(min_size=1, max_size=12), st.integers(0, MOST_FDS)), max_size=6))
def test_broker_answers_with_numbers_alone_and_keeps_nothing(secret: int, said: list[tuple[bytes, int]]) -> None:
    before = open_files()
    device = os.open("/dev/null", os.O_RDWR)
    broker, asking = broker_of(device)
    with asking:
        asking.settimeout(10)
        for data, count in said:
            send(asking, data, [secret] * count)
        asking.shutdown(socket.SHUT_WR)
        answers = 0
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(asking, 64, 8)
            except ConnectionResetError:
                break
            assert fds == []
            if not data:
                break
            # No file of that worker's is handed to the kernel, and no number of another's is told.
            assert int.from_bytes(data, "little", signed=True) < 0
            answers += 1
    assert answers <= len(said)
    broker.join(10)
    os.close(device)
    assert not broker.is_alive()
    assert open_files() == before
