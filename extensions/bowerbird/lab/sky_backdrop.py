"""What lies behind the sources of a still map, as parts of its SVG: a survey, an image, and the cells of a coverage."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bowerbird.lab import healpix
from bowerbird.lab.sky_frame import SkyFrame
from bowerbird.lab.sky_image import means
from bowerbird.lab.sky_plot import HEIGHT, INSIDE, WIDTH, screen
from bowerbird.png import png
from bowerbird.stamp import Look, pictured

# As the map itself draws them.
_COVER: Final = "#b48cff"
_SKY: Final = "#12141a"
_SIDE: Final = 256
# A cell of so few pixels is drawn with its neighbours.
_SMALLEST: Final = 6
# Up to this order the sides of cells are no straight lines on the map.
_CURVED: Final = 5
_POINTS: Final = 8


def survey_part(colours: Any) -> str:
    """Return a survey of the colours (RGBA) that it has at the pixels of the map, on the dark sky that the map with scripts has."""
    is_grey = (colours[..., :1] == colours[..., 1:3]).all()
    content = base64.b64encode(png(colours[..., [0, 3]] if is_grey else colours)).decode()
    shown = f'<image class="bb-survey" {INSIDE} preserveAspectRatio="none" href="data:image/png;base64,{content}"/>'
    return f'<rect {INSIDE} fill="{_SKY}"/>{shown}'


def image_part(copy: bytes, frame: SkyFrame) -> str:
    """Return the image of a small copy (FITS, on the plane that touches the sky at its centre), laid by three of its corners."""
    with fits.open(BytesIO(copy)) as hdus:
        step = -(-max(hdus[0].data.shape) // _SIDE)
        values, sky = means(hdus[0].data, step, step), WCS(hdus[0].header)
    rows, columns = values.shape
    # The first row of a picture is at its top.
    corners = np.array([[0.5, 0.5 + rows * step], [0.5 + columns * step, 0.5 + rows * step], [0.5, 0.5]])
    places = np.stack(screen(frame, *sky.wcs_pix2world(corners, 1).T), axis=-1)
    if not np.isfinite(places).all():
        return ""
    origin, right, down = places[0], (places[1] - places[0]) / columns, (places[2] - places[0]) / rows
    matrix = " ".join(f"{number:.6g}" for number in (*right, *down, *origin))
    content = base64.b64encode(png(pictured(values, Look("asinh")))).decode()
    size = f'width="{columns}" height="{rows}" preserveAspectRatio="none"'
    return f'<image class="bb-image" {size} transform="matrix({matrix})" href="data:image/png;base64,{content}"/>'


def coverage_part(moc: Mapping[str, Sequence[int]], frame: SkyFrame) -> str:
    """Return the cells of a MOC by their order, as one shape."""
    lines = [line for order, cells in _coarse(moc, WIDTH / frame.width).items() for line in _lines(order, cells, frame)]
    return f'<path class="bb-coverage" d="{"".join(lines)}" fill="{_COVER}" fill-opacity="0.25"/>' if lines else ""


def _coarse(moc: Mapping[str, Sequence[int]], scale: float) -> dict[int, Any]:
    """Return the cells by their order; of those too small to be seen at so many pixels a degree, the larger ones that hold them."""
    finest = max(0, int(np.floor(np.log2(max(healpix.SIDE * scale / _SMALLEST, 1)))))
    found: dict[int, list[Any]] = {}
    for text, cells in moc.items():
        order = min(int(text), finest)
        found.setdefault(order, []).append(np.asarray(cells, dtype=np.int64) >> 2 * (int(text) - order))
    return {order: np.unique(np.concatenate(cells)) for order, cells in found.items()}


def _lines(order: int, cells: Any, frame: SkyFrame) -> Iterator[str]:
    """Yield the outlines of the cells that are on the picture; those that the edge of a map of the whole sky tears are not."""
    x, y = screen(frame, *healpix.outlines(order, cells, _POINTS if order <= _CURVED else 1))
    with np.errstate(invalid="ignore"):
        there = (x.max(axis=1) > 0) & (x.min(axis=1) < WIDTH) & (y.max(axis=1) > 0) & (y.min(axis=1) < HEIGHT)
        whole = np.full(len(x), not frame.is_whole) | (np.ptp(x, axis=1) < WIDTH / 2)
    for across, down in zip(x[there & whole].tolist(), y[there & whole].tolist(), strict=True):
        yield f"M{'L'.join(f'{one:.1f} {other:.1f}' for one, other in zip(across, down, strict=True))}Z"
