"""What a start shows: one line a change elsewhere, rows in place on a terminal."""

import io

from bowerbird_hub.supervision.table import Lines, Row, Table


def test_lines_say_each_change_once() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.show(Row("hub", "starting"))
    lines.show(Row("hub", "starting"))
    lines.show(Row("hub", "ready", "in 2.1 s"))
    assert out.getvalue() == "  hub            starting\n  hub            ready in 2.1 s\n"


def test_table_writes_over_its_rows() -> None:
    out = io.StringIO()
    table = Table(out, 80)
    table.show(Row("proxy", "starting"))
    table.show(Row("hub", "waiting", "for proxy"))
    table.show(Row("proxy", "ready", "in 0.3 s"))
    shown = out.getvalue()
    assert shown.count("\x1b[1A") == 1
    assert shown.count("\x1b[2A") == 1
    assert shown.endswith("\x1b[2K  hub    waiting for proxy\n")
    assert "\x1b[32mready\x1b[0m in 0.3 s" in shown


def test_row_never_wraps() -> None:
    out = io.StringIO()
    Table(out, 40).show(Row("hub", "restarting", "x" * 200))
    line = out.getvalue().removeprefix("\x1b[2K").rstrip("\n").replace("\x1b[33m", "").replace("\x1b[0m", "")
    assert len(line) <= 40
    assert line.endswith("…")


def test_sentence_stands_below_the_table_and_is_not_written_over() -> None:
    out = io.StringIO()
    table = Table(out, 80)
    table.show(Row("hub", "ready"))
    table.say("at http://127.0.0.1:8000/")
    before = out.getvalue()
    table.show(Row("hub", "restarting"))
    assert "A" not in out.getvalue().removeprefix(before).replace("\x1b[2K", "")
