"""The table that a query's result is looked at in: only the rows on the screen travel to the browser."""

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets

from bowerbird.errors import BadArgument, ServiceError
from bowerbird.lab.page_parts import script, style
from bowerbird.lab.table_view import FilterError, TableView, static_html, view
from bowerbird.spaced import counted, spaced

# So many are selected by one stroke: each is told to every view.
MOST_SELECTED = 100_000


class ResultTable(anywidget.AnyWidget):
    """A table of any length: sorted, filtered, selected in the browser, computed here.

    `selected` has the numbers of the chosen rows in the table that was given; `chosen()` is a table of them.
    """

    _esm = script("result_table.js")
    _css = style("result_table.css")
    columns: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    total = traitlets.Int().tag(sync=True)
    seen = traitlets.Int().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    # For views that follow: the rows that are seen, in their order (uint32); None while they are all, as they were given.
    order = traitlets.Any(None)

    def __init__(self, table: Any, name: str = "table") -> None:
        self._table = table
        self._name = name
        self._view = view(table)
        told = [{"name": one.name, "unit": one.unit, "description": one.description, "kind": one.kind} for one in self._view.columns]
        super().__init__(columns=told, total=self._view.size, seen=self._view.size)
        self.on_msg(self._answer)

    @property
    def view(self) -> TableView:
        """What is seen at the moment."""
        return self._view

    def chosen(self) -> Any:
        """Return the selected rows as a table like the one that was given."""
        return self._rows_of(sorted(row for row in self.selected if 0 <= row < self.total))

    def _answer(self, _: Any, content: Any, __: Any = None) -> None:
        """Answer the browser; what cannot be done is said in words."""
        steps: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "rows": self._rows,
            "sort": self._sort,
            "filter": self._filter,
            "find": self._find,
            "range": self._range,
            "python": self._python,
            "samp": self._samp,
        }
        step = steps.get(content.get("type", "")) if isinstance(content, dict) else None
        if step is None:
            return
        try:
            self.send(step(content))
        except (FilterError, ServiceError, KeyError, TypeError, ValueError) as error:
            self.send({"type": "refused", "message": str(error), "column": content.get("column")})

    def _rows(self, asked: dict[str, Any]) -> dict[str, Any]:
        numbers, cells = self._view.rows(int(asked["start"]), int(asked["count"]))
        return {"type": "rows", "start": int(asked["start"]), "request": asked.get("request"), "numbers": numbers, "cells": cells}

    def _sort(self, asked: dict[str, Any]) -> dict[str, Any]:
        column = asked.get("column")
        self._view.sort(None if column is None else int(column), bool(asked.get("descending")))
        return self._changed()

    def _filter(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._view.filter(int(asked["column"]), str(asked.get("text", "")))
        return {**self._changed(), "column": int(asked["column"])}

    def _changed(self) -> dict[str, Any]:
        self.seen = len(self._view.order)
        self.order = self._view.order.astype("<u4").tobytes() if self._view.is_arranged else None
        return {"type": "view", "seen": self.seen}

    def _find(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say where a row is seen; one that a filter hides is seen nowhere, and nothing moves."""
        places = np.flatnonzero(self._view.order == int(asked["row"])).tolist()
        return {"type": "found", "at": places[0]} if places else {"type": "hidden"}

    def _range(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the rows that are seen between two places, both among them."""
        low, high = sorted((max(0, int(asked["one"])), max(0, int(asked["other"]))))
        if high - low >= MOST_SELECTED:
            raise BadArgument(f"these are more than {spaced(MOST_SELECTED)} rows; filter the table for them instead")
        return {"type": "range", "rows": self._view.order[low : high + 1].tolist()}

    def _python(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"type": "python", "code": self._view.python(self._name)}

    def _samp(self, _: dict[str, Any]) -> dict[str, Any]:
        """Hand the rows that are seen, in their order, to TOPCAT."""
        from bowerbird.vo.samp import send  # noqa: PLC0415  # rarely asked for

        return {"type": "sent", "message": f"Sent to {send(self._rows_of(self._view.order), self._name)}"}

    def _rows_of(self, numbers: Any) -> Any:
        table = self._table.to_table() if not hasattr(self._table, "colnames") else self._table
        return table[numbers]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give also HTML, which a page without JavaScript shows."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        bundle, metadata = made
        return {
            **bundle,
            "text/html": static_html(self._view),
            "text/plain": f"{counted(self.total, 'row')}, {counted(len(self.columns), 'column')}",
        }, metadata
