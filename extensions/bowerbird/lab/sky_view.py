"""The map of the sky around sources: a survey or an image, footprints and coverage on it, and the sources, linked with other views."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import anywidget
import numpy as np
import traitlets

from bowerbird.errors import CutoutError, ServiceError
from bowerbird.lab.page_parts import script, style
from bowerbird.lab.sky_backdrop import coverage_part, image_part, survey_part
from bowerbird.lab.sky_frame import SkyFrame
from bowerbird.lab.sky_image import small_copy
from bowerbird.lab.sky_plot import ON_PAGE, ON_SKY, Ground, sky_of_pixels, sky_plot
from bowerbird.lab.sky_shapes import Outline
from bowerbird.lab.sky_tiles import seen_of
from bowerbird.slab import WHOLE, Slab
from bowerbird.spaced import counted
from bowerbird.vo.loop import LOOP
from bowerbird.vo.session import session

# So many sources are drawn; of more every second, third, and so on.
MOST_SOURCES = 20_000
MOST_SELECTED = 5_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What is on the map: sources (degrees, ICRS), outlines, coverage as the JSON of a MOC, an image, the survey behind all."""

    ra: Any
    dec: Any
    frame: SkyFrame
    outlines: Sequence[Outline] = ()
    moc: dict[str, list[int]] = field(default_factory=dict)
    image: Any = None
    survey: str = ""
    # In which band the survey is to be.
    along: Slab = WHOLE
    # Whether somebody asked for that survey by its name, and so is told where there is none.
    is_asked: bool = False


class SkyView(anywidget.AnyWidget):
    """A map of the sky.

    `selected` has the numbers of the chosen rows; `chosen()` is a table of them where a table was given.
    """

    _esm = script("sky_view.js")
    _css = style("sky_view.css")
    total = traitlets.Int().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    ra = traitlets.Float().tag(sync=True)
    dec = traitlets.Float().tag(sync=True)
    width = traitlets.Float().tag(sync=True)
    survey = traitlets.Unicode().tag(sync=True)
    # The band that the survey has, or must have, by the name of its filter; else the wavelengths that it must have some of (metres).
    band = traitlets.Unicode().tag(sync=True)
    waves: traitlets.List[float] = traitlets.List(traitlets.Float()).tag(sync=True)
    survey_asked = traitlets.Bool(False).tag(sync=True)
    has_image = traitlets.Bool(False).tag(sync=True)
    outlines: traitlets.List[list[list[float]]] = traitlets.List().tag(sync=True)
    moc: "traitlets.Dict[str, list[int]]" = traitlets.Dict().tag(sync=True)

    def __init__(self, scene: Scene, table: Any, arguments: Sequence[str], name: str) -> None:
        self._scene, self._table, self._arguments, self._name = scene, table, arguments, name
        self._surveys: dict[Slab, str] = {}
        frame = scene.frame
        super().__init__(
            total=len(scene.ra),
            ra=frame.ra,
            dec=frame.dec,
            width=frame.width,
            survey=scene.survey,
            band=scene.along.filter,
            # An open end has no number in JSON.
            waves=[min(end, sys.float_info.max) for end in scene.along.band or ()],
            survey_asked=scene.is_asked,
            has_image=scene.image is not None,
            outlines=[one.pairs() for one in scene.outlines],
            moc=scene.moc,
        )
        self.on_msg(self._answer)

    def chosen(self) -> Any:
        """Return the selected rows of what was given."""
        rows = self._rows()
        return [self._table[row] for row in rows] if isinstance(self._table, list | tuple) else self._table[rows]

    def _rows(self) -> list[int]:
        return [row for row in sorted(set(self.selected)) if 0 <= row < self.total]

    def _answer(self, _: Any, content: Any, __: Any = None) -> None:
        """Answer the browser; what cannot be done is said in words."""
        steps: dict[str, Callable[[], None]] = {
            "sources": self._sources,
            "selected": self._selected,
            "image": self._image,
            "python": lambda: self.send({"type": "python", "code": self.python()}),
            "samp": self._samp,
        }
        step = steps.get(content.get("type", "")) if isinstance(content, dict) else None
        if step is None:
            return
        try:
            step()
        except (CutoutError, ServiceError, OSError, TypeError, ValueError) as error:
            self.send({"type": "refused", "message": str(error)})

    def _sources(self) -> None:
        there = np.flatnonzero(np.isfinite(self._scene.ra) & np.isfinite(self._scene.dec))
        self._places("sources", there[:: max(1, -(-len(there) // MOST_SOURCES))])

    def _selected(self) -> None:
        self._places("selected", np.array(self._rows()[:MOST_SELECTED], dtype=int))

    def _places(self, kind: str, rows: Any) -> None:
        parts = (rows.astype("<u4"), self._scene.ra[rows].astype("<f8"), self._scene.dec[rows].astype("<f8"))
        self.send({"type": kind}, [part.tobytes() for part in parts])

    def _image(self) -> None:
        self.send({"type": "image"}, [self._small])

    @cached_property
    def _small(self) -> bytes:
        """The small copy of the image, for the map and for the still picture: the image is read once."""
        return small_copy(self._scene.image)

    def _samp(self) -> None:
        """Hand the sources to Aladin, and to what else takes tables."""
        from astropy.table import Table  # noqa: PLC0415  # rarely asked for

        from bowerbird.vo.samp import send  # noqa: PLC0415  # as above

        table = self._table if hasattr(self._table, "colnames") else Table({"ra": self._scene.ra, "dec": self._scene.dec})
        self.send({"type": "sent", "message": f"Sent to {send(table, self._name)}"})

    def python(self) -> str:
        """Return the Python that makes the same map, and selects the same sources."""
        arguments = [*([self._name] if self.total else []), *self._arguments]
        if self.band:
            # What was chosen on the map takes the place of what was given.
            arguments = [*(one for one in arguments if not one.startswith("band=")), f"band={self.band!r}"]
        lines = ["import bowerbird", "", f"view = bowerbird.skymap({', '.join(arguments)})"]
        if self.selected:
            lines.append(f"view.selected = {self._rows()!r}")
        return "\n".join([*lines, "view"])

    def still(self) -> str:
        """Return the map as SVG, which needs no scripts."""
        scene, survey = self._scene, self._survey()
        words = f"{counted(self.total, 'source')} around right ascension {scene.frame.ra:.4f}°, declination {scene.frame.dec:.4f}°"
        if scene.survey:
            behind = "lies behind them" if survey else "behind them is seen on a map with scripts alone"
            words = f"{words}; the survey {scene.survey} {behind}"
        ground = Ground(survey + self._behind(), ON_SKY if survey else ON_PAGE)
        return sky_plot(scene.frame, (scene.ra, scene.dec), scene.outlines, self._rows(), words, ground=ground)

    def _survey(self) -> str:
        """Return the platform's survey as a part of the still map; "" where it has none for this server, or does not answer."""
        along = Slab(filter=self.band) if self.band else self._scene.along
        if self._scene.survey and along not in self._surveys:
            # A list of surveys that is none of the standard's is as one that is not there.
            with suppress(ServiceError, ValueError):
                places = sky_of_pixels(self._scene.frame)
                colours = LOOP.run(seen_of(session(), self._scene.survey, along, *places))
                # What did not come now may come when the map is shown again.
                if colours is not None:
                    self._surveys[along] = survey_part(colours)
        return self._surveys.get(along, "")

    def _behind(self) -> str:
        """Return the image and the coverage as parts of the still map; an image that cannot be shown is left out there."""
        image = ""
        if self.has_image:
            with suppress(CutoutError, OSError):
                image = image_part(self._small, self._scene.frame)
        return image + coverage_part(self._scene.moc, self._scene.frame)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give also a picture, which a page without JavaScript shows."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        bundle, metadata = made
        return {**bundle, "text/html": self.still(), "text/plain": f"A map of the sky with {counted(self.total, 'source')}"}, metadata
