"""Telling the hub: nobody's news wait for another's, and none are lost while the hub may still hear them."""

import queue
from collections.abc import Callable

import pytest
from bowerbird_fuse.csi import telling
from bowerbird_fuse.csi.errors import Away, Denied
from bowerbird_fuse.csi.telling import Teller


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
        (Denied("no"), "the hub does not hear that a: no"),
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


def test_who_has_news_hears_that_the_hub_was_away_for_too_long(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_PATIENCE_SECONDS", 0.1)
    teller = Teller()
    teller.later("a", heard.tells("a", Away("gone"), Away("gone")), lambda: heard.words.put("dropped"))
    teller.start()
    heard.hears("not a", "not a", "dropped")
