"""The stamps of many sources: only those on the screen are cut, drawn and sent to the browser."""

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from bowerbird.errors import BadArgument, ServiceError
from bowerbird.lab import contact_sheet
from bowerbird.lab.page_parts import script, style
from bowerbird.lab.stamp_labels import Labels
from bowerbird.lab.stamp_maker import Maker, Tile
from bowerbird.lab.stamp_source import Source
from bowerbird.spaced import counted
from bowerbird.stamp import COLOURS, STRETCHES, Limits, Look

# No screen shows more stamps than this at once.
MOST_TILES = 500
# A program shows each image that it gets.
MOST_SENT = 16
_COLOURS_TO_CHOOSE = [one for one in COLOURS if one != "inverted"]


class StampStrip(anywidget.AnyWidget):
    """Stamps of any number of sources.

    `selected` has the numbers of the chosen rows; `chosen()` is a table of them where a table was given.
    """

    _esm = script("stamp_strip.js")
    _css = style("stamp_strip.css")
    total = traitlets.Int().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    # The rows to show, in their order (uint32): what a table that is sorted or filtered sees; None is all, as they are.
    order = traitlets.Any(None).tag(sync=True)
    stretch = traitlets.Unicode("asinh").tag(sync=True)
    limits = traitlets.Any(99.5).tag(sync=True)
    colour = traitlets.Unicode("grey").tag(sync=True)
    invert = traitlets.Bool(False).tag(sync=True)
    stretches: traitlets.List[str] = traitlets.List(list(STRETCHES)).tag(sync=True)
    colours: traitlets.List[str] = traitlets.List(_COLOURS_TO_CHOOSE).tag(sync=True)

    def __init__(self, source: Source, positions: Any, look: Look, labels: Labels, name: str) -> None:
        self._source, self._positions, self._labels, self.name = source, positions, labels, name
        self._maker = Maker(source, self._tell)
        limits = list(look.limits) if isinstance(look.limits, tuple) else look.limits
        super().__init__(total=len(source), stretch=look.stretch, limits=limits, colour=look.colour, invert=look.invert)
        self.on_msg(self._answer)

    @property
    def look(self) -> Look:
        """How the stamps are drawn at the moment."""
        return Look(self.stretch, _limits(self.limits), self.colour, self.invert)

    def chosen(self) -> Any:
        """Return the selected rows of what was given."""
        rows = [row for row in sorted(set(self.selected)) if 0 <= row < self.total]
        return [self._positions[row] for row in rows] if isinstance(self._positions, list | tuple) else self._positions[rows]

    def wait(self) -> None:
        """Wait until the stamps on the screen are made."""
        self._maker.wait()

    def close(self) -> None:
        """Take it off the page."""
        self._maker.stop()
        super().close()

    def _answer(self, _: Any, content: Any, __: Any = None) -> None:
        """Answer the browser; what cannot be done is said in words."""
        steps: dict[str, Callable[[dict[str, Any]], None]] = {"stamps": self._stamps, "python": self._python, "samp": self._samp}
        step = steps.get(content.get("type", "")) if isinstance(content, dict) else None
        if step is None:
            return
        try:
            step(content)
        except (ServiceError, KeyError, TypeError, ValueError) as error:
            self.send({"type": "refused", "message": str(error)})

    def _stamps(self, asked: dict[str, Any]) -> None:
        rows = [int(row) for row in asked["rows"][:MOST_TILES]]
        given = asked["look"]
        look = Look(str(given["stretch"]), _limits(given["limits"]), str(given["colour"]), bool(given["invert"]))
        self._maker.want([row for row in rows if 0 <= row < self.total], look)

    def _tell(self, tiles: Sequence[Tile]) -> None:
        """Send tiles of one look in one message; its buffers are the pictures of those that have no reason, in their order."""
        look = tiles[0].look
        limits = list(look.limits) if isinstance(look.limits, tuple) else look.limits
        drawn = {"stretch": look.stretch, "limits": limits, "colour": look.colour, "invert": look.invert}
        told = [{"row": tile.row, "label": self._labels.of(tile.row), "reason": tile.reason} for tile in tiles]
        self.send({"type": "stamps", "look": drawn, "stamps": told}, [tile.content for tile in tiles if not tile.reason])

    def _python(self, _: dict[str, Any]) -> None:
        self.send({"type": "python", "code": self.python()})

    def _samp(self, _: dict[str, Any]) -> None:
        """Hand the selected cutouts, a few of them, to ds9 or to what else takes images."""
        from bowerbird.vo.samp import send_images  # noqa: PLC0415  # rarely asked for

        rows = [row for row in sorted(set(self.selected)) if 0 <= row < self.total][:MOST_SENT]
        images = {self._labels.of(row): cut.content() for row, cut, _ in self._source.cuts(rows) if cut is not None}
        if not images:
            raise BadArgument("no stamp is selected that has pixels; select those to send")
        self.send({"type": "sent", "message": f"Sent {len(images)} to {send_images(images)}"})

    def python(self) -> str:
        """Return the Python that makes the same strip, and a table of the selected rows."""
        look, usual = self.look, Look()
        arguments = [self.name, *self._source.arguments()]
        given = {"stretch": look.stretch, "limits": look.limits, "colour": look.colour, "invert": look.invert}
        arguments += self._labels.arguments()
        arguments += [f"{name}={value!r}" for name, value in given.items() if value != getattr(usual, name)]
        lines = ["import bowerbird", "", f"strip = bowerbird.stamps({', '.join(arguments)})"]
        if self.selected:
            lines.append(f"strip.selected = {sorted(set(self.selected))!r}")
        return "\n".join([*lines, "strip"])

    def first(self) -> tuple[list[Tile], list[str]]:
        """Return the first stamps with their labels, for a page without scripts."""
        rows = range(min(self.total, contact_sheet.MOST))
        return self._maker.now(rows, self.look), [self._labels.of(row) for row in rows]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give also HTML and one picture, which a page without JavaScript shows."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        bundle, metadata = made
        return {**bundle, **self.still()}, metadata

    def still(self) -> dict[str, Any]:
        """Return what a page without JavaScript shows: HTML, one picture, words."""
        tiles, labels = self.first()
        html = contact_sheet.as_html(tiles, labels, self.total)
        return {"text/html": html, "image/png": contact_sheet.as_png(tiles), "text/plain": counted(self.total, "stamp")}


def _limits(given: Any) -> Limits:
    if isinstance(given, list | tuple):
        low, high = given
        return float(low), float(high)
    return given if isinstance(given, str) else float(given)
