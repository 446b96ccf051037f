"""The product files of a platform by their publisher DIDs: for whoever asks, by the access decision of the release and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bowerbird_config.access import Decision
from bowerbird_config.collections import Release
from bowerbird_config.identity import Identity

from bowerbird_services.identity import Records
from bowerbird_services.near_files import NearFiles
from bowerbird_services.relations import Relation, Relations
from bowerbird_services.release_files import Directories, ReleaseFile, open_file
from bowerbird_services.store.dids import DID, NoDID
from bowerbird_services.store.obscore import LINKED, Doors
from bowerbird_services.store.observed import Observations, Observed
from bowerbird_services.store.products import FITS, Product
from bowerbird_services.store.shelf import Shelf


class NoRecord(Exception):
    """There is no such record for whoever asked: a hidden one is as absent as one that does not exist."""


class ClosedRecord(Exception):
    """The release is known of and closed; `decision` says until when and whom to ask, whether or not there is such a product."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.sentence)
        self.decision = decision


@dataclass(frozen=True, slots=True)
class Record:
    """One product that somebody may read now, and what its release says of it."""

    did: DID
    product: Product
    release: Release
    decision: Decision
    public: bool

    @property
    def place(self) -> tuple[str, str]:
        """Collection and release."""
        return self.did.place


class Archive:
    """Finds products; safe to ask from many threads."""

    def __init__(self, records: Records, shelf: Shelf, directories: Directories, observations: Observations | None = None) -> None:
        self._records = records
        self._shelf = shelf
        self._directories = directories
        self._observations = observations or Observations(shelf)
        # Replaced as a whole when the platform is another; two threads that do so at once make the same.
        self._relations: Relations | None = None

    @property
    def doors(self) -> Doors:
        """Where products are had."""
        return self._observations.doors

    def observed(self, identity: Identity, at: datetime) -> Observed:
        """Return the observations of all releases that this identity may read at that time."""
        return self._observations.of_all(self._observations.of(place, release, at) for place, release in self._releases(identity, at))

    def few_observed(self, identity: Identity, at: datetime, most: int) -> Observed | None:
        """Return the same where they are made already and no more than `most`; None where they have to be waited for."""
        found: list[Observed] = []
        for place, release in self._releases(identity, at):
            known = self._observations.at_hand(place, release, at)
            if known is None or sum(one.rows.num_rows for one in [*found, known]) > most:
                return None
            found.append(known)
        return self._observations.of_all(found)

    def _releases(self, identity: Identity, at: datetime) -> Iterator[tuple[tuple[str, str], Release]]:
        """Yield those that this identity may read."""
        for collection, about in self._records.platform.collections.items():
            for name, release in about.releases.items():
                if self._records.decide(identity, collection, name, at).allowed:
                    yield (collection, name), release

    def record(self, identity: Identity, did: str, at: datetime) -> Record:
        """Return the product of that name; NoRecord where there is none for them, ClosedRecord where its release is announced only."""
        try:
            named = DID.parse(did)
        except NoDID:
            raise NoRecord from None
        decision = self._records.decide(identity, *named.place, at)
        if not decision.allowed:
            raise NoRecord if decision.hidden else ClosedRecord(decision)
        product = self._shelf.holdings().product(named.place, named.file)
        if product is None:
            raise NoRecord
        release = self._records.platform.collections[named.collection].releases[named.release]
        return Record(named, product, release, decision, release.public_at(at))

    def decision(self, identity: Identity, place: tuple[str, str], at: datetime) -> Decision:
        """Decide whether they may read a release."""
        return self._records.decide(identity, *place, at)

    def is_public(self, place: tuple[str, str], at: datetime) -> bool:
        """Return whether everybody may read a release, whose reading was decided already."""
        return self._records.platform.collections[place[0]].releases[place[1]].public_at(at)

    def product(self, did: DID) -> Product | None:
        """Return the product of that name, whoever may read it; None where there is none."""
        return self._shelf.holdings().product(did.place, did.file)

    def relations(self, did: DID) -> tuple[Relation, ...]:
        """Return what a file is linked to, whoever may read that."""
        platform = self._records.platform
        known = self._relations
        if known is None or known.platform is not platform:
            known = self._relations = Relations(platform)
        return known.of(did)

    def is_cut_only(self, did: DID) -> bool:
        """Return whether a file is one that its release hands out by pieces alone: an image or cube, or what may be one."""
        about = self._records.platform.collections.get(did.collection)
        release = about.releases.get(did.release) if about else None
        if release is None or release.serve != "cutouts":
            return False
        product = self.product(did)
        # What the ingest has not seen, or could not read, is not handed out for that.
        return product.dataproduct_type in LINKED if product else did.file.lower().endswith(FITS)

    def file(self, did: DID) -> ReleaseFile:
        """Return the open file of that name, whoever may read it; the caller has decided that, and closes it."""
        return open_file(self._directories, *did.place, did.file)

    def near_files(self) -> NearFiles:
        """Return what remembers which files are near."""
        return NearFiles(self._directories)

    def opened(self, record: Record) -> ReleaseFile:
        """Return the open file of a record, which the caller closes; NoFile, ClosedFile or Away where it cannot be opened."""
        return self.file(record.did)
