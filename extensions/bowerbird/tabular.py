"""Small tables for people: aligned text for a terminal, plain HTML for a notebook."""

from collections.abc import Iterable, Sequence
from html import escape

Row = Sequence[str]
_CELL = 'style="text-align:left;vertical-align:top"'


def as_text(header: Row, rows: Iterable[Row]) -> str:
    """Return columns aligned to the left, two spaces apart."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def as_html(header: Row, rows: Iterable[Row], notes: Iterable[str] = ()) -> str:
    """Return a table, and a paragraph for each note below it; every text is escaped."""
    head = "".join(f'<th scope="col" {_CELL}>{escape(cell)}</th>' for cell in header)
    body = "".join("<tr>{}</tr>".format("".join(f"<td {_CELL}>{escape(cell)}</td>" for cell in row)) for row in rows)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def pairs_as_html(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and their texts, one pair a row."""
    rows = "".join(f'<tr><th scope="row" {_CELL}>{escape(name)}</th><td {_CELL}>{escape(text)}</td></tr>' for name, text in pairs)
    return f"<table><tbody>{rows}</tbody></table>"
