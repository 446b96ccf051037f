"""A result is looked at: sorted, filtered and selected with exact identifiers, in Python and in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from bowerbird.lab.result_table import ResultTable
from bowerbird.lab.table_view import FilterError, TableView, static_html, view

from tests.extensions.widget_page import luminance, shown, unreadable
from tests.support.browser import CHROMIUM, Visit, chromium, visit

BIG = 2**62 + 1
MILLION = 1_000_000


def stars(kind: Any = Table) -> Any:
    table = kind(
        {
            "id": np.array([BIG, BIG + 1, 5, 7]),
            "g": MaskedColumn([3.5, 1.5, np.nan, 2.5], mask=[False, True, False, False]),
            "name": np.array(["Alpha", "beta", "<b>gamma</b>", "Delta"]),
        }
    )
    ra = Masked([10.0, 20.0, 30.0, 40.0], mask=[False, False, True, False]) * u.deg
    table["ra"] = ra if kind is QTable else MaskedColumn(ra.unmasked.value, mask=ra.mask, unit="deg", description="Right ascension")
    return table


def numbers(seen: TableView) -> list[int]:
    return [int(row) for row in seen.order]


def test_cells_have_all_their_digits_and_nothing_where_there_is_nothing() -> None:
    assert view(stars()).rows(0, 3)[1] == [
        [str(BIG), "3.5", "Alpha", "10.0"],
        [str(BIG + 1), None, "beta", "20.0"],
        ["5", "nan", "<b>gamma</b>", None],
    ]


@pytest.mark.parametrize("kind", [Table, QTable])
@pytest.mark.parametrize("descending", [False, True])
def test_nulls_are_last_in_any_order(kind: Any, descending: bool) -> None:
    seen = view(stars(kind))
    seen.sort(1, descending)
    assert numbers(seen) == ([0, 3] if descending else [3, 0]) + [1, 2]
    seen.sort(None)
    assert numbers(seen) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("column", "text", "rows"),
    [
        (0, str(BIG), [0]),
        (0, f"> {BIG}", [1]),
        (0, "5..7", [2, 3]),
        (0, "!= 5", [0, 1, 3]),
        (1, ">= 2.5", [0, 3]),
        (1, "null", [1]),
        (1, "not null", [0, 2, 3]),
        (2, "A", [0, 1, 2, 3]),
        (2, "aLp", [0]),
        (2, "<b>", [2]),
        (3, "15 .. 50", [1, 3]),
        (3, "", [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("kind", [Table, QTable])
def test_a_filter_keeps_what_fits_and_its_python_does_the_same(kind: Any, column: int, text: str, rows: list[int]) -> None:
    table = stars(kind)
    seen = view(table)
    seen.filter(column, text)
    assert numbers(seen) == rows
    for by in range(4):
        for descending in (False, True):
            seen.sort(by, descending)
            names: dict[str, Any] = {"table": table}
            exec(seen.python(), names)  # noqa: S102  # what is copied must run
            assert list(names["seen"]["id"]) == [table["id"][row] for row in numbers(seen)]


@pytest.mark.parametrize("text", ["abc", "> x", "1..x", "> 1 and < 2"])
def test_a_filter_that_says_nothing_is_refused_and_the_one_before_is_kept(text: str) -> None:
    seen = view(stars())
    seen.filter(1, "> 3")
    with pytest.raises(FilterError, match=r"g: .* is no filter of numbers; > 5"):
        seen.filter(1, text)
    assert numbers(seen) == [0]


def test_positions_and_arrays_are_shown_as_they_print_themselves() -> None:
    table = QTable({"at": SkyCoord([1, 2] * u.deg, [3, 4] * u.deg), "two": np.array([[1, 2], [3, 4]])})
    seen = view(table)
    assert [column.kind for column in seen.columns] == ["text", "other"]
    assert seen.rows(0, 1)[1][0][1] == "[1, 2]"
    seen.sort(1)
    assert numbers(seen) == [0, 1]


def test_the_page_without_scripts_has_a_table_whose_cells_are_text() -> None:
    made = static_html(view(stars()))
    assert "&lt;b&gt;gamma" in made
    assert "<b>" not in made
    assert str(BIG) in made
    assert "<small>deg</small>" in made
    bundle, _ = ResultTable(stars())._repr_mimebundle_() or ({}, {})
    assert bundle["text/html"] == made


def test_what_a_browser_must_not_ask_is_refused_in_words() -> None:
    widget, said = ResultTable(stars()), []
    widget.send = lambda content, buffers=None: said.append(content)
    for asked in ({"type": "sort", "column": 99}, {"type": "rows", "start": "x", "count": 1}, {"type": "filter", "column": 1, "text": "x"}):
        widget._answer(widget, asked)
    assert [answer["type"] for answer in said] == ["refused"] * 3
    for nothing in ({"type": "exec"}, "rows", None, {}):
        widget._answer(widget, nothing)
    assert len(said) == 3
    widget._answer(widget, {"type": "rows", "start": -5, "count": 10**9})
    assert said[-1]["numbers"] == [0, 1, 2, 3]


def test_chosen_rows_are_a_table() -> None:
    widget = ResultTable(stars())
    widget.selected = [3, 0, 99]
    assert list(widget.chosen()["id"]) == [BIG, 7]


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Visit]:
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    with chromium() as browser, visit(browser, tmp_path) as made:
        yield made
        assert not made.complaints


def million() -> Table:
    dice = np.random.default_rng(4)
    values = np.ma.MaskedArray(dice.normal(20, 2, MILLION), dice.random(MILLION) < 0.1)
    ids = 2**62 + np.arange(MILLION)
    return Table({"id": ids, "g": MaskedColumn(values, unit="mag"), "kind": np.array(["star", "galaxy"])[ids % 2]})


def first_id(seen: Visit, wanted: str) -> None:
    seen.page.wait_for_function("wanted => document.querySelector('tbody td')?.textContent === wanted", arg=wanted)


@pytest.mark.browser
def test_of_a_million_rows_only_those_on_the_screen_travel(seen: Visit) -> None:
    shown(seen, ResultTable(million()))
    page = seen.page
    first_id(seen, str(2**62))
    assert page.locator(".bb-status").inner_text() == "1\u2009000\u2009000 rows"
    page.evaluate("document.querySelector('.bb-scroller').scrollTop = 1e9")
    last = f"tr[aria-rowindex='{MILLION + 1}'] td"
    page.wait_for_function("([at, wanted]) => document.querySelector(at)?.textContent === wanted", arg=[last, str(2**62 + MILLION - 1)])
    assert page.locator("tbody tr").count() < 40
    page.locator(".bb-scroller").press("Home")
    first_id(seen, str(2**62))
    page.locator(".bb-scroller").press("PageDown")
    page.locator(".bb-scroller").press("ArrowDown")
    page.wait_for_function("!document.querySelector('tbody tr[aria-rowindex=\"2\"]')")
    assert page.evaluate("window.travelled") < 100_000


@pytest.mark.browser
def test_rows_are_selected_by_key_also_those_that_are_off_the_screen(seen: Visit) -> None:
    widget = ResultTable(million())
    shown(seen, widget)
    first_id(seen, str(2**62))
    page, rows = seen.page, seen.page.locator(".bb-scroller")
    for key in ("Home", "ArrowDown", "Enter", "Shift+ArrowDown", "Shift+ArrowDown"):
        rows.press(key)
    page.wait_for_function("document.querySelector('.bb-status').textContent.endsWith('3 selected')")
    assert widget.selected == [1, 2, 3]
    rows.press("ArrowUp")
    rows.press(" ")
    assert sorted(widget.selected) == [1, 3]
    assert rows.get_attribute("aria-activedescendant") == page.locator("tr[aria-rowindex='4']").get_attribute("id")
    rows.press("Escape")
    assert widget.selected == []
    for key in ("Home", "Shift+PageDown", "Shift+PageDown", "Shift+PageDown", "Shift+PageDown"):
        rows.press(key)
    page.wait_for_function("model => document.querySelector('.bb-status').textContent.match(/[0-9]+ selected/)")
    assert widget.selected == list(range(len(widget.selected)))
    rows.press("Shift+End")
    page.wait_for_function("document.querySelector('.bb-status').textContent.includes('more than 100\u2009000 rows')")


@pytest.mark.browser
def test_rows_are_filtered_sorted_selected_and_copied_as_python(seen: Visit) -> None:
    table = million()
    widget = ResultTable(table)
    shown(seen, widget)
    page = seen.page
    page.get_by_label("Filter kind").fill("GAL")
    page.get_by_label("Filter kind").press("Enter")
    first_id(seen, str(2**62 + 1))
    assert page.locator(".bb-status").inner_text() == "500\u2009000 of 1\u2009000\u2009000 rows"
    page.get_by_role("button", name="g mag").click()
    values = np.ma.filled(table["g"], np.inf)
    values[table["kind"] != "galaxy"] = np.inf
    brightest = int(np.argmin(values))
    first_id(seen, str(table["id"][brightest]))
    assert page.locator("th[aria-sort='ascending']").count() == 1
    page.locator("tbody td").first.click()
    page.wait_for_function("document.querySelector('tr[aria-selected=true]')")
    assert list(widget.chosen()["id"]) == [table["id"][brightest]]

    page.get_by_role("button", name="Copy as Python").click()
    page.wait_for_function("!document.querySelector('.bb-code').hidden")
    names: dict[str, Any] = {"table": table}
    exec(page.locator(".bb-code").inner_text(), names)  # noqa: S102  # what is copied must run
    assert names["seen"]["id"][0] == table["id"][brightest]
    assert len(names["seen"]) == MILLION // 2
    seen.picture("result-table")


@pytest.mark.browser
def test_a_filter_that_is_none_is_said_beside_its_field(seen: Visit) -> None:
    shown(seen, ResultTable(stars()))
    page = seen.page
    page.get_by_label("Filter g").fill("> x")
    page.get_by_label("Filter g").press("Enter")
    page.wait_for_function("document.querySelector('.bb-refused')")
    assert "is no filter of numbers" in page.locator(".bb-status").inner_text()
    assert page.get_by_label("Filter g").get_attribute("aria-invalid") == "true"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_light_and_in_dark_and_cells_are_text(seen: Visit, scheme: Any) -> None:
    seen.page.emulate_media(color_scheme=scheme)
    shown(seen, ResultTable(stars()))
    first_id(seen, str(BIG))
    assert seen.page.locator("tbody b").count() == 0
    ground = luminance(seen.page.evaluate("getComputedStyle(document.querySelector('.bb-table')).backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    assert not unreadable(seen, ".bb-table", (".bb-status", "tbody td", "tbody th", ".bb-null", ".bb-bar button"))
    seen.page.evaluate("window.leave()")


BARE = '<!DOCTYPE html><html lang="en"><meta name="color-scheme" content="light dark"><title>Rows</title><main>{}</main>'


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_table_without_scripts_is_readable_and_says_what_is_what(seen: Visit, scheme: Any) -> None:
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    page.set_content(BARE.format(static_html(view(stars(QTable)))))
    table = page.get_by_role("table", name="4 rows")
    assert [head.inner_text() for head in table.get_by_role("columnheader").all()] == ["id", "g", "name", "ra\ndeg"]
    assert table.get_by_role("columnheader").first.get_attribute("scope") == "col"
    assert table.get_by_role("row").nth(2).get_by_role("cell").all_inner_texts() == [str(BIG + 1), "–", "beta", "20.0"]
    # The canvas of the page, which no element's own background tells.
    ground = luminance(
        page.evaluate("() => { document.body.style.background = 'Canvas'; return getComputedStyle(document.body).backgroundColor; }")
    )
    assert (ground > 0.5) == (scheme == "light")
    for part in ("caption", "th", "small", "td"):
        ink = luminance(page.evaluate("part => getComputedStyle(document.querySelector(part)).color", part))
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5, part
    number, text = (page.locator("tbody tr").first.locator("td").nth(column).bounding_box() for column in (1, 2))
    assert number
    assert text
    assert text["x"] - (number["x"] + number["width"]) >= 8, "columns stand apart"
    seen.picture("static-table")


def test_the_table_without_scripts_says_where_it_ends() -> None:
    made = static_html(view(Table({"n": np.arange(1234)})))
    assert "The first 20 of 1\u2009234 rows" in made
    assert made.count("<tr>") == 21
