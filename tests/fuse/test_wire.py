"""The protocol between keeper and worker."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_fuse import wire
from bowerbird_fuse.meter import Slot, open_memory
from bowerbird_fuse.view import View
from hypothesis import given

from tests.support.views import views

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


@pytest.mark.parametrize(
    "message",
    [wire.Stores(("home", "release/sky/dr1"), (3, -1)), wire.Show(), wire.Go("0aff"), wire.Standby(), wire.Serving()],
    ids=lambda message: type(message).__name__,
)
def test_message_arrives_as_it_was_sent(pair: Pair, message: wire.Message) -> None:
    wire.send(pair[0], message)
    assert wire.receive(pair[1]) == (message, [])


def test_end_is_no_message(pair: Pair) -> None:
    pair[0].close()
    assert wire.receive(pair[1]) == (None, [])


@pytest.mark.parametrize(
    "data", [b"x", b"{}", b"[]", b'"Go"', b'{"kind":"Dance"}', b'{"kind":"Go"}', b'{"kind":"Go","init":"","more":1}', b"\xff", b"[" * 9000]
)
def test_anything_else_is_refused_and_its_descriptors_are_closed(pair: Pair, data: bytes) -> None:
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(pair[0], [data], [0, 0])
    with pytest.raises(wire.WireError):
        wire.receive(pair[1])
    assert len(os.listdir("/proc/self/fd")) == before


def test_message_that_is_too_large_is_refused(pair: Pair) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    wire.send(pair[0], wire.Go("00" * 40_000))
    with pytest.raises(wire.WireError, match="too large"):
        wire.receive(pair[1])


def test_thousand_directories_arrive_in_order(pair: Pair, tmp_path: Path) -> None:
    stores: list[tuple[str, int, Slot | None]] = []
    meter = open_memory()
    for number in range(450):
        (tmp_path / f"{number}").mkdir()
        stores.append((f"key {number}", os.open(tmp_path / f"{number}", os.O_PATH), Slot(meter, number) if number % 3 else None))
    for message, fds in wire.store_messages(stores):
        wire.send(pair[0], message, fds)
    wire.close_all([meter, *(fd for _, fd, _ in stores)])
    got: list[tuple[str, str, int]] = []
    while len(got) < 450:
        said, fds = wire.receive(pair[1])
        assert isinstance(said, wire.Stores)
        names = [Path(os.readlink(f"/proc/self/fd/{fd}")).name for fd in fds]
        got += zip(said.keys, names, said.slots, strict=False)
        assert len(fds) == len(said.keys) + sum(slot >= 0 for slot in said.slots)
        assert all(name.startswith("memfd:meter") for name in names[len(said.keys) :])
        wire.close_all(fds)
    assert got == [(f"key {number}", f"{number}", number if number % 3 else -1) for number in range(450)]


@given(views())
def test_view_travels_in_a_memfd(view: View) -> None:
    assert wire.read_view(wire.view_memory(view)) == view


def test_listener_that_does_not_listen_does_not_hold_the_speaker_up(pair: Pair) -> None:
    def speak() -> None:
        while True:
            wire.send(pair[0], wire.Show())

    with pytest.raises(BlockingIOError):
        speak()
