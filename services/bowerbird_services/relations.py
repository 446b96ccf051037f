"""Links between products as the platform file declares them, told from both ends. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bowerbird_config.links import Link, Semantics
from bowerbird_config.platform import Platform

from bowerbird_services.store.dids import DID, NoDID

# What a file is to what is linked from it; products of one making are each other's companions.
BACK: Final[Mapping[Semantics, Semantics]] = {
    Semantics.PROGENITOR: Semantics.DERIVATION,
    Semantics.DERIVATION: Semantics.PROGENITOR,
    Semantics.CALIBRATION: Semantics.DERIVATION,
    Semantics.BIAS: Semantics.DERIVATION,
    Semantics.DARK: Semantics.DERIVATION,
    Semantics.FLAT: Semantics.DERIVATION,
    Semantics.COUNTERPART: Semantics.COUNTERPART,
    Semantics.AUXILIARY: Semantics.CODERIVED,
    Semantics.CODERIVED: Semantics.CODERIVED,
    Semantics.ERROR: Semantics.CODERIVED,
    Semantics.NOISE: Semantics.CODERIVED,
    Semantics.WEIGHT: Semantics.CODERIVED,
    Semantics.DOCUMENTATION: Semantics.AUXILIARY,
    Semantics.PREVIEW: Semantics.PROGENITOR,
    Semantics.PREVIEW_IMAGE: Semantics.PROGENITOR,
    Semantics.PREVIEW_PLOT: Semantics.PROGENITOR,
}


@dataclass(frozen=True, slots=True)
class Relation:
    """What a product is linked to: a file of a release, which need be no product and need not be there."""

    target: DID
    semantics: Semantics
    description: str = ""


class Relations:
    """The links of one platform, by either end."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        found: defaultdict[DID, dict[tuple[DID, Semantics], Relation]] = defaultdict(dict)
        for collection, about in platform.collections.items():
            for name, release in about.releases.items():
                for link in release.links:
                    self._add(found, DID(collection, name, link.file), link)
        self._found = {did: tuple(relations.values()) for did, relations in found.items()}

    @staticmethod
    def _add(found: Mapping[DID, dict[tuple[DID, Semantics], Relation]], file: DID, link: Link) -> None:
        try:
            target = DID.parse(link.to) if "://" in link.to else DID(*file.place, link.to)
        except NoDID:  # of another platform
            return
        for near, far, semantics in ((file, target, link.semantics), (target, file, BACK[link.semantics])):
            # A link that is declared from both ends is one.
            found[near].setdefault((far, semantics), Relation(far, semantics, link.description))

    def of(self, did: DID) -> tuple[Relation, ...]:
        """Return what a file is linked to."""
        return self._found.get(did, ())
