"""What one identity sees of the tables: its catalogue, by the access decision of each release and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import pyarrow as pa
from bowerbird_config.access import Decision, decide
from bowerbird_config.collections import Collection, Release
from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, ReleaseRef
from bowerbird_config.tables import schema_name

from bowerbird_services.store import obscore, tap_schema
from bowerbird_services.store.kept_sights import KeptSights
from bowerbird_services.store.observed import Observations, Observed
from bowerbird_services.store.products import Product
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.tables import Catalogue, Table


@dataclass(frozen=True, slots=True)
class SeenRelease:
    """A release that somebody reads, or may know of where its decision refuses it: then it has no tables here."""

    collection: str
    name: str
    about_collection: Collection
    about: Release
    decision: Decision
    tables: tuple[Table, ...] = ()
    products: tuple[Product, ...] = ()

    @property
    def full_name(self) -> str:
        """Its collection and its own name, as its path has them."""
        return f"{self.collection}/{self.name}"

    @property
    def schema(self) -> str:
        """The schema that its tables are in."""
        return schema_name(self.collection, self.name)


class SeenCatalogue(Catalogue):
    """A catalogue of one identity, with the rows of those tables that it alone sees so, by their `view`."""

    def __init__(self, sight: "Sight") -> None:
        self._sight = sight
        self.announced = sight.announced
        super().__init__([*sight.tables, obscore.TABLE, *tap_schema.TABLES])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SeenCatalogue) and self._sight == other._sight

    __hash__ = None  # type: ignore[assignment]  # nobody has them as keys

    def given(self, tables: Iterable[Table]) -> dict[str, pa.Table]:
        """Return the rows of those of the tables that lie in no file: TAP_SCHEMA and ObsCore as this identity sees them."""
        views = {table.view for table in tables}
        found: dict[str, pa.Table] = {}
        if obscore.TABLE.view in views:
            found[obscore.TABLE.view] = pa.concat_tables([obscore.rows(()), *(observed.rows for observed in self._sight.observed)])
        if any(table.view in views for table in tap_schema.TABLES):
            found |= self._described
        return found

    @cached_property
    def schemas(self) -> Mapping[str, str]:
        """What each schema has, by its name: those of the releases that are read or announced, and the standards'."""
        return {**self._sight.schemas, **obscore.SCHEMAS, **tap_schema.SCHEMAS}

    @cached_property
    def _described(self) -> dict[str, pa.Table]:
        return tap_schema.rows(tuple(self), self.schemas)

    def refusal(self, full_name: str) -> str | None:
        """Return why a table of that name is refused, where its release is announced; None where nothing is known of it."""
        schema = full_name.rpartition(".")[0].lower()
        return next((known.decision.sentence for known in self.announced if known.schema == schema), None)


@dataclass(frozen=True, slots=True)
class Sight:
    """All that an identity sees at one time."""

    tables: tuple[Table, ...] = ()
    schemas: Mapping[str, str] = field(default_factory=dict)
    observed: tuple[Observed, ...] = ()
    releases: tuple[SeenRelease, ...] = ()

    @property
    def announced(self) -> tuple[SeenRelease, ...]:
        """The releases that are known of and not read."""
        return tuple(release for release in self.releases if not release.decision.allowed)


class TableStore:
    """The tables of a platform; safe to ask from many threads."""

    def __init__(self, shelf: Shelf, doors: obscore.Doors = obscore.Doors()) -> None:  # noqa: B008  # a value
        """Keep the shelf; `doors` say where the files of releases are had."""
        self._shelf = shelf
        self.observations = Observations(shelf, doors)
        self._kept: KeptSights[SeenCatalogue] = KeptSights()

    def catalogue(self, platform: Platform, identity: Identity, at: datetime) -> SeenCatalogue:
        """Return the tables that this identity may read at that time."""
        # Told before the sight is made, so that whatever comes meanwhile makes it anew.
        lying = self._shelf.holdings()
        return self._kept.of(identity, platform, lying, at, lambda: SeenCatalogue(self.sight(platform, identity, at)))

    def damaged(self) -> tuple[tuple[Table, ...], int]:
        """Return which tables have lost rows, and how many there are, whoever may see them."""
        tables = [table for some in self._shelf.holdings().tables.values() for table in some]
        return self.damaged_of(tables), len(tables)

    def damaged_of(self, tables: Iterable[Table]) -> tuple[Table, ...]:
        """Return those of the tables whose files are not as they were written."""
        holdings = self._shelf.holdings()
        return tuple(table for table in tables if not holdings.is_whole(table))

    def sight(self, platform: Platform, identity: Identity, at: datetime) -> Sight:
        """Return what this identity sees at that time: each release by its own decision."""
        holdings = self._shelf.holdings()
        tables: list[Table] = []
        schemas: dict[str, str] = {}
        observed: list[Observed] = []
        seen: list[SeenRelease] = []
        for collection, about in platform.collections.items():
            for name, release in about.releases.items():
                schema, place = schema_name(collection, name), (collection, name)
                decision = decide(platform, identity, Action.READ, ReleaseRef(collection, name), at)
                if decision.allowed:
                    found = holdings.tables.get(place, ())
                    tables += found
                    seen.append(SeenRelease(collection, name, about, release, decision, found, holdings.products.get(place, ())))
                    observed.append(self.observations.of(place, release, at))
                    schemas[schema] = release.description or release.title
                elif not decision.hidden:
                    seen.append(SeenRelease(collection, name, about, release, decision))
                    schemas[schema] = f"{release.title}. {decision.sentence}"
        return Sight(tuple(tables), schemas, tuple(observed), tuple(seen))
