"""A query that is under way: what it does, for how long, a bar, and a way to stop it."""

import time
from typing import Any

import anywidget
import traitlets

from bowerbird.lab.page_parts import script, style
from bowerbird.spaced import spaced
from bowerbird.vo.jobs import State
from bowerbird.vo.uws import Phase

# Who gets an answer sooner sees nothing of this.
_QUIET_SECONDS = 0.5
_WORDS = {
    Phase.PENDING: "The service has the query",
    Phase.QUEUED: "The query waits for its turn",
    Phase.EXECUTING: "The service computes",
    Phase.COMPLETED: "The rows are coming",
    Phase.HELD: "The service holds the query back",
    Phase.SUSPENDED: "The service has paused the query",
}


class QueryProgress(anywidget.AnyWidget):
    """A line with a bar; `share` is below 0 where nobody knows how far it is."""

    _esm = script("query_progress.js")
    _css = style()
    words = traitlets.Unicode().tag(sync=True)
    share = traitlets.Float(-1).tag(sync=True)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give also a sentence, which a page without widgets shows."""
        made = super()._repr_mimebundle_(**kwargs)
        return None if made is None else ({**made[0], "text/plain": f"{self.words}; interrupt the kernel to stop it"}, made[1])


class Watch:
    """Shows how a query stands. `follow` hears of it in any thread, `look` draws in the cell's own."""

    def __init__(self, show: Any) -> None:
        self._show = show
        self._begun = time.monotonic()
        self._state: State | None = None
        self._bar: QueryProgress | None = None

    def follow(self, state: State) -> None:
        """Hear how it stands."""
        self._state = state

    def look(self) -> None:
        """Draw it, once it takes long enough to be of interest."""
        seconds = time.monotonic() - self._begun
        if seconds < _QUIET_SECONDS:
            return
        words = _WORDS.get(self._state.phase, "The service works") if self._state else "The service was asked"
        share = self._state.progress if self._state and self._state.progress is not None else -1.0
        if self._bar is None:
            self._bar = QueryProgress(words=words, share=share)
            self._show(self._bar)
        self._bar.words, self._bar.share = f"{words}{_rows(self._state)}, {seconds:.0f} s", share

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _rows(state: State | None) -> str:
    return f", {spaced(state.rows)} rows so far" if state is not None and state.rows else ""
