"""What a map of the sky shows, of the arguments of `bowerbird.skymap`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowerbird.errors import BadArgument
from bowerbird.lab.as_python import as_python
from bowerbird.lab.sky_frame import SkyFrame, around
from bowerbird.lab.sky_shapes import of_image, outlines_of
from bowerbird.lab.sky_survey import survey_of
from bowerbird.lab.sky_view import Scene
from bowerbird.regions import regions
from bowerbird.releases import NAME, expect
from bowerbird.slab import slab
from bowerbird.stencil import stencil

_MARK = "1 arcsec"


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments but for the sources, as they were given."""

    survey: str | None = None
    band: Any = None
    image: Any = None
    footprints: Any = None
    moc: Any = None
    position: Any = None
    width: Any = None

    def arguments(self) -> list[str]:
        """Return them as Python; what is too long for that is called by its argument's name."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return [f"{name}={as_python(value, name)}" for name, value in named.items() if value is not None]


def scene(table: Any, asked: Asked) -> Scene:
    """Return the scene; ValueError says which argument cannot be understood."""
    ra, dec = (np.zeros(0), np.zeros(0)) if table is None else _places(table)
    if asked.survey:
        if not NAME.fullmatch(asked.survey):
            raise BadArgument(f"survey is {asked.survey!r}; it is a release that has images, such as 'a370/dr1'")
        expect(asked.survey)
    outlines = outlines_of(asked.footprints)
    if asked.image is not None:
        outlines = [*outlines, of_image(asked.image)]
    seen_ra = np.concatenate([ra, *(one.ra for one in outlines)])
    seen_dec = np.concatenate([dec, *(one.dec for one in outlines)])
    image = None if asked.image is None else os.fspath(asked.image)
    survey = survey_of(table, asked.image) if asked.survey is None else asked.survey
    along = slab(asked.band)
    if asked.band is not None and not survey:
        raise BadArgument("band is one of the survey behind, and there is none; name the release, as in survey='a370/dr1'")
    frame = _frame(asked, around(seen_ra, seen_dec))
    return Scene(ra, dec, frame, outlines, _moc(asked.moc), image, survey, along, is_asked=bool(asked.survey))


def _places(table: Any) -> tuple[Any, Any]:
    squares = regions(table, _MARK).squares
    return np.asarray(squares.longitude), np.asarray(squares.latitude)


def _frame(asked: Asked, found: SkyFrame) -> SkyFrame:
    if asked.position is None and asked.width is None:
        return found
    width = found.width if asked.width is None else stencil((0.0, 0.0), asked.width).width
    if asked.position is None:
        return SkyFrame(found.ra, found.dec, width)
    from bowerbird.vo.names import position  # noqa: PLC0415  # names are rarely asked for

    at = position(asked.position).icrs
    return SkyFrame(float(at.ra.deg), float(at.dec.deg), width if asked.width is not None or found.width < 180 else 1.0)  # noqa: PLR2004  # nothing else says how much


def _moc(moc: Any) -> dict[str, list[int]]:
    """Return a MOC as JSON has it: the numbers of cells by their order."""
    if moc is None:
        return {}
    given = moc.serialize("json") if hasattr(moc, "serialize") else moc
    if not isinstance(given, Mapping):
        raise BadArgument(f"moc is a MOC of mocpy, or what its JSON holds, like {{'3': [1, 2]}}, not {type(moc).__name__}")
    try:
        return {str(int(order)): [int(cell) for cell in cells] for order, cells in given.items()}
    except (TypeError, ValueError):
        raise BadArgument("the JSON of a MOC has lists of cells by their order, like {'3': [1, 2]}") from None
