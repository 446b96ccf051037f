"""A table as a person looks at it: which rows, in which order, and what stands in their cells. No Jupyter in here."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from bowerbird.spaced import counted, spaced

Array: TypeAlias = np.ndarray[Any, Any]
_RANGE = re.compile(r"(?P<low>\S+)\s*\.\.\s*(?P<high>\S+)")
_COMPARED = re.compile(r"(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.+)")
_SIGNS = {"<=": np.less_equal, ">=": np.greater_equal, "!=": np.not_equal, "=": np.equal, "<": np.less, ">": np.greater}
_PYTHON = {"=": "=="}
_LEFT = "text-align:left"
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"
# No screen shows more rows than this at once.
MOST_ROWS = 500


class FilterError(ValueError):
    """A filter that says nothing to this column; the message says what would."""


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column: its values as a masked array, and what is said of it."""

    name: str
    values: Array
    unit: str = ""
    description: str = ""
    quantity: bool = False
    masked_quantity: bool = False

    @property
    def is_float(self) -> bool:
        """Whether NaN may be in it."""
        return bool(self.values.dtype.kind == "f")

    @property
    def kind(self) -> str:
        """Return number, text or other."""
        if self.values.ndim != 1:
            return "other"
        if self.values.dtype.kind in "iuf":
            return "number"
        return "text" if self.values.dtype.kind in "US" or self._all_text() else "other"

    def _all_text(self) -> bool:
        return self.values.dtype == object and all(
            isinstance(value, str) for value in self.values[:MOST_ROWS].tolist() if value is not None
        )

    def cell(self, row: int) -> str | None:
        """Return what stands in a cell, with all its digits; None where there is nothing."""
        value = self.values[row]
        if value is np.ma.masked or value is None or (np.ma.is_masked(value) and np.ma.getmaskarray(value).all()):
            return None
        return str(value.tolist() if isinstance(value, np.ndarray) else value)


@dataclass(slots=True)
class TableView:
    """Columns, and the rows of them that are seen: `order` has their numbers, in the order in which they are seen."""

    columns: Sequence[ViewColumn]
    size: int
    order: Array = field(init=False)
    _filters: dict[int, str] = field(default_factory=dict)
    _sort: tuple[int, bool] | None = None

    def __post_init__(self) -> None:
        self.order = np.arange(self.size)

    @property
    def is_arranged(self) -> bool:
        """Whether it is sorted or filtered."""
        return self._sort is not None or bool(self._filters)

    def rows(self, start: int, count: int) -> tuple[list[int], list[list[str | None]]]:
        """Return the numbers and the cells of some rows that are seen."""
        start = max(start, 0)
        chosen = self.order[start : start + min(max(count, 0), MOST_ROWS)].tolist()
        return chosen, [[column.cell(row) for column in self.columns] for row in chosen]

    def sort(self, column: int | None, descending: bool = False) -> None:
        """See the rows in the order of a column, nulls last; of None, in their own."""
        self._sort = None if column is None else (self._index(column), descending)
        self._arrange()

    def filter(self, column: int, text: str) -> None:
        """See only rows that fit: `> 5`, `1..2`, `null`, `not null`, or a part of a text. Empty text shows all."""
        index = self._index(column)
        text = text.strip()
        if text:
            _kept(self.columns[index], text)  # a filter that cannot be is refused before it is kept
        kept = {**self._filters, index: text}
        self._filters = {number: one for number, one in kept.items() if one}
        self._arrange()

    def python(self, name: str = "table") -> str:
        """Return the Python that makes of the table what is seen."""
        lines = [f"seen = {name}"]
        lines += [f"seen = seen[{_python(self.columns[index], text)}]" for index, text in sorted(self._filters.items())]
        if self._sort is not None:
            column, descending = self.columns[self._sort[0]], self._sort[1]
            # Table.sort puts nulls anywhere; here they are last.
            real = " & ~np.isnan(np.ma.getdata(values))" if column.is_float else ""
            lines.append(f"values = {_there(column)}")
            lines.append(f"known = np.flatnonzero(~np.ma.getmaskarray(values){real})")
            lines.append('order = known[np.argsort(np.ma.getdata(values)[known], kind="stable")]' + ("[::-1]" if descending else ""))
            lines.append("seen = seen[np.concatenate([order, np.setdiff1d(np.arange(len(seen)), known)])]")
        needs = any("np." in line for line in lines)
        return "\n".join((["import numpy as np", ""] if needs else []) + lines)

    def _index(self, column: int) -> int:
        if not 0 <= column < len(self.columns):
            raise FilterError(f"there is no column {column}")
        return column

    def _arrange(self) -> None:
        kept = np.ones(self.size, dtype=bool)
        for index, text in self._filters.items():
            kept &= _kept(self.columns[index], text)
        rows = np.flatnonzero(kept)
        self.order = rows if self._sort is None else rows[_sorted(self.columns[self._sort[0]].values[rows], self._sort[1])]


def _sorted(values: Array, descending: bool) -> Array:
    if values.ndim != 1:
        return np.arange(len(values))
    nulls = np.ma.getmaskarray(values).copy()
    plain = np.ma.getdata(values)
    if plain.dtype == object:
        plain = np.array(["" if null else str(value) for value, null in zip(plain.tolist(), nulls.tolist(), strict=True)], dtype=str)
    if plain.dtype.kind == "f":
        nulls |= np.isnan(plain)
    known = np.flatnonzero(~nulls)
    order = known[np.argsort(plain[known], kind="stable")]
    return np.concatenate([order[::-1] if descending else order, np.flatnonzero(nulls)])


def _kept(column: ViewColumn, text: str) -> Array:
    nulls = np.ma.getmaskarray(column.values)
    if nulls.ndim > 1:
        nulls = np.asarray(nulls.reshape(len(nulls), -1).all(axis=1))
    if text.lower() in ("null", "not null"):
        return nulls if text.lower() == "null" else ~nulls
    if column.kind == "number":
        low, sign, high = _numbers(column, text)
        plain = np.ma.getdata(column.values)
        found = (plain >= low) & (plain <= high) if high is not None else _SIGNS[sign](plain, low)
        return np.asarray(found & ~nulls)
    wanted = text.casefold()
    if column.values.dtype.kind == "U":
        found = np.strings.find(np.strings.lower(np.ma.getdata(column.values)), text.lower()) >= 0
        return np.asarray(found & ~nulls)
    said = np.fromiter((wanted in (column.cell(row) or "").casefold() for row in range(len(nulls))), bool, len(nulls))
    return np.asarray(said & ~nulls)


def _numbers(column: ViewColumn, text: str) -> tuple[Any, str, Any]:
    """Return the number, the sign and the second number that a filter means."""
    try:
        if found := _RANGE.fullmatch(text):
            return _number(column, found["low"]), "..", _number(column, found["high"])
        if found := _COMPARED.fullmatch(text):
            return _number(column, found["value"]), found["sign"], None
        return _number(column, text), "=", None
    except ValueError as error:
        raise FilterError(f"{column.name}: {text!r} is no filter of numbers; > 5, <= 3, 1..2, 5, null and not null are") from error


def _number(column: ViewColumn, text: str) -> Any:
    # An integer is compared as one, or the last digits of a 64-bit identifier would not count.
    if column.values.dtype.kind in "iu" and re.fullmatch(r"[+-]?\d+", text.strip()):
        return int(text)
    return float(text)


def _python(column: ViewColumn, text: str) -> str:
    plain = _there(column)
    if text.lower() in ("null", "not null"):
        mask = f"np.ma.getmaskarray({plain})"
        return mask if text.lower() == "null" else f"~{mask}"
    if column.kind == "number":
        low, sign, high = _numbers(column, text)
        test = f"({plain} >= {low!r}) & ({plain} <= {high!r})" if high is not None else f"{plain} {_PYTHON.get(sign, sign)} {low!r}"
        return f"np.ma.filled({test}, False)"
    # A masked column yields its values one by one a hundred times slower than its list, in which None is what is masked.
    return f"np.array([value is not None and {text.casefold()!r} in str(value).casefold() for value in {plain}.tolist()], dtype=bool)"


def _there(column: ViewColumn) -> str:
    """Return the Python for a column's plain values, masked where there is nothing."""
    there = f"seen[{column.name!r}]"
    if column.masked_quantity:
        return f"np.ma.MaskedArray({there}.unmasked.value, {there}.mask)"
    return f"{there}.value" if column.quantity else f"np.ma.asarray({there})"


def view(table: Any) -> TableView:
    """Return a view of an astropy Table or QTable, or of what `bowerbird.votable` read."""
    if hasattr(table, "to_table") and not hasattr(table, "colnames"):
        table = table.to_table()
    columns = [_column(name, table[name]) for name in table.colnames]
    return TableView(columns, len(table))


def _column(name: str, column: Any) -> ViewColumn:
    told = getattr(column, "info", None)
    unit = getattr(column, "unit", None)
    quantity = hasattr(column, "to_value")
    masked = quantity and hasattr(column, "unmasked")
    plain: Any = column
    if masked:
        plain = np.ma.MaskedArray(column.unmasked.value, np.asarray(column.mask))
    elif quantity:
        plain = column.to_value()
    if not isinstance(plain, np.ndarray):  # a SkyCoord, a Time: as it prints itself
        made = np.empty(len(column), dtype=object)
        made[:] = [str(column[row]) for row in range(len(column))]
        plain = made
    values = np.ma.MaskedArray(np.ma.getdata(plain).view(np.ndarray), np.ma.getmask(plain))
    said = str(getattr(told, "description", "") or "")
    return ViewColumn(name, values, "" if unit is None else str(unit), said, quantity=quantity and not masked, masked_quantity=masked)


def static_html(seen: TableView, most: int = 20) -> str:
    """Return the first rows as HTML that needs no scripts, and of styles only what it brings; its colours are the page's."""
    styles = [_RIGHT if one.kind == "number" else _LEFT for one in seen.columns]
    heads = "".join(
        f'<th scope="col" style="{style}" title="{html.escape(one.description)}">{html.escape(one.name)}'
        f"{f'<br><small>{html.escape(one.unit)}</small>' if one.unit else ''}</th>"
        for one, style in zip(seen.columns, styles, strict=True)
    )
    lines = [
        "<tr>"
        + "".join(f'<td style="{style}">{html.escape("–" if cell is None else cell)}</td>' for cell, style in zip(row, styles, strict=True))
        + "</tr>"
        for row in seen.rows(0, most)[1]
    ]
    total = len(seen.order)
    said = counted(total, "row") if total <= most else f"The first {spaced(most)} of {spaced(total)} rows"
    shown = f'<caption style="text-align:left">{said}</caption>'
    return f'<table style="border-spacing:1em .2em">{shown}<thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
