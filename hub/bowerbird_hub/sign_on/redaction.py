"""Tickets never reach a log: they are struck out of every record as it is made, whichever logger made it."""

import logging
import re
from typing import Any

from jupyterhub import log as hub_log

STRUCK_OUT = "[ticket]"
SECRET_PARAMETERS = ("ticket", "pgt")
# Service, proxy and ticket-granting tickets, and what carries them; the dash stands percent-encoded in some URLs.
_TICKET = re.compile(r"\b(?:ST|PT|PGT|PGTIOU|TGT|TGC)(?:-|%2[Dd])[A-Za-z0-9._~%+=-]{4,}")


def redact(text: str) -> str:
    """Return a text without the tickets in it."""
    return _TICKET.sub(STRUCK_OUT, text)


class _RedactingRecord(logging.LogRecord):
    """A log record whose message, arguments and exception name no ticket."""

    def getMessage(self) -> str:
        return redact(super().getMessage())


def _factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = _RedactingRecord(*args, **kwargs)
    if record.exc_info and record.exc_info[1] is not None and _TICKET.search(str(record.exc_info[1])):
        # The words of the exception would be printed as they are; where it was raised still is.
        record.msg = f"{record.msg} ({type(record.exc_info[1]).__name__}, whose words name a ticket)"
        record.exc_info = None
    return record


def install() -> None:
    """Strike tickets out of every record from now on; a second call changes nothing."""
    if logging.getLogRecordFactory() is not _factory:
        logging.setLogRecordFactory(_factory)
    hub_log.SCRUB_PARAM_KEYS = tuple(dict.fromkeys((*hub_log.SCRUB_PARAM_KEYS, *SECRET_PARAMETERS)))
