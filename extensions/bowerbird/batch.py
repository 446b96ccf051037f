"""Many cutouts of many images: grouped by file, in the order in which their pixels lie, read ahead, none failing another.

They are planned a piece at a time, so that the first come soon whatever their number.
A source that cannot be cut comes out with a reason. A file that is not as it was when its group began gives no more
pixels: what is read of it could be of two files.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bowerbird.errors import CutoutError, NotCuttable
from bowerbird.folder import Folder
from bowerbird.image import Choices, file_descriptor, plain
from bowerbird.layers import Plan, in_order, layers
from bowerbird.product import Product
from bowerbird.refusals import explained
from bowerbird.regions import Regions
from bowerbird.scratch import Scratch
from bowerbird.slab import WHOLE, Slab
from bowerbird.window import Mode

# So much is asked of a disk before it is needed (bytes).
_AHEAD_BYTES = 1 << 25
# So many of a group tell how close the others lie.
_SAMPLE = 50
# From so many on what is not in memory is read, and written, by threads of their own, so many (and bytes) at a time, while
# others are planned. What is in memory is quicker without: two threads would wait for each other more than they help.
_WORTH_THREADS = 64
_READERS = 2
_TOGETHER = 8
_TOGETHER_BYTES = 1 << 20
_MOST_IN_FLIGHT = 4

# A row, what is cut for it, and what was asked for.
_Planned: TypeAlias = tuple[int, Product, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one source: the parts of a FITS file, or a reason; neither where the cutout is in its file."""

    row: int
    parts: Sequence[Any] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many cutouts are planned at a time, and how many are asked of a disk before they are needed."""

    planned: int = 512
    ahead: int = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """What holds for all: which HDU, what happens at an edge, the files and their open folder if any, the most bytes of one, the slab."""

    hdu: Choices = None
    mode: Mode = Mode.TRIM
    files: Sequence[Path | None] = ()
    folder: Folder | None = None
    most_bytes: int | None = None
    slab: Slab = WHOLE
    pace: Pace = Pace()

    def is_there(self, row: int, product: Product, changed_ns: int) -> bool:
        """Return whether the file of a row was the cutout already when the folder was opened, and no older than its image."""
        file = self.files[row] if self.files else None
        if file is None or self.folder is None or not self.folder.held(file.name):
            return False
        try:
            return file.stat().st_mtime_ns > changed_ns and product.matches(file)
        except OSError:
            return False


def cut_all(regions: Regions, images: Sequence[str | os.PathLike[str]], wish: Wish) -> Iterator[Made]:
    """Yield what becomes of each source, in the order of the work; memory is bounded whatever their number."""
    groups: dict[str, list[int]] = {}
    for row, (trouble, path) in enumerate(zip(regions.troubles, images, strict=True)):
        if trouble:
            yield Made(row, reason=trouble)
        else:
            groups.setdefault(os.fspath(path), []).append(row)
    for path, rows in groups.items():
        yield from _cut_group(path, np.array(rows), regions, wish)


def _cut_group(path: str, rows: Any, regions: Regions, wish: Wish) -> Iterator[Made]:
    with ExitStack() as stack:
        try:
            with explained(path):
                group = _Group(path, rows, regions, wish, stack)
        except (CutoutError, OSError) as error:
            reason = _said(path, error)
            yield from (Made(row, reason=reason) for row in rows.tolist())
            return
        yield from group.cut()


def _said(path: str, error: Exception) -> str:
    """Return what is wrong, with the file's name; its folder is known to whoever gave the path."""
    text, name = getattr(error, "strerror", None) or str(error), Path(path).name
    return text if repr(name) in text else f"{name}: {text}"


class _Group:
    """The sources of one image: planned some at a time, and read in the order in which their pixels lie."""

    def __init__(self, path: str, rows: Any, regions: Regions, wish: Wish, stack: ExitStack) -> None:
        self._path, self._wish = path, wish
        self._file = stack.enter_context(file_descriptor(path))
        self._status = os.fstat(self._file)
        self._name = Path(path).name
        # A copy that keeps its times may be younger here than it says.
        self._changed_ns = max(self._status.st_mtime_ns, self._status.st_ctime_ns)
        descriptor = stack.enter_context(plain(self._file))
        self._layers = stack.enter_context(layers(descriptor, wish.hdu, many=True))
        self._regions, self._rows = regions, rows[self._layers.order(regions.of(rows))]
        each = max(1, len(rows) // _SAMPLE)
        self._layers.expect(self._layers.plans(regions.of(self._rows[::each])), each)
        self._reading: deque[Future[list[Made]]] = deque()
        self._readers: Executor | None = None
        # One for each thread that needs one.
        self._scratches: list[Scratch] = []
        stack.callback(self._close_scratches)
        if len(rows) >= _WORTH_THREADS:
            self._readers = ThreadPoolExecutor(_READERS if self._layers.are_shared else 1, thread_name_prefix="cutouts")
            stack.callback(self._readers.shutdown, cancel_futures=True)

    def _planned(self) -> Iterator[tuple[int, Plan]]:
        count = self._wish.pace.planned
        for first in range(0, len(self._rows), count):
            rows = self._rows[first : first + count]
            plans = self._layers.plans(self._regions.of(rows))
            for number in in_order(plans):
                yield int(rows[number]), plans[number]

    def cut(self) -> Iterator[Made]:
        """Yield all of them; what lies ahead is asked for while one is read."""
        waiting: deque[_Planned] = deque()
        ahead = 0
        for row, plan in self._planned():
            product = self._product(row, plan)
            if isinstance(product, Made):
                yield product
                continue
            asked = product.ask(self._layers.sources)
            if product.is_near(self._layers.sources, asked):
                yield from self._read_all([(row, product, asked)])
                continue
            waiting.append((row, product, asked))
            ahead += product.content_bytes
            while waiting and (ahead > _AHEAD_BYTES or len(waiting) > self._wish.pace.ahead):
                some = self._next(waiting)
                ahead -= sum(product.content_bytes for _, product, _ in some)
                yield from self._read_some(some)
        while waiting:
            yield from self._read_some(self._next(waiting))
        while self._reading:
            yield from self._reading.popleft().result()

    def _product(self, row: int, plan: Plan) -> Product | Made:
        """Return what is cut for a row, or what became of it without that."""
        try:
            product = self._layers.product(plan, self._wish.mode, self._name, self._wish.slab)
        except CutoutError as error:
            return Made(row, reason=_said(self._path, error))
        if self._wish.most_bytes is not None and product.content_bytes > self._wish.most_bytes:
            return Made(row, reason=f"{product.content_bytes / 1e6:.0f} MB, too many for a picture; ask for a smaller size")
        return Made(row) if self._wish.is_there(row, product, self._changed_ns) else product

    def _next(self, waiting: deque[_Planned]) -> list[_Planned]:
        """Take what is read together from those that wait."""
        some = [waiting.popleft()]
        room = _TOGETHER_BYTES - some[0][1].content_bytes
        while self._readers and waiting and len(some) < _TOGETHER and waiting[0][1].content_bytes <= room:
            room -= waiting[0][1].content_bytes
            some.append(waiting.popleft())
        return some

    def _read_some(self, some: list[_Planned]) -> Iterator[Made]:
        """Read, here or by another thread, and yield what is ready."""
        if self._readers is None:
            yield from self._read_all(some)
            return
        self._reading.append(self._readers.submit(self._read_all, some))
        while len(self._reading) > _MOST_IN_FLIGHT:
            yield from self._reading.popleft().result()

    def _read_all(self, some: list[_Planned]) -> list[Made]:
        scratch = self._scratches.pop() if self._scratches else Scratch()
        try:
            return [self._read(*one, scratch) for one in some]
        finally:
            self._scratches.append(scratch)

    def _read(self, row: int, product: Product, asked: Any, scratch: Scratch) -> Made:
        scratch.clear()
        try:
            parts = product.parts(self._layers.sources, asked, scratch)
            self._check_unchanged()
        except (CutoutError, OSError) as error:
            return Made(row, reason=_said(self._path, error))
        file = self._wish.files[row] if self._wish.files else None
        if file is None or self._wish.folder is None:
            return Made(row, [bytes(part) for part in parts])
        # What goes wrong here ends the call: the next would go wrong too.
        self._wish.folder.write(file.name, parts)
        return Made(row)

    def _close_scratches(self) -> None:
        for scratch in self._scratches:
            scratch.close()

    def _check_unchanged(self) -> None:
        now = os.fstat(self._file)
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise NotCuttable("the file was changed while it was cut; cut it again when it is whole")
