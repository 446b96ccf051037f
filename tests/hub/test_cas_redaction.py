"""Tickets never reach a log."""

import logging
from collections.abc import Iterator

import pytest
from bowerbird_hub.sign_on import redaction
from jupyterhub import log as hub_log

TICKETS = ("ST-1-kQyzVfSlOS4EWsg3j", "PT-7-abcdefgh.cas01", "PGT-12-AbCdEf_-gh", "PGTIOU-9-zzzzzzzz", "TGT-1-qqqqqqqq")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = logging.getLogRecordFactory()
    monkeypatch.setattr(hub_log, "SCRUB_PARAM_KEYS", hub_log.SCRUB_PARAM_KEYS)
    redaction.install()
    redaction.install()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("ticket", TICKETS)
def test_a_ticket_in_a_message_or_an_argument_is_struck_out(installed: None, caplog: pytest.LogCaptureFixture, ticket: str):
    caplog.set_level(logging.INFO)
    logging.getLogger("tornado.general").warning("404 GET /hub/cas/callback?state=a&ticket=%s (127.0.0.1)", ticket)
    logging.getLogger("JupyterHub").info(f"got {ticket}")
    assert ticket not in caplog.text
    assert caplog.text.count(redaction.STRUCK_OUT) == 2


def log_exception(words: str) -> None:
    def fail() -> None:
        raise ValueError(words)

    try:
        fail()
    except ValueError:
        logging.getLogger("tornado.application").exception("Uncaught exception")


@pytest.mark.parametrize("ticket", TICKETS)
def test_a_ticket_in_an_exception_is_struck_out(installed: None, caplog: pytest.LogCaptureFixture, ticket: str):
    log_exception(f"bad URL https://cas.example.org/?ticket={ticket}")
    assert ticket not in caplog.text
    assert "ValueError" in caplog.text


def test_an_ordinary_exception_keeps_its_traceback(installed: None, caplog: pytest.LogCaptureFixture):
    log_exception("ordinary")
    assert "Traceback" in caplog.text
    assert "ordinary" in caplog.text


def test_the_hub_strikes_the_parameters_out_of_its_request_log(installed: None):
    uri = hub_log._scrub_uri("/hub/cas/callback?state=abc&ticket=ST-1-abc&pgtIou=PGTIOU-1&pgtId=PGT-2")
    assert uri == "/hub/cas/callback?state=[secret]&ticket=[secret]&pgtIou=[secret]&pgtId=[secret]"
