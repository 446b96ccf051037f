"""The words in which a service says what is wrong: a VOTable of DALI, a line of text, or a page. Pure."""

from bowerbird.errors import VOTableError
from bowerbird.votable import VOTable, read

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
        return _line(found.message) if found.status == "ERROR" else error_of(found) or ""
    return _line(body.decode("utf-8", "replace"))


def error_of(document: VOTable) -> str | None:
    """Return what a cone search says is wrong (SCS 1.03, section 2.3); None where nothing is.

    That is an INFO or a PARAM named Error, anywhere: below VOTABLE, in DEFINITIONS or in RESOURCE, as the editions had it.
    """
    if any(len(table) for table in document.tables):
        return None
    told = [(info.name, info.id, info.value or info.text) for info in document.infos]
    told += [(param.field.name, param.field.id, param.value) for param in document.params]
    return next((_line(words) for name, number, words in told if "error" in {name.lower(), (number or "").lower()}), None)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
