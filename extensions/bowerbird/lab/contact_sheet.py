"""Stamps without scripts: as HTML, each with its label or its reason, and as one PNG picture."""

import base64
import html
from collections.abc import Sequence

import numpy as np

from bowerbird.lab.stamp_maker import Tile
from bowerbird.png import png, rgba
from bowerbird.spaced import counted

MOST = 20
_SIDE = 112
_GAP = 8
_COLUMNS = 10
# Seen on a light page and on a dark one.
_EMPTY = 128
_TILE = f"display:inline-block;width:{_SIDE}px;margin:0 {_GAP}px {_GAP}px 0;vertical-align:top;font-size:12px"
_IMAGE = f"width:{_SIDE}px;height:{_SIDE}px;object-fit:contain;image-rendering:pixelated"
_REASON = f"display:block;width:{_SIDE}px;height:{_SIDE}px;box-sizing:border-box;padding:4px;border:1px solid;overflow:hidden"


def as_html(tiles: Sequence[Tile], labels: Sequence[str], total: int) -> str:
    """Return HTML that needs no scripts, and of styles only what it brings; its colours are the page's."""
    count = counted(total, "stamp")
    said = count if total <= len(tiles) else f"The first {len(tiles)} of {count}"
    figures = "".join(_figure(tile, label) for tile, label in zip(tiles, labels, strict=True))
    return f'<div role="group" aria-label="Stamps"><p>{said}</p>{figures}</div>'


def _figure(tile: Tile, label: str) -> str:
    name = html.escape(label)
    if tile.content:
        shown = f'<img style="{_IMAGE}" alt="{name}" src="data:image/png;base64,{base64.b64encode(tile.content).decode()}">'
    else:
        shown = f'<span style="{_REASON}">{html.escape(tile.reason)}</span>'
    return f'<figure style="{_TILE}">{shown}<figcaption>{name}</figcaption></figure>'


def as_png(tiles: Sequence[Tile]) -> bytes:
    """Return one picture of all, line by line; one that could not be made is an empty frame."""
    step = _SIDE + _GAP
    columns = max(1, min(len(tiles), _COLUMNS))
    sheet = np.zeros((step * max(1, -(-len(tiles) // columns)), step * columns, 4), dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (step * place for place in divmod(number, columns))
        _put(sheet[top : top + _SIDE, left : left + _SIDE], tile)
    return png(sheet[: sheet.shape[0] - _GAP, : sheet.shape[1] - _GAP])


def _put(place: "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]", tile: Tile) -> None:
    if not tile.content:
        for edge in (place[0], place[-1], place[:, 0], place[:, -1]):
            edge[:] = (_EMPTY, _EMPTY, _EMPTY, 255)
        return
    pixels = rgba(tile.content)
    rows, columns = pixels.shape[:2]
    scale = _SIDE / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    lines, across = (np.arange(length) * side // length for length, side in ((height, rows), (width, columns)))
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    place[top : top + height, left : left + width] = pixels[lines][:, across]
