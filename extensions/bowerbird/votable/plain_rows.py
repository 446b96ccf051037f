"""Rows of TABLEDATA written as everybody writes them, taken as text at once; anything else goes through the parser."""

import re

_CELL = re.compile(r"<TD>([^<]*)</TD>|<TD ?/>")
END = b"</TR>"


def cells(region: bytes, width: int) -> list[str] | None:
    """Return the cells of whole rows, or None where there is more to them than plain tags around plain text.

    Every `<` must be that of a cell or of a row's start or end, every row have `width` cells: then the text has one meaning.
    """
    if b"&" in region or b"\r" in region:
        return None
    try:
        text = region.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found = _CELL.findall(text)
    rows = text.split("</TR>")[:-1]
    full = text.count("<TD>")
    if text.count("<") != 2 * full + (len(found) - full) + 2 * len(rows) or len(found) != width * len(rows):
        return None
    if any(row.count("<TR>") != 1 or row.count("<TD") != width or not row.lstrip().startswith("<TR>") for row in rows):
        return None
    return None if _has_control(text) else found


def _has_control(text: str) -> bool:
    """Whether there is a character that XML does not allow, which the parser refuses with its place."""
    return any(chr(code) in text for code in range(32) if chr(code) not in "\t\n") or "\ufffe" in text or "\uffff" in text
