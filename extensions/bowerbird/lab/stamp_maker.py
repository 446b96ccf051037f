"""Makes the pictures that a strip asks for, in a thread: what is looked at now comes first, and memory stays small."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bowerbird.lab.stamp_source import Piece, Source
from bowerbird.png import png
from bowerbird.stamp import Look, picture

# A picture is drawn no larger than this (pixels a side): a screen with fine pixels shows large stamps with as many.
SIDE = 256
# So many are cut together and told of together: few, so that a strip that is scrolled on waits for none that nobody sees any more.
_TOGETHER = 16
MOST_KEPT = 1 << 26


@dataclass(frozen=True, slots=True)
class Tile:
    """What stands for a row: a PNG picture, or why there is none."""

    row: int
    look: Look
    content: bytes = b""
    reason: str = ""


class Maker:
    """Tells of tiles as they are made, from its thread. A new wish takes the place of what is left of the one before.

    Those that were made are kept, up to so many bytes.
    """

    def __init__(self, source: Source, told: Callable[[Sequence[Tile]], None], most_kept: int = MOST_KEPT) -> None:
        self._source, self._told, self._most_kept = source, told, most_kept
        # Guards the three below; it is held while nothing is cut or drawn.
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._look = Look()
        self._kept: OrderedDict[tuple[int, Look], Tile] = OrderedDict()
        self._kept_bytes = 0
        self._worker: threading.Thread | None = None

    def want(self, rows: Sequence[int], look: Look) -> None:
        """Have these rows made, in their order, and told of; those that are known are told of at once."""
        with self._lock:
            known = [self._kept[row, look] for row in rows if (row, look) in self._kept]
            for tile in known:
                self._kept.move_to_end((tile.row, look))
            self._wanted = [row for row in rows if (row, look) not in self._kept]
            self._look = look
            if self._wanted and self._worker is None:
                self._worker = threading.Thread(target=self._work, name="stamps", daemon=True)
                self._worker.start()
        for start in range(0, len(known), _TOGETHER):
            self._told(known[start : start + _TOGETHER])

    def now(self, rows: Sequence[int], look: Look) -> list[Tile]:
        """Make these rows here and now, and return them in their order."""
        made = {}
        for row in rows:
            if tile := self._kept.get((row, look)):
                made[row] = tile
        for piece in self._source.cuts([row for row in rows if row not in made]):
            made[piece[0]] = self._keep(drawn(piece, look))
        return [made[row] for row in rows]

    def wait(self) -> None:
        """Wait until nothing is wanted any more."""
        worker = self._worker
        if worker is not None:
            worker.join()

    def stop(self) -> None:
        """Make no more."""
        with self._lock:
            self._wanted = []

    def _work(self) -> None:
        while True:
            with self._lock:
                rows, look = self._wanted[:_TOGETHER], self._look
                self._wanted = self._wanted[_TOGETHER:]
                if not rows:
                    self._worker = None
                    return
            self._tell(self._made(rows, look))

    def _made(self, rows: Sequence[int], look: Look) -> list[Tile]:
        """Return a tile of each row; nobody stands behind this thread: what goes wrong is said on the tiles."""
        made: list[Tile] = []
        try:
            made.extend(self._keep(drawn(piece, look)) for piece in self._source.cuts(rows))
        except Exception as error:  # of any kind: see above
            known = {tile.row for tile in made}
            made += [Tile(row, look, reason=f"{type(error).__name__}: {error}") for row in rows if row not in known]
        return made

    def _tell(self, tiles: Sequence[Tile]) -> None:
        try:
            self._told(tiles)
        except Exception:  # where one cannot even be told, as its row has no words, the others still are
            for tile in tiles:
                with suppress(Exception):
                    self._told([tile])

    def _keep(self, tile: Tile) -> Tile:
        with self._lock:
            if (tile.row, tile.look) not in self._kept:
                self._kept[tile.row, tile.look] = tile
                self._kept_bytes += len(tile.content)
            while self._kept_bytes > self._most_kept:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1].content)
        return tile


def drawn(piece: Piece, look: Look) -> Tile:
    """Return the tile of a cutout; one that cannot be drawn has its reason."""
    row, cut, reason = piece
    if cut is None:
        return Tile(row, look, reason=reason or "there is no cutout")
    try:
        return Tile(row, look, png(picture(cut, look, SIDE)))
    except (OSError, ValueError, TypeError, MemoryError) as error:
        return Tile(row, look, reason=f"it cannot be drawn: {error}")
