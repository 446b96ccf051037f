"""The sky as a picture: rows by HEALPix pixel in Mollweide's projection, as SVG whose colours are the page's own. Pure."""

from functools import lru_cache

import numpy as np
from astropy.coordinates import Latitude, Longitude
from bowerbird.spaced import spaced
from bowerbird_services.pages.markup import Html, tag
from bowerbird_services.store.coverage import ORDER, PIXELS, Coverage
from cdshealpix.nested import lonlat_to_healpix

WIDTH, HEIGHT = 360, 180
LEVELS = 6
# Viridis in six steps, so that more rows stand out more from the paper of either scheme.
_LIGHT = ("#c9de53", "#6ccd5a", "#1f9e89", "#26828e", "#3e4989", "#440154")
_DARK = ("#31688e", "#26838e", "#1f9e89", "#4ac16d", "#9fda3a", "#fde725")
STYLE = (
    ":root{" + "".join(f"--sky-{level}:{colour};" for level, colour in enumerate(_LIGHT)) + "}"
    "@media(prefers-color-scheme:dark){:root{"
    + "".join(f"--sky-{level}:{colour};" for level, colour in enumerate(_DARK))
    + "}}"
    + "".join(f".sky-{level}{{fill:var(--sky-{level})}}" for level in range(LEVELS))
)
_PIXEL_DEGREES = 41_252.96 / PIXELS
_MARGIN = 20


@lru_cache(maxsize=1)
def pixels() -> np.ndarray:
    """Return the HEALPix pixel of each cell of the picture, -1 outside of the sky; RA grows to the left around 12 h."""
    x = (np.arange(WIDTH) + 0.5) / WIDTH * 4 - 2
    y = 1 - (np.arange(HEIGHT) + 0.5) / HEIGHT * 2
    across, up = np.meshgrid(x, y)
    theta = np.arcsin(up)
    inside = (across / 2) ** 2 + up**2 < 1
    ra = 180 - np.degrees(np.pi * across / (2 * np.cos(theta)))
    dec = np.degrees(np.arcsin(np.clip((2 * theta + np.sin(2 * theta)) / np.pi, -1, 1)))
    found = np.full(across.shape, -1, dtype=np.int64)
    found[inside] = lonlat_to_healpix(Longitude(ra[inside] % 360, "deg"), Latitude(dec[inside], "deg"), ORDER).astype(np.int64)
    return found


def picture(coverage: Coverage, table: str) -> Html:
    """Return the picture of a table's rows, with its legend."""
    touched = f"{coverage.fraction:.0%}" if coverage.fraction >= 0.01 else "less than 1 %"  # noqa: PLR2004  a hundredth
    title = f"Where on the sky the rows of {table} are: they touch {touched} of it"
    counts = np.zeros(PIXELS, dtype=np.int64)
    counts[list(coverage.counts)] = list(coverage.counts.values())
    bounds = _bounds(counts[counts > 0])
    cells = pixels()
    level = np.where((cells >= 0) & (counts[cells] > 0), np.searchsorted(bounds, counts[cells], side="right"), -1)
    paths = [tag("path", class_=f"sky-{each}", d=runs(level == each)) for each in range(LEVELS) if (level == each).any()]
    box = f"-{_MARGIN} -{_MARGIN} {WIDTH + 2 * _MARGIN} {HEIGHT + 2 * _MARGIN}"
    drawn = tag(
        "svg", tag("title", title), tag("ellipse", class_="sky", cx="180", cy="90", rx="180", ry="90"),
        tag("g", *paths, shape_rendering="crispEdges"), tag("path", class_="grid", d=grid()), *_labels(), viewBox=box, role="img",
    )  # fmt: skip
    return tag("figure", drawn, tag("figcaption", *_legend(counts[counts > 0], set(np.unique(level).tolist()))), class_="coverage")


def _bounds(counts: np.ndarray) -> np.ndarray:
    """Return the counts at which the next level begins: equal ratios from the fewest to the most."""
    least, most = (int(counts.min()), int(counts.max())) if len(counts) else (1, 1)
    return np.geomspace(least, max(most, least + 1), LEVELS + 1)[1:-1]


def runs(cells: np.ndarray) -> str:
    """Return a path that covers those cells, a rectangle for each run of a line."""
    parts = []
    for row, line in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(np.int8), [0]))))
        parts += [f"M{start} {row}h{end - start}v1H{start}z" for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return "".join(parts)


def _place(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where positions in degrees stand in the picture."""
    latitude = np.radians(dec)
    theta = latitude.copy()
    for _ in range(50):  # Newton's steps; at the poles, where they stand still, the first guess is the answer
        slope = np.maximum(2 + 2 * np.cos(2 * theta), 1e-9)
        theta = theta - (2 * theta + np.sin(2 * theta) - np.pi * np.sin(latitude)) / slope
    theta = np.where(np.abs(dec) >= 90, np.sign(dec) * np.pi / 2, theta)  # noqa: PLR2004  degrees
    x = 2 * np.radians(180 - ra) / np.pi * np.cos(theta)
    return (x + 2) / 4 * WIDTH, (1 - np.sin(theta)) / 2 * HEIGHT


@lru_cache(maxsize=1)
def grid() -> str:
    """Return the lines of the grid: every 30 degrees of Dec, every 60 of RA."""
    along, across = np.linspace(-90, 90, 37), np.linspace(0, 360, 3)
    lines = [_place(np.full(along.shape, float(ra)), along) for ra in range(0, 361, 60)]
    lines += [_place(across, np.full(across.shape, float(dec))) for dec in range(-60, 61, 30)]
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(*line, strict=True)) for line in lines)


def _labels() -> list[Html]:
    """Return the degrees at the grid's ends: RA along the equator, Dec at the left."""
    found = []
    for ra in range(60, 360, 60):
        (x,), (y,) = _place(np.array([float(ra)]), np.array([0.0]))
        found.append(tag("text", f"{ra}°", x=f"{x + 2:.1f}", y=f"{y - 2:.1f}"))
    for dec in (-60, -30, 30, 60):
        (x,), (y,) = _place(np.array([360.0]), np.array([float(dec)]))
        found.append(tag("text", f"{dec:+d}°".replace("-", "−"), x=f"{x - 2:.1f}", y=f"{y:.1f}", text_anchor="end"))
    return found


def _legend(counts: np.ndarray, used: set[int]) -> list[str | Html]:
    if not len(counts):
        return ["No row has a position."]
    swatches = [
        tag("svg", tag("rect", class_=f"sky-{level}", width="16", height="12"), viewBox="0 0 16 12", aria_hidden="true", class_="swatch")
        for level in range(LEVELS)
        if level in used
    ]
    least, most = (_two_digits(count / _PIXEL_DEGREES) for count in (counts.min(), counts.max()))
    density = f"about {most} rows" if least == most else f"from {least} to {most} rows"
    return [*swatches, f" {density} per square degree, in pixels of 3.7°. RA grows to the left, 180° is in the middle."]


def _two_digits(number: float) -> str:
    """Return a number as two of its digits tell it, without an exponent where it is large."""
    rounded = float(f"{number:.2g}")
    return spaced(int(rounded)) if rounded >= 1 and rounded.is_integer() else f"{rounded:g}"
