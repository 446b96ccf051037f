"""The sky as a still picture (SVG): right ascension to the left, a grid with its degrees, sources, footprints, what is selected."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowerbird.lab.sky_frame import SkyFrame
from bowerbird.lab.sky_shapes import Outline

WIDTH, HEIGHT = 640, 480
_ROOM = 64
_ROWS, _COLUMNS = HEIGHT - _ROOM - 8, WIDTH - _ROOM - 8
# Where the sky itself is.
INSIDE = f'x="{_ROOM}" y="8" width="{_COLUMNS}" height="{_ROWS}"'
_STEPS = (90, 60, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_FEWEST_LINES = 3
MOST_POINTS = 5000


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours of the grid and how much of them, of sources, of what is selected, and of outlines."""

    grid: str
    grid_opacity: float
    source: str
    chosen: str
    outline: str


# As in the pages: the accent of light, which is seen on dark too; amber is what needs attention.
ON_PAGE = Inks("currentColor", 0.3, "#4a78ea", "#c77700", "#2e8b57")
# As on the map with scripts: the sky is dark in light and in dark.
ON_SKY = Inks("#a3aab8", 0.5, "#7aa2ff", "#ffb454", "#6fcf97")


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies behind all of a map, as SVG, and the inks that are seen on it."""

    parts: str = ""
    inks: Inks = ON_PAGE


BARE = Ground()


def sky_plot(
    frame: SkyFrame, places: tuple[Any, Any], outlines: Sequence[Outline], chosen: Sequence[int], words: str, *, ground: Ground = BARE
) -> str:
    """Return the picture as an SVG element, around the sky its ink is the page's."""
    ra, dec = places
    step = max(1, -(-len(ra) // MOST_POINTS))
    inks = ground.inks
    parts = [
        ground.parts,
        *_grid(frame, f'stroke="{inks.grid}" stroke-opacity="{inks.grid_opacity}" stroke-width="0.7"'),
        *(
            _line(frame, np.append(one.ra, one.ra[0]), np.append(one.dec, one.dec[0]), f'stroke="{inks.outline}" stroke-width="1.5"')
            for one in outlines
        ),
        _points(frame, ra[::step], dec[::step], f'r="2" fill="{inks.source}" fill-opacity="0.7"'),
        _points(frame, ra[list(chosen)], dec[list(chosen)], f'r="6" fill="none" stroke="{inks.chosen}" stroke-width="2"'),
    ]
    axes = (
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">Right ascension (degrees, ICRS)</text>'
        f'<text transform="translate(12 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">Declination (degrees)</text>'
    )
    said = html.escape(words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{said}" '
        f'style="max-width:100%;font:12px system-ui,sans-serif" fill="currentColor"><title>{said}</title>'
        f'<clipPath id="bb-sky"><rect {INSIDE}/></clipPath><g clip-path="url(#bb-sky)">{"".join(parts)}</g>'
        f'{_labels(frame)}<rect {INSIDE} fill="none" stroke="currentColor"/>{axes}</svg>'
    )


def screen(frame: SkyFrame, ra: Any, dec: Any) -> tuple[Any, Any]:
    """Return where on the picture places lie; the frame's width is that of the picture."""
    x, y = frame.flat(ra, dec)
    return _ROOM + _COLUMNS / 2 + x * _COLUMNS, 8 + _ROWS / 2 - y * _COLUMNS


def sky_of_pixels(frame: SkyFrame) -> tuple[Any, Any]:
    """Return the right ascension and declination of each pixel inside, row by row; nan is beyond the edge of the map."""
    down, across = np.mgrid[:_ROWS, :_COLUMNS] + 0.5
    return frame.sky(across / _COLUMNS - 0.5, (_ROWS / 2 - down) / _COLUMNS)


def _points(frame: SkyFrame, ra: Any, dec: Any, style: str) -> str:
    x, y = screen(frame, ra, dec)
    there = np.isfinite(x) & np.isfinite(y)
    return "".join(f'<circle cx="{across:.1f}" cy="{down:.1f}" {style}/>' for across, down in zip(x[there], y[there], strict=True))


def _line(frame: SkyFrame, ra: Any, dec: Any, style: str) -> str:
    x, y = screen(frame, ra, dec)
    # Where the map is torn, or shows nothing, the line is too.
    breaks = ~np.isfinite(x + y) | (np.abs(np.diff(x, prepend=x[0])) > WIDTH / 2)
    words, pen = [], "M"
    for across, down, torn in zip(x, y, breaks, strict=True):
        if np.isfinite(across + down):
            words.append(f"{'M' if torn else pen}{across:.1f} {down:.1f}")
        pen = "M" if not np.isfinite(across + down) else "L"
    return f'<path d="{"".join(words)}" fill="none" {style}/>'


def _steps(frame: SkyFrame) -> tuple[float, float]:
    """Return how far apart the lines of right ascension and declination are."""
    if frame.is_whole:
        return 60.0, 30.0
    wide = frame.width / max(np.cos(np.radians(frame.dec)), 0.02)
    return _step(min(wide, 360.0)), _step(frame.width * HEIGHT / WIDTH)


def _step(span: float) -> float:
    return next((step for step in _STEPS if span / step >= _FEWEST_LINES), _STEPS[-1])


def _lines(frame: SkyFrame) -> tuple[Any, Any]:
    """Return the right ascensions and declinations of the grid."""
    ra_step, dec_step = _steps(frame)
    if frame.is_whole:
        return np.arange(-180, 181, ra_step), np.arange(-90, 91, dec_step)
    half = frame.width / 2 / max(np.cos(np.radians(min(abs(frame.dec) + frame.width / 2, 89.0))), 0.02)
    ras = _between(frame.ra - min(half, 180), frame.ra + min(half, 180), ra_step)
    return ras, _between(max(frame.dec - frame.width / 2, -90), min(frame.dec + frame.width / 2, 90), dec_step)


def _between(low: float, high: float, step: float) -> Any:
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _grid(frame: SkyFrame, style: str) -> Iterator[str]:
    ras, decs = _lines(frame)
    span = 180.0 if frame.is_whole else frame.width
    up = np.clip(np.linspace(frame.dec - span / 2, frame.dec + span / 2, 61), -90, 90)
    for ra in ras:
        # A map of the whole sky ends where it begins: each end is on its own side.
        yield _line(frame, np.full(up.shape, ra * (1 - 1e-9 if frame.is_whole else 1)), up, style)
    half = 179.999 if frame.is_whole else float(np.abs(ras - frame.ra).max(initial=0)) * 2 + 1e-9
    across = frame.ra + np.linspace(-half, half, 121)
    for dec in decs:
        yield _line(frame, across, np.full(across.shape, dec), style)


def _labels(frame: SkyFrame) -> str:
    ras, decs = _lines(frame)
    bottom, left = HEIGHT - _ROOM + 14, _ROOM - 4
    low = 0.0 if frame.is_whole else frame.dec - frame.width * HEIGHT / WIDTH / 2
    made = []
    for ra in ras:
        x = float(screen(frame, ra, low)[0])
        if _ROOM < x < WIDTH - 16:
            made.append(f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle">{_number(ra % 360)}</text>')
    for dec in decs:
        y = float(screen(frame, frame.ra, dec)[1])
        if 12 < y < HEIGHT - _ROOM:  # noqa: PLR2004  # within the frame
            made.append(f'<text x="{left}" y="{y + 4:.1f}" text-anchor="end">{_number(dec)}</text>')
    return "".join(made)


def _number(degrees: float) -> str:
    return f"{degrees:.4f}".rstrip("0").rstrip(".").replace("-", "−") if round(degrees, 4) else "0"
