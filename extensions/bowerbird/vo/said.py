"""The words in which a service says what is wrong: a VOTable of DALI, a line of text, or a page. Pure."""

from bowerbird.errors import VOTableError
from bowerbird.votable import read

_LONGEST = 500
_PAGE = (b"<!doctype", b"<html")


def words(body: bytes) -> str:
    """Return what a body says as one line; empty where it says nothing that is meant for a user of a program."""
    start = body.lstrip()[:20].lower()
    if start.startswith(_PAGE):
        return ""
    if start.startswith(b"<"):
        try:
            found = read(body)
        except VOTableError:
            return ""
        return _line(found.message) if found.status == "ERROR" else ""
    return _line(body.decode("utf-8", "replace"))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
