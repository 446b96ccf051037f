"""Orders to the data keeper, over its real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.sockets import listen
from bowerbird_hub.runtimes.keeper_client import KeeperClient, KeeperError

from tests.support.keeper import FakeKeeper


@pytest.fixture
def var(tmp_path: Path) -> Var:
    # Longer than a socket's address may be.
    var = Var(tmp_path / ("deep" * 20) / "var")
    for path in (var.views, var.homes):
        path.mkdir(parents=True)
    return var


@pytest.mark.asyncio
async def test_views_are_mounted_listed_and_unmounted(var: Var) -> None:
    with FakeKeeper(var):
        keeper = KeeperClient(var.keeper_socket)
        assert await keeper.mount("ann") == var.views / "ann"
        assert await keeper.mount("bob") == var.views / "bob"
        assert await keeper.views() == ("ann", "bob")
        await keeper.unmount("ann")
        assert await keeper.views() == ("bob",)


@pytest.mark.asyncio
async def test_refusal_is_told_in_the_keepers_words(var: Var) -> None:
    with FakeKeeper(var) as fake:
        fake.refuse = "the disk is full"
        with pytest.raises(KeeperError, match=r"^the disk is full$"):
            await KeeperClient(var.keeper_socket).mount("ann")


@pytest.mark.asyncio
async def test_absent_keeper_is_told(var: Var) -> None:
    with pytest.raises(KeeperError, match="the data keeper cannot be reached"):
        await KeeperClient(var.keeper_socket).mount("ann")


@contextmanager
def answering(var: Var, answer: bytes | None) -> Iterator[None]:
    """Be a keeper that says one thing, or nothing at all."""
    listener = listen(var.keeper_socket)
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if answer is None:
                done.wait(10)
            else:
                connection.sendall(answer)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(5)
        listener.close()


@pytest.mark.asyncio
async def test_keeper_that_says_nothing_is_waited_for_no_longer_than_agreed(var: Var) -> None:
    with answering(var, None), pytest.raises(KeeperError, match="did not answer within 0 s"):
        await KeeperClient(var.keeper_socket, timeout_seconds=0.2).mount("ann")


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [b"", b"nonsense\n", b"[]\n", b'{"ok": 1}\n', b'{"ok": false}\n'])
async def test_answer_of_a_wrong_form_is_an_error_and_never_a_mount(var: Var, answer: bytes) -> None:
    with answering(var, answer), pytest.raises(KeeperError):
        await KeeperClient(var.keeper_socket).mount("ann")
