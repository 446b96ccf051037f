"""The sky that images cover as a picture: the whole of it, and the largest part from near. Pure."""

from typing import Any

import numpy as np
from astropy import units
from bowerbird_services.pages import sky
from bowerbird_services.pages.markup import Html, Part, tag
from bowerbird_services.store import footprint
from bowerbird_services.store.coverage import ORDER, PIXELS

_SIDE = 180
_GAP = 16
# The near picture is this much wider than what is covered; wider than this (degrees) there is none.
_MARGIN, _WIDEST = 1.15, 30.0
_ALONE = (
    "svg{--raised:#fff;--line:#999;--ink:#222}"
    "@media(prefers-color-scheme:dark){svg{--raised:#222;--line:#777;--ink:#ddd;background:#111}}"
    ".sky{fill:var(--raised);stroke:var(--line);stroke-width:.5}.grid{fill:none;stroke:var(--line);stroke-width:.3}"
    "text{fill:var(--ink);font:8px sans-serif}"
)
_SKY_AREA = 41_252.96


def picture(moc: Any, name: str) -> Html:
    """Return the picture as a part of a page, with its legend."""
    legend = tag("figcaption", f"{told(moc)} At the left all of the sky, in squares of 3.7°; RA grows to the left, 180° is in the middle.")
    return tag("figure", _drawn(moc, name), legend, class_="coverage footprint")


def alone(moc: Any, name: str) -> str:
    """Return the picture as a file of its own, in the colours that whoever looks prefers."""
    style = tag("style", Html(f"{sky.STYLE}{_ALONE}"))
    return str(_drawn(moc, name, style, xmlns="http://www.w3.org/2000/svg"))


def told(moc: Any) -> str:
    """Return how much of the sky it is, in words."""
    square = moc.sky_fraction * _SKY_AREA
    return f"The images cover {square:.3g} square degrees." if square >= 0.1 else f"The images cover {square * 3600:.3g} square arcminutes."  # noqa: PLR2004  a tenth


def _drawn(moc: Any, name: str, *before: Part, **attributes: str) -> Html:
    touched = np.zeros(PIXELS, dtype=bool)
    touched[moc.degrade_to_order(ORDER).flatten().astype(np.int64)] = True
    cells = sky.pixels()
    whole = tag(
        "g",
        tag("ellipse", class_="sky", cx="180", cy="90", rx="180", ry="90"),
        tag("path", class_="sky-3", d=sky.runs((cells >= 0) & touched[cells]), shape_rendering="crispEdges"),
        tag("path", class_="grid", d=sky.grid()),
    )
    near = _near(footprint.largest(moc))
    width = sky.WIDTH + ((_GAP + _SIDE) if near else 0)
    title = tag("title", f"Where on the sky the images of {name} are. {told(moc)}")
    return tag("svg", title, *before, whole, near, viewBox=f"-4 -4 {width + 8} {sky.HEIGHT + 8}", role="img", **attributes)


def _near(part: Any) -> Html | None:
    """Return a square of the sky around a part of it, north up and east at the left; None where that is as good as all."""
    ra, dec, reach = footprint.extent(part)
    half = reach * _MARGIN
    if half > _WIDEST:
        return None
    steps = (np.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    across, down = np.meshgrid(steps * np.tan(np.radians(half)), steps * np.tan(np.radians(half)))
    covered = part.contains_lonlat(*_from_tangent(-across, -down, np.radians(ra), np.radians(dec)))
    frame = tag("path", class_="sky", d=f"M0 0h{_SIDE}v{_SIDE}H0z")
    width = f"{2 * half:.2g}°" if half >= 0.5 else f"{2 * half * 60:.2g}′"  # noqa: PLR2004  a degree
    # In two lines: on a telephone letters are that much larger beside the picture.
    centre = f"{ra:.4f} {dec:+.4f}".replace("-", "−")
    lines = (tag("tspan", text, x="4", dy=dy) for text, dy in ((f"{width} around ", "-1.2em"), (centre, "1.2em")))
    place = tag("text", *lines, x="4", y=f"{_SIDE - 4}")
    drawn = tag("path", class_="sky-3", d=sky.runs(covered), shape_rendering="crispEdges")
    return tag("g", frame, drawn, place, transform=f"translate({sky.WIDTH + _GAP} 0)")


def _from_tangent(xi: Any, eta: Any, ra: float, dec: float) -> tuple[Any, Any]:
    """Return the positions of points of a plane that touches the sky at one (gnomonic projection); radians in."""
    beside = np.cos(dec) - eta * np.sin(dec)
    lon = ra + np.arctan2(xi, beside)
    lat = np.arctan2(np.sin(dec) + eta * np.cos(dec), np.hypot(xi, beside))
    return units.Quantity(lon % (2 * np.pi), "rad"), units.Quantity(lat, "rad")
