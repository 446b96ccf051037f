"""The real proxy between a client and what breaks off in the middle of an answer, or is not there at all."""

import http.client
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import pyvo
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.supervision.away import away_directory, write_page
from bowerbird_hub.supervision.proxy_scripts import node_options, write_scripts

from tests.services.waiting import until
from tests.support.cas import free_port
from tests.support.checkout import CHECKOUT
from tests.support.platforms import described

# What the server behind the proxy sends, by the path that is asked for, before it closes the connection.
ANSWERS = {
    "/whole": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
    "/to-the-end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
    "/busy": b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nRetry-After: 77\r\nContent-Length: 4\r\n\r\nbusy",
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
                    path = connection.recv(65536).split()[1].decode().partition("?")[0]
                    connection.sendall(ANSWERS.get(path, ANSWERS["/whole"]))

        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


@pytest.fixture
def proxy(behind: int, tmp_path: Path) -> Iterator[str]:
    install, var = Install(CHECKOUT), Var(tmp_path / 'a "var"')
    if not install.node.exists():
        pytest.skip("needs the proxy: ./bowerbird up installs it")
    away_directory(var).mkdir(parents=True)
    write_scripts(var)
    write_page(var, Platform.model_validate(described()), "http://there.example/")
    port, api = free_port(), free_port()
    command = [*install.proxy_command, "--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api)]
    command += ["--error-path", str(away_directory(var))]
    told = {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": "secret", "NODE_OPTIONS": node_options(var)}
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, "--default-target", f"http://127.0.0.1:{behind}"], env=told, stdout=subprocess.DEVNULL) as running:
        try:
            until(lambda: running.poll() is not None or answers(f"{address}/_chp_healthz"))
            gone = {"target": f"http://127.0.0.1:{free_port()}"}
            httpx.post(f"http://127.0.0.1:{api}/api/routes/gone", json=gone, headers={"Authorization": "token secret"}).raise_for_status()
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


@pytest.mark.parametrize("accept", ["*/*", "application/x-votable+xml, text/xml", "", "text/html, image/gif, image/jpeg, */*; q=0.2"])
def test_program_that_asks_for_what_is_away_is_told_so_in_a_sentence_and_when_to_ask_again(proxy: str, accept: str) -> None:
    for ask in (httpx.get, httpx.post, httpx.head):
        answer = ask(f"{proxy}/gone/tap/sync", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert ask is httpx.head or answer.text.endswith("ask help@example.org\n")


def test_pyvo_shows_the_sentence(proxy: str) -> None:
    with pytest.raises(pyvo.DALServiceError, match="is starting or stopping; try again in half a minute"):
        pyvo.dal.SCSService(f"{proxy}/gone/scs").search((10.0, 20.0), 0.1)


def test_browser_is_shown_the_page_and_what_comes_from_behind_is_left_as_it_is(proxy: str) -> None:
    page = httpx.get(f"{proxy}/gone/hub/home", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status_code, page.headers["Content-Type"], page.headers["Retry-After"]) == (503, "text/html", "10")
    assert "This does not answer at the moment" in page.text
    busy = httpx.get(f"{proxy}/busy")
    assert (busy.status_code, busy.headers["Retry-After"], busy.text) == (503, "77", "busy")


@pytest.mark.parametrize("path", ["/%ff", "/hub/%ED%A0%80", "/services/vo/tables/%", "/user/%zz/lab?next=%2F", "//"])
def test_address_that_cannot_be_read_is_said_to_be_one(proxy: str, path: str) -> None:
    connection = http.client.HTTPConnection(proxy.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read().decode().partition(":")[0]) == (400, "this address cannot be read")
    assert httpx.get(f"{proxy}/whole?of=%ff%", timeout=20).text == "whole"
