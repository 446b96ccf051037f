"""The real proxy between a client and what breaks off in the middle of an answer."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_hub.supervision.away import away_directory
from bowerbird_hub.supervision.broken_answers import node_options, write_script

from tests.services.waiting import until
from tests.support.checkout import CHECKOUT

# What the server behind the proxy sends, by the path that is asked for, before it closes the connection.
ANSWERS = {
    "/whole": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
    "/to-the-end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
}


@pytest.fixture
def behind() -> Iterator[int]:
    """A server that sends what it has and goes, as one that is killed does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    path = connection.recv(65536).split()[1].decode()
                    connection.sendall(ANSWERS.get(path, ANSWERS["/whole"]))

        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def proxy(behind: int, tmp_path: Path) -> Iterator[str]:
    install, var = Install(CHECKOUT), Var(tmp_path / 'a "var"')
    if not install.node.exists():
        pytest.skip("needs the proxy: ./bowerbird up installs it")
    away_directory(var).mkdir(parents=True)
    write_script(var)
    port, api = free_port(), free_port()
    command = [*install.proxy_command, "--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api)]
    told = {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": "secret", "NODE_OPTIONS": node_options(var)}
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, "--default-target", f"http://127.0.0.1:{behind}"], env=told, stdout=subprocess.DEVNULL) as running:
        try:
            until(lambda: running.poll() is not None or answers(f"{address}/_chp_healthz"))
            yield address
        finally:
            running.terminate()


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def test_answer_that_breaks_off_behind_the_proxy_breaks_off_for_the_client(proxy: str) -> None:
    for path in ("/short", "/chunked"):
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{proxy}{path}", timeout=20)
    for path in ("/whole", "/to-the-end"):
        assert httpx.get(f"{proxy}{path}", timeout=20).content == ANSWERS[path].partition(b"\r\n\r\n")[2]
