"""Asking the hub over real HTTP: what is sent, what comes back, and every way in which no good answer comes."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.pods import Pod
from bowerbird_fuse.csi.asking import FEED, KILLS, PODS, REMOUNTS, Hub
from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.errors import Away, Denied
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.csi.volumes import Volume

from tests.support.certificates import certificate
from tests.support.hub_door import HubDoor

POD_TOKEN = "eyJ.of-the-pod.sig"
CLAIM = Claim(
    "csi-1", Target(Path("/pods"), "u-1", "data"), Pod("people", "server-ann", "u-1"), read_only=False, token=POD_TOKEN, storage="of-node-1"
)
POD = {"namespace": "people", "name": "server-ann", "uid": "u-1"}
ANN: dict[str, Any] = {"user": "ann", "uid": 1234, "files": {"passwd": "p", "group": "g", "news.json": "[]"}, "secrets": {"token": "t"}}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("of-the-plugin\n")
    return tmp_path / "token"


@pytest.fixture
def door() -> Iterator[HubDoor]:
    with HubDoor() as door:
        yield door


def says(door: HubDoor, answer: Any, status: int = 200) -> None:
    door.answer = lambda _path, _body: (status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def test_hub_is_asked_with_both_tokens_and_its_answer_is_taken(door: HubDoor, token: Path) -> None:
    says(door, ANN)
    hub = Hub(door.url, token)
    assert hub.whose(CLAIM) == Admission("ann", 1234, ANN["files"], ANN["secrets"])
    assert door.asked == [(PODS, "Bearer of-the-plugin", {"pod": POD, "token": POD_TOKEN, "storage": "of-node-1"})]
    token.write_text("renewed")
    hub.whose(CLAIM)
    assert door.asked[-1][1] == "Bearer renewed"
    assert "of-the" not in repr(hub)


def test_hub_hears_whose_view_was_mounted_anew(door: HubDoor, token: Path) -> None:
    # What a hub of before news answered too.
    for answer, files in (({}, {}), ({"files": {"news.json": "lost"}}, {"news.json": "lost"})):
        says(door, answer)
        assert Hub(f"{door.url}/under/", token).tell_remounted(Volume.of(CLAIM, "ann")) == files
        assert door.asked[-1] == (f"/under{REMOUNTS}", "Bearer of-the-plugin", {"pod": POD, "user": "ann"})
    says(door, {"files": {"../news.json": "lost"}})
    with pytest.raises(Away):
        Hub(door.url, token).tell_remounted(Volume.of(CLAIM, "ann"))


def test_hub_hears_how_many_processes_were_ended(door: HubDoor, token: Path) -> None:
    says(door, {"files": {"news.json": "two"}})
    assert Hub(door.url, token).tell_killed(Volume.of(CLAIM, "ann"), 2) == {"news.json": "two"}
    assert door.asked == [(KILLS, "Bearer of-the-plugin", {"pod": POD, "kills": 2})]


def test_refusal_is_the_hubs_own_sentence(door: HubDoor, token: Path) -> None:
    says(door, {"error": "pod people/server-ann is nobody's server"}, 403)
    with pytest.raises(Denied, match=r"^pod people/server-ann is nobody's server$"):
        Hub(door.url, token).whose(CLAIM)


@pytest.mark.parametrize("status", [400, 404])
def test_hub_that_does_not_know_the_question_refuses_it(door: HubDoor, token: Path, status: int) -> None:
    says(door, b"<html>", status)
    with pytest.raises(Denied, match=f"answered {status}"):
        Hub(door.url, token).tell_killed(Volume.of(CLAIM, "ann"), 2)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, {"error": "the token of the node plugin is not valid"}),
        (302, b""),
        (500, b"<html>"),
        (503, {"error": "the hub is starting"}),
        (403, b"x" * (2 << 20)),
        (200, b"x" * (2 << 20)),
        (200, b"[]"),
        (200, b"{}"),
        (200, ANN | {"user": "../ann"}),
        (200, ANN | {"user": ".."}),
        (200, ANN | {"user": ""}),
        (200, ANN | {"user": 7}),
        (200, ANN | {"uid": 0}),
        (200, ANN | {"uid": True}),
        (200, ANN | {"uid": "1234"}),
        (200, ANN | {"files": {"../passwd": "x"}}),
        (200, ANN | {"files": {"passwd": 7}}),
        (200, ANN | {"secrets": ["token"]}),
    ],
)
def test_what_is_no_answer_is_asked_again_and_never_taken(door: HubDoor, token: Path, status: int, answer: Any) -> None:
    says(door, answer, status)
    with pytest.raises((Away, Denied)) as failed:
        Hub(door.url, token).whose(CLAIM)
    assert isinstance(failed.value, Away) or status == 403
    assert POD_TOKEN not in str(failed.value)
    assert len(str(failed.value)) < 600
    assert [path for path, _, _ in door.asked] == [PODS]  # A redirection would carry the tokens elsewhere.


def test_hub_that_is_not_there_is_away(token: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Away, match="cannot be asked"):
            Hub(f"http://127.0.0.1:{free.getsockname()[1]}", token).whose(CLAIM)


def test_plugin_without_a_token_of_its_own_asks_nobody(door: HubDoor, tmp_path: Path) -> None:
    with pytest.raises(Away, match="No such file"):
        Hub(door.url, tmp_path / "none").whose(CLAIM)
    assert door.asked == []


def test_proxy_of_the_environment_is_told_nothing(door: HubDoor, token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(door, ANN)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Hub(door.url, token).whose(CLAIM).user == "ann"


def test_hub_over_tls_must_be_the_one_of_the_certificate(token: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, other = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path / "other", "127.0.0.1")
    with HubDoor(ours) as door:
        says(door, ANN)
        assert Hub(door.url, token, ours[0]).whose(CLAIM).user == "ann"
        for trusted in (other[0], None):
            with pytest.raises(Away, match="cannot be asked"):
                Hub(door.url, token, trusted).whose(CLAIM)
        assert len(door.asked) == 1


def test_feed_comes_line_by_line_as_it_is_said(door: HubDoor, token: Path) -> None:
    more = threading.Event()

    def feed(send: Any) -> None:
        send(b'{"kind":"platform"}\n{"kind":')
        send(b'"synced"}\n')
        more.wait(20)
        send(b'{"kind":"ping"}\n')
        send(b"unfinished")

    door.feed = feed
    with Hub(door.url, token).feed() as lines:
        assert [next(lines), next(lines)] == [b'{"kind":"platform"}\n', b'{"kind":"synced"}\n']
        more.set()
        assert next(lines) == b'{"kind":"ping"}\n'
        with pytest.raises(OSError, match=r"within a line|IncompleteRead"):
            next(lines)
    assert door.asked == [(FEED, "Bearer of-the-plugin", None)]
