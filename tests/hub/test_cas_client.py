"""The request to a CAS server that is down, slow, wrong or false."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bowerbird_hub.sign_on.cas_client import CASServer, CASUnreachable, is_trustworthy
from bowerbird_hub.sign_on.cas_protocol import CASError, MalformedReply, TicketRefused

from tests.support.cas import FakeCAS, Reply, failure, fake_cas, free_port, success
from tests.support.certificates import certificate

pytestmark = pytest.mark.asyncio
TICKET = "ST-1-abcdefghijkl"
SERVICE = "https://hub.example.org/hub/cas/callback?state=a%20b"


@pytest.fixture
def fake() -> Iterator[FakeCAS]:
    with fake_cas() as running:
        yield running


def server(fake: FakeCAS, seconds: float = 5) -> CASServer:
    return CASServer(fake.url, timedelta(seconds=seconds))


async def sentence(asked: CASServer, kind: type[CASError]) -> str:
    with pytest.raises(kind) as raised:
        await asked.validate(TICKET, SERVICE)
    said = str(raised.value)
    assert TICKET not in said
    assert "hub.example.org" not in said
    return said


async def test_a_good_answer_names_the_user(fake: FakeCAS):
    fake.signs_in("ann", memberOf=["craft"])
    user = await server(fake).validate(TICKET, SERVICE)
    assert user.name == "ann"
    assert fake.asked == [{"service": [SERVICE], "ticket": [TICKET]}]


@pytest.mark.parametrize("content_type", ["text/html;charset=UTF-8", "application/xml", "application/json", "image/png", "nonsense"])
async def test_the_content_type_is_never_asked(fake: FakeCAS, content_type: str):
    fake.reply = Reply(success("ann"), headers={"Content-Type": content_type})
    assert (await server(fake).validate(TICKET, SERVICE)).name == "ann"


async def test_a_server_that_is_down_is_said_to_be_unreachable():
    asked = CASServer(f"http://127.0.0.1:{free_port()}/cas", timedelta(seconds=5))
    assert "could not be reached" in await sentence(asked, CASUnreachable)


async def test_a_slow_server_is_given_up_in_time(fake: FakeCAS):
    fake.reply = Reply(success("ann"), wait=threading.Event())
    begun = time.monotonic()
    assert "did not answer within 0.3 s" in await sentence(server(fake, 0.3), CASUnreachable)
    assert time.monotonic() - begun < 3


async def test_a_server_that_drips_its_answer_is_given_up_in_time(fake: FakeCAS):
    fake.reply = Reply(success("ann"), drip=True)
    begun = time.monotonic()
    assert "did not answer within 0.5 s" in await sentence(server(fake, 0.5), CASUnreachable)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("status", [204, 301, 302, 400, 404, 405, 500, 503])
async def test_another_status_signs_nobody_on(fake: FakeCAS, status: int):
    elsewhere = fake.url.removesuffix("/cas") + "/elsewhere"
    fake.reply = Reply(b"" if status == 204 else success("ann"), status=status, headers={"Location": elsewhere})
    assert f"status {status}" in await sentence(server(fake), CASUnreachable)
    assert fake.redirected_to == []


async def test_an_unregistered_service_is_refused_with_status_403(fake: FakeCAS):
    fake.reply = Reply(failure("UNAUTHORIZED_SERVICE"), status=403)
    assert "does not know this platform" in await sentence(server(fake), TicketRefused)


async def test_a_success_with_status_403_signs_nobody_on(fake: FakeCAS):
    fake.reply = Reply(success("ann"), status=403)
    assert "status 403" in await sentence(server(fake), MalformedReply)


async def test_a_body_of_ten_megabytes_is_not_read(fake: FakeCAS):
    fake.reply = Reply(success("ann") + b" " * (10 << 20))
    await sentence(server(fake), CASUnreachable)


async def test_two_users_sign_nobody_on(fake: FakeCAS):
    fake.reply = Reply(success("ann").replace(b"<cas:user>", b"<cas:user>ben</cas:user><cas:user>"))
    assert "2 <user>" in await sentence(server(fake), MalformedReply)


async def test_plain_http_to_another_machine_is_not_believed():
    assert "not https" in await sentence(CASServer("http://cas.example.org/cas", timedelta(seconds=5)), CASUnreachable)


@pytest.mark.parametrize(
    ("url", "believed"),
    [
        ("https://cas.example.org/cas", True),
        ("http://127.0.0.1:81/cas", True),
        ("http://[::1]/cas", True),
        ("http://localhost/cas", True),
        ("http://127.0.0.1.example.org/cas", False),
        ("http://localhost.example.org/cas", False),
        ("ftp://127.0.0.1/cas", True),
        ("", False),
    ],
)
async def test_loopback_and_tls_alone_are_trustworthy(url: str, believed: bool):
    assert is_trustworthy(url) is believed


def tls(public: Path, private: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)

    def wrap(listening: socket.socket) -> socket.socket:
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        return context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)

    return wrap


async def test_a_certificate_of_a_known_authority_is_believed(tmp_path: Path):
    pair = certificate(tmp_path, "127.0.0.1")
    with fake_cas(tls(*pair), "https") as fake:
        fake.signs_in("ann")
        user = await CASServer(fake.url, timedelta(seconds=5), str(pair[0])).validate(TICKET, SERVICE)
    assert user.name == "ann"


async def test_a_certificate_of_an_unknown_authority_is_not_believed(tmp_path: Path):
    with fake_cas(tls(*certificate(tmp_path, "127.0.0.1")), "https") as fake:
        fake.signs_in("ann")
        await sentence(server(fake), CASUnreachable)
        assert fake.asked == []


async def test_a_certificate_for_another_host_is_not_believed(tmp_path: Path):
    pair = certificate(tmp_path, "cas.example.org")
    with fake_cas(tls(*pair), "https") as fake:
        fake.signs_in("ann")
        await sentence(CASServer(fake.url, timedelta(seconds=5), str(pair[0])), CASUnreachable)
        assert fake.asked == []
