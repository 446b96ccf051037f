"""What the ingest of tables is asked to do: the releases of a platform, where each lies, and the tables in it. Pure."""

from pathlib import Path

from pydantic import Field

from bowerbird_config.model import Frozen, FrozenDict, Model, Slug
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.tables import ReleaseTable, TableName


class ReleaseOrder(Model):
    """One release, whose files lie in `directory`."""

    collection: Slug
    release: Slug
    directory: Path
    tables: Frozen[TableName, ReleaseTable] = Field(default_factory=FrozenDict)

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.collection}/{self.release}"


class TableOrder(Model):
    """All releases of a platform."""

    releases: tuple[ReleaseOrder, ...]


def release_directory(platform: Platform, releases: Path, collection: str, release: str) -> Path | None:
    """Return where the files of a release lie, `releases` being where those lie that name no place; None where there is no such release."""
    about = platform.collections.get(collection)
    if about is None or release not in about.releases:
        return None
    own = platform.storage.releases.get(f"{collection}/{release}")
    return Path(own) if own else releases / collection / release


def table_order(platform: Platform, var: Var) -> TableOrder:
    """Return what the ingest of a platform is asked to do."""
    orders = []
    for collection, about in platform.collections.items():
        for release, known in about.releases.items():
            directory = release_directory(platform, var.releases, collection, release)
            assert directory is not None  # noqa: S101  it is one of the platform's
            orders.append(ReleaseOrder(collection=collection, release=release, directory=directory, tables=known.tables))
    return TableOrder(releases=tuple(orders))
