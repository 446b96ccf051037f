"""DALI examples (DALI 1.1, section 2.3): queries that work for whoever asks, as a page that clients read too. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bowerbird_services.store.names import delimited
from bowerbird_services.tables import Catalogue, Table

_MOST = 6


@dataclass(frozen=True, slots=True)
class Example:
    """A query and what it is for."""

    id: str
    title: str
    adql: str
    table: str


def examples(catalogue: Catalogue) -> Iterator[Example]:
    """Yield examples over the tables of a catalogue."""
    yield Example("tables", "Which tables there are", "SELECT table_name, description FROM TAP_SCHEMA.tables", "TAP_SCHEMA.tables")
    own = [table for table in catalogue if table.release is not None]
    for table in own[:_MOST]:
        count = f"SELECT COUNT(*) AS n FROM {_name(table)}"  # noqa: S608  a text to show
        yield Example(f"count-{_fragment(table)}", f"How many rows {table.full_name} has", count, _name(table))
        if table.position is not None:
            yield _around(table)


def _around(table: Table) -> Example:
    position = table.position
    assert position is not None  # noqa: S101 - asked before
    point = f"POINT('ICRS', {delimited(position.ra)}, {delimited(position.dec)})"
    adql = f"SELECT TOP 10 * FROM {_name(table)} WHERE 1 = CONTAINS({point}, CIRCLE('ICRS', 180.0, 0.0, 5.0))"  # noqa: S608
    return Example(f"cone-{_fragment(table)}", f"Rows of {table.full_name} around a position", adql, _name(table))


def _name(table: Table) -> str:
    return f"{delimited(table.schema)}.{delimited(table.name)}"


def _fragment(table: Table) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in table.full_name)


def page(found: Iterator[Example]) -> str:
    """Return the page."""
    parts = "".join(
        f'<div id="{escape(each.id)}" resource="#{escape(each.id)}" typeof="example">'
        f'<h2 property="name">{escape(each.title)}</h2>'
        '<p>For <span property="capability">ivo://ivoa.net/std/TAP</span>, on '
        f'<span property="table">{escape(each.table)}</span>:</p>'
        f'<pre property="query">{escape(each.adql)}</pre></div>'
        for each in found
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/><title>Examples of queries</title></head>'
        f'<body vocab="http://www.ivoa.net/rdf/examples#"><h1>Examples of queries</h1>{parts}</body></html>\n'
    )
