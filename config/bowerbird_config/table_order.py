"""What the ingest of tables is asked to do: the releases of a platform, where each lies, and the tables in it. Pure."""

from collections.abc import Callable
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
    """Return what the ingest of a platform is asked to do on one machine."""

    def lies(collection: str, release: str) -> Path:
        directory = release_directory(platform, var.releases, collection, release)
        assert directory is not None  # noqa: S101  it is one of the platform's
        return directory

    return _order(platform, lies)


def order_below(platform: Platform, releases: Path) -> TableOrder:
    """Return the same where every release is below one directory, as in a view: wherever its files lie."""
    return _order(platform, lambda collection, release: releases / collection / release)


def _order(platform: Platform, lies: Callable[[str, str], Path]) -> TableOrder:
    orders = [
        ReleaseOrder(collection=collection, release=release, directory=lies(collection, release), tables=known.tables)
        for collection, about in platform.collections.items()
        for release, known in about.releases.items()
    ]
    return TableOrder(releases=tuple(orders))
