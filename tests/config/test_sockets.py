"""Unix sockets below long paths, and JSON lines over them."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.sockets import (
    LineError,
    connect,
    listen,
    peer_uid,
    read_lines,
    receive_descriptors,
    send_descriptors,
    write_line,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def datagrams() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def test_path_longer_than_an_address_is_served(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with listen(deep / "a.sock") as listener, connect(deep / "a.sock", 5) as client:
        server, _ = listener.accept()
        with server:
            write_line(client, {"op": "hello"})
            assert next(read_lines(server)) == {"op": "hello"}
            assert peer_uid(server) == os.getuid()


def test_socket_has_its_mode_and_leaves_no_other_file(tmp_path: Path) -> None:
    with listen(tmp_path / "a.sock", 0o660):
        assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o660
        assert os.listdir(tmp_path) == ["a.sock"]


def test_dead_socket_is_replaced(tmp_path: Path) -> None:
    listen(tmp_path / "a.sock").close()
    with pytest.raises(ConnectionRefusedError):
        connect(tmp_path / "a.sock", 5)
    with listen(tmp_path / "a.sock"), connect(tmp_path / "a.sock", 5):
        pass


def test_nobody_there_is_an_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for path in (tmp_path / "none.sock", tmp_path / "no directory" / "a.sock"):
        with pytest.raises(FileNotFoundError):
            connect(path)
        if not path.parent.exists():
            with pytest.raises(FileNotFoundError):
                listen(path)
    assert os.listdir("/proc/self/fd") == before


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())), st.integers(1, 50))
def test_messages_come_as_they_were_sent_however_they_are_cut(messages: list[dict[str, object]], size: int) -> None:
    from bowerbird_config.sockets import encode

    left, right = socket.socketpair()
    data = b"".join(map(encode, messages))

    def send() -> None:
        with left:
            for start in range(0, len(data), size):
                left.sendall(data[start : start + size])

    sender = threading.Thread(target=send)
    sender.start()
    with right:
        assert list(read_lines(right)) == messages
    sender.join(5)


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"null\n", b"\xff\n", b"\n", b"[" * 5000 + b"\n"])
def test_line_that_is_no_object_is_refused(pair: "tuple[socket.socket, socket.socket]", line: bytes) -> None:
    pair[0].sendall(line)
    with pytest.raises(LineError):
        next(read_lines(pair[1]))


def test_line_beyond_the_limit_is_refused_before_it_ends(pair: "tuple[socket.socket, socket.socket]") -> None:
    pair[0].sendall(b'{"a": "' + b"x" * 2000)
    with pytest.raises(LineError, match="longer than 1000 bytes"):
        next(read_lines(pair[1], limit=1000))


def test_connection_that_ends_within_a_line_is_told(pair: "tuple[socket.socket, socket.socket]") -> None:
    pair[0].sendall(b'{"a": 1}\n{"b"')
    pair[0].shutdown(socket.SHUT_WR)
    lines = read_lines(pair[1])
    assert next(lines) == {"a": 1}
    with pytest.raises(LineError, match="within a line"):
        next(lines)


def test_descriptors_come_beside_what_is_said(datagrams: "tuple[socket.socket, socket.socket]", tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    with open(tmp_path / "one", "rb") as file:
        send_descriptors(datagrams[0], b"here", [file.fileno(), file.fileno()])
    send_descriptors(datagrams[0], b"nothing beside", [])
    said, fds, flags = receive_descriptors(datagrams[1], 100, 2)
    assert (said, len(fds), flags & socket.MSG_CTRUNC) == (b"here", 2, 0)
    assert not any(os.get_inheritable(fd) for fd in fds)
    assert os.pread(fds[0], 100, 0) == b"one"
    for fd in fds:
        os.close(fd)
    assert receive_descriptors(datagrams[1], 100, 2)[:2] == (b"nothing beside", [])


def test_more_descriptors_than_are_taken_are_told_and_closed(datagrams: "tuple[socket.socket, socket.socket]") -> None:
    with open(os.devnull, "rb") as file:
        send_descriptors(datagrams[0], b"here", [file.fileno()] * 3)
    before = set(os.listdir("/proc/self/fd"))
    said, fds, flags = receive_descriptors(datagrams[1], 100, 1)
    assert said == b"here"
    assert flags & socket.MSG_CTRUNC
    for fd in fds:
        os.close(fd)
    assert set(os.listdir("/proc/self/fd")) == before


def test_who_sends_to_one_that_does_not_read_is_not_held(datagrams: "tuple[socket.socket, socket.socket]") -> None:
    def send_much() -> None:
        for _ in range(100_000):
            send_descriptors(datagrams[0], b"x" * 1000, [])

    with pytest.raises(BlockingIOError):
        send_much()
