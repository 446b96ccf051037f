"""The part of an image that is cut: a box along the sky, a part or the whole of every other axis, and what happens beyond the edge."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bowerbird.errors import BadArgument, NotCuttable, OutsideImage
from bowerbird.image import Image
from bowerbird.sky import Box

# A cutout is made in memory (bytes).
_LARGEST = 1 << 33
_ALL: Mapping[int, slice] = {}


class Mode(StrEnum):
    """What happens where the region reaches beyond the image: the words of astropy's Cutout2D."""

    TRIM = "trim"
    PARTIAL = "partial"
    STRICT = "strict"


def mode_of(mode: str) -> Mode:
    """Return the mode of that name; ValueError names the modes there are."""
    try:
        return Mode(mode)
    except ValueError:
        raise BadArgument(f"mode is 'trim', 'partial' or 'strict', not {mode!r}") from None


@dataclass(frozen=True, slots=True)
class Window:
    """What is cut, along every axis: `wanted` may reach beyond the image, `present` does not."""

    wanted: tuple[slice, ...]
    present: tuple[slice, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the cutout's axes, NAXIS1 first."""
        return tuple(part.stop - part.start for part in self.wanted)

    @property
    def is_whole(self) -> bool:
        """Whether every wanted pixel is there."""
        return self.wanted == self.present

    @property
    def places(self) -> tuple[slice, ...]:
        """Where in the cutout the present pixels go."""
        pairs = zip(self.wanted, self.present, strict=True)
        return tuple(slice(there.start - want.start, there.stop - want.start) for want, there in pairs)


def window(image: Image, box: Box, mode: Mode, cuts: Mapping[int, slice] = _ALL) -> Window:
    """Return what is cut of an image; OutsideImage where that is nothing, or less than `mode` allows.

    `cuts` has the axes beside the sky that are not taken whole; they lie within the image.
    """
    wanted = [cuts.get(axis, slice(0, length)) for axis, length in enumerate(image.shape)]
    for axis, start, stop in zip(image.sky.axes, box.start, box.stop, strict=True):
        wanted[axis] = slice(start, stop)
    present = [slice(max(0, part.start), min(length, part.stop)) for part, length in zip(wanted, image.shape, strict=True)]
    if any(part.stop <= part.start for part in present):
        raise OutsideImage(_outside(image, box))
    made = Window(tuple(wanted if mode is Mode.PARTIAL else present), tuple(present))
    if mode is Mode.STRICT and wanted != present:
        raise OutsideImage("the region reaches beyond the image; mode='trim' or 'partial' would cut it all the same")
    _check_length(image, made)
    return made


def _outside(image: Image, box: Box) -> str:
    across, along = image.sky.axes
    asked = f"[{box.start[0] + 1}:{box.stop[0]}, {box.start[1] + 1}:{box.stop[1]}]"
    return f"the region is outside the image: it would be pixels {asked} of {image.shape[across]} × {image.shape[along]}"


def _check_length(image: Image, made: Window) -> None:
    length = image.dtype.itemsize
    for count in made.shape:
        length *= count
    if length > _LARGEST:
        raise NotCuttable(f"this cutout would be {length / 1e9:.0f} GB; ask for a smaller piece")
