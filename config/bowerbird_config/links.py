"""Links between files of releases: what belongs to an image, came before it, or was made of it."""

from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import unquote

from pydantic import AfterValidator, Field

from bowerbird_config.model import Model
from bowerbird_config.tables import FileInside, inside

_ELSEWHERE: Final = "ivo://"
# The authority of the publisher DIDs of every Bowerbird's own products.
AUTHORITY: Final = "x-bowerbird"


class Semantics(StrEnum):
    """What the other end of a link is to its file, in the words of the IVOA's vocabulary datalink/core."""

    AUXILIARY = "auxiliary"
    BIAS = "bias"
    CALIBRATION = "calibration"
    CODERIVED = "coderived"
    COUNTERPART = "counterpart"
    DARK = "dark"
    DERIVATION = "derivation"
    DOCUMENTATION = "documentation"
    ERROR = "error"
    FLAT = "flat"
    NOISE = "noise"
    PREVIEW = "preview"
    PREVIEW_IMAGE = "preview-image"
    PREVIEW_PLOT = "preview-plot"
    PROGENITOR = "progenitor"
    WEIGHT = "weight"


def _other_end(to: str) -> str:
    if to.startswith(_ELSEWHERE):
        place, question, file = to.removeprefix(_ELSEWHERE).partition("?")
        if place.count("/") != 2 or not question or not file:  # noqa: PLR2004  authority, collection, release
            raise ValueError(f"{to!r} names no product; write its obs_publisher_did, 'ivo://x-bowerbird/COLLECTION/RELEASE?FILE'")
        return to
    return inside(to)


class Link(Model):
    """A link from a file of this release; whoever asks about its other end is told of it too."""

    file: FileInside = Field(description="a file of this release")
    to: Annotated[str, AfterValidator(_other_end)] = Field(description="a file of this release, or the obs_publisher_did of another's")
    semantics: Semantics = Field(description="what the other end is to the file")
    description: str = ""

    def end(self, collection: str, release: str) -> tuple[str, str, str] | None:
        """Return collection, release and file of the other end of a link in that release; None where another platform has it."""
        if not self.to.startswith(_ELSEWHERE):
            return collection, release, self.to
        place, _, file = self.to.removeprefix(_ELSEWHERE).partition("?")
        authority, *named = place.lower().split("/")
        return (*named, unquote(file)) if authority == AUTHORITY else None  # type: ignore[return-value]  # two names, as was checked
