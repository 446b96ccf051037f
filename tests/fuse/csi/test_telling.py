"""Telling the hub: nobody's news wait for another's, and none are lost while the hub may still hear them."""

import queue
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird_config.pods import Pod
from bowerbird_fuse.csi import telling
from bowerbird_fuse.csi.asking import KILLS, Hub
from bowerbird_fuse.csi.errors import Away, Denied
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.csi.telling import Teller
from bowerbird_fuse.csi.volumes import Volume

from tests.support.hub_door import HubDoor


class Heard:
    """What the hub heard, and each time that it was told what it would not hear."""

    def __init__(self) -> None:
        self.words: queue.Queue[str] = queue.Queue()

    def hears(self, *words: str) -> None:
        assert [self.words.get(timeout=10) for _ in words] == list(words)

    def tells(self, words: str, *errors: Exception) -> Callable[[], None]:
        left = list(errors)

        def tell() -> None:
            if left:
                self.words.put(f"not {words}")
                raise left.pop(0)
            self.words.put(words)

        return tell


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(telling, "_PAUSE_SECONDS", 0.2)
    return Heard()


@pytest.fixture
def teller(heard: Heard) -> Teller:
    teller = Teller()
    teller.later("a", heard.tells("a", Away("not yet"), Away("not yet")))
    teller.later("b", heard.tells("b"))
    return teller


def test_pod_of_which_the_hub_does_not_know_yet_keeps_no_other_waiting(teller: Teller, heard: Heard) -> None:
    teller.start()
    heard.hears("not a", "b", "not a", "a")


def test_later_news_take_the_place_of_earlier(teller: Teller, heard: Heard) -> None:
    teller.later("a", heard.tells("more of a"))
    teller.start()
    heard.hears("b", "more of a")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("full"), "the hub heard, but the pod is not shown, that a: full"),
        (KeyError("odd"), "Traceback"),
    ],
)
def test_news_that_cannot_be_told_are_in_the_log_and_the_next_are_told(
    heard: Heard, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    teller = Teller()
    teller.later("a", heard.tells("a", error))
    teller.later("b", heard.tells("b"))
    teller.start()
    heard.hears("not a", "b")
    assert words in caplog.text


def test_news_that_a_hub_refuses_are_told_until_the_next_one_takes_them(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-plugin")
    refusals = iter([(404, b"<html>"), (400, b'{"error": "what is that?"}'), (503, b'{"error": "the hub is starting"}')])
    with HubDoor() as door:
        door.answer = lambda _path, _body: next(refusals, (200, b'{"files": {"news.json": "one"}}'))
        volume = Volume("csi-1", Target(tmp_path, "u-1", "data"), Pod("people", "server-ann", "u-1"), read_only=False, user="ann")
        teller = Teller()
        teller.later("a", lambda: heard.words.put(Hub(door.url, tmp_path / "token").tell_killed(volume, 1)["news.json"]))
        teller.start()
        heard.hears("one")
        assert [path for path, _, _ in door.asked] == [KILLS] * 4


def test_news_that_every_hub_refuses_are_given_up(heard: Heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(telling, "_PATIENCE_SECONDS", 0.1)
    teller = Teller()
    teller.later("a", heard.tells("a", Denied("no"), Denied("no")), lambda: heard.words.put("dropped"))
    teller.start()
    heard.hears("not a", "not a")
    teller.later("b", heard.tells("b"))
    heard.hears("b")
    assert "the hub does not hear that a: no" in caplog.text


def test_who_has_news_hears_that_the_hub_was_away_for_too_long(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_PATIENCE_SECONDS", 0.1)
    teller = Teller()
    teller.later("a", heard.tells("a", Away("gone"), Away("gone")), lambda: heard.words.put("dropped"))
    teller.start()
    heard.hears("not a", "not a", "dropped")
