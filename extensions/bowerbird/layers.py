"""The images of one open file that are cut together, each with what reads it, and the cutouts planned on them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeAlias

import numpy as np

from bowerbird.areas import Area, covered
from bowerbird.axes import cuts
from bowerbird.errors import CutoutError, OutsideImage
from bowerbird.image import EVERY, Choices, Image, images
from bowerbird.product import Product
from bowerbird.readers import reader
from bowerbird.sky import LOST, Box
from bowerbird.slab import WHOLE, Slab
from bowerbird.stencil import Stencils
from bowerbird.window import Mode, Window, window

# The box of a region in each image; None where the region has no place in the projection.
Plan: TypeAlias = list[Box | None]


class Layers:
    """Chosen images of a file, in its order; with EVERY those that a region misses are left out of its cutout."""

    def __init__(self, chosen: list[Image], sources: dict[Image, Any], *, every: bool) -> None:
        self.images, self.sources = chosen, sources
        self._every = every

    @property
    def are_shared(self) -> bool:
        """Whether several threads may read at once."""
        return all(source.is_shared for source in self.sources.values())

    def plans(self, regions: Stencils) -> list[Plan]:
        """Return for each region its boxes."""
        columns = [_boxes(image, regions) for image in self.images]
        return [list(row) for row in zip(*columns, strict=True)]

    def order(self, regions: Stencils) -> Any:
        """Return the numbers of regions about in the order in which their pixels lie: quicker than plans, by their centres alone."""
        return self.images[0].sky.order(regions)

    def covering(self, area: Area | None) -> list[Box | None]:
        """Return the box of an area in each image, None where it has none of it; OutsideImage where none has. No area is all of each."""
        boxes: list[Box | None] = []
        missed: OutsideImage | None = None
        for image in self.images:
            try:
                boxes.append(_covered(image, area))
            except OutsideImage as error:
                missed = missed or error
                boxes.append(None)
        if missed and not any(boxes):
            raise missed
        return boxes

    def expect(self, plans: Sequence[Plan], each: int) -> None:
        """Tell what reads each image where boxes will come, in about their order: these are one of so many `each`."""
        for number, image in enumerate(self.images):
            self.sources[image].expect([part for boxes in plans for part in _within(image, boxes[number])], each)

    def product(self, boxes: Plan, mode: Mode, name: str, slab: Slab = WHOLE) -> Product:
        """Return the cutout of a region, and of a slab along the axes beside the sky; OutsideImage where there is none."""
        found: list[tuple[Image, Window]] = []
        missed: OutsideImage | None = None
        for image, box in zip(self.images, boxes, strict=True):
            try:
                found.append((image, _window(image, box, mode, self._cuts(image, slab))))
            except OutsideImage as error:
                missed = missed or error
                if not self._every:
                    raise
        if not found:
            raise missed or OutsideImage(LOST)
        return Product(found, name)

    def _cuts(self, image: Image, slab: Slab) -> Mapping[int, slice]:
        """Return what a slab takes of an image; of one without a sky of its own, what it takes of the first."""
        return cuts(image if image.has_own_sky else self.images[0], slab)


def _within(image: Image, box: Box | None) -> Iterator[tuple[slice, ...]]:
    """Yield what a box has of an image, if anything."""
    if box is not None:
        with suppress(CutoutError):
            yield window(image, box, Mode.TRIM).present


def _window(image: Image, box: Box | None, mode: Mode, along: Mapping[int, slice]) -> Window:
    if box is None:
        raise OutsideImage(LOST)
    return window(image, box, mode, along)


def _covered(image: Image, area: Area | None) -> Box:
    across, along = image.sky.axes
    lengths = image.shape[across], image.shape[along]
    return Box((0, 0), lengths) if area is None else covered(image.sky, lengths, area)


def _boxes(image: Image, regions: Stencils) -> list[Box | None]:
    starts, stops, found = (one.tolist() for one in image.sky.boxes(regions))
    return [
        Box((start[0], start[1]), (stop[0], stop[1])) if there else None for start, stop, there in zip(starts, stops, found, strict=True)
    ]


def in_order(plans: list[Plan]) -> list[int]:
    """Return the numbers of plans in the order in which their pixels lie."""
    corners = [next(((box.start[1], box.start[0]) for box in boxes if box), (0, 0)) for boxes in plans]
    order: list[int] = np.lexsort(np.array(corners).T[::-1]).tolist() if corners else []
    return order


@contextmanager
def layers(descriptor: int, choices: Choices, *, many: bool = False, beside_others: bool = False) -> Iterator[Layers]:
    """Give the chosen images of an open plain file; with `many` for many cutouts, `beside_others` for one among those of other threads."""
    with ExitStack() as stack:
        chosen = images(descriptor, choices)
        sources = {image: stack.enter_context(reader(image, descriptor, many=many, beside_others=beside_others)) for image in chosen}
        yield Layers(chosen, sources, every=choices == EVERY)
