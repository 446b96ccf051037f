"""The tables that were ingested, as they lie on disk: `COLLECTION/RELEASE/NAME.table.json` and the Parquet files beside it."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bowerbird_services.store import sidecar
from bowerbird_services.store.products import Product
from bowerbird_services.tables import Table

# Names what every ingest made; written last, so that its time tells whether anything changed.
INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Holdings:
    """What lies on the shelf: tables and products of each release, whoever may see them, and how long each file of them was written."""

    tables: Mapping[tuple[str, str], tuple[Table, ...]] = field(default_factory=dict)
    products: Mapping[tuple[str, str], tuple[Product, ...]] = field(default_factory=dict)
    sizes: Mapping[Path, int] = field(default_factory=dict)
    by_file: Mapping[tuple[str, str], Mapping[str, Product]] = field(default_factory=dict)

    def product(self, place: tuple[str, str], file: str) -> Product | None:
        """Return the product of a release that has exactly that file."""
        return self.by_file.get(place, {}).get(file)

    def is_whole(self, table: Table) -> bool:
        """Tell whether the files of a table are as long as they were written."""
        return all(size is not None and size == self.sizes.get(file, size) for file in table.files for size in [_size(file)])


class Shelf:
    """Reads what lies there, and again when the index says that it changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = str(root / INDEX)  # each request looks at it
        # Guards the two below: whoever finds a new index reads it, the others wait for what they read.
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._holdings = Holdings()

    def holdings(self) -> Holdings:
        """Return what lies there now; nothing where no ingest has ended yet."""
        seen = self._stamp()
        with self._lock:
            if seen != self._seen:
                self._holdings, self._seen = self._read(), seen
            return self._holdings

    def _stamp(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self._index)
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _read(self) -> Holdings:
        tables: dict[tuple[str, str], tuple[Table, ...]] = {}
        products: dict[tuple[str, str], tuple[Product, ...]] = {}
        sizes: dict[Path, int] = {}
        for collection, release in read_index(self.root):
            folder = self.root / collection / release
            found = [known for path in sorted(folder.glob(f"*{sidecar.SUFFIX}")) if (known := sidecar.read(path))]
            tables[collection, release] = tuple(known.table for known in found)
            sizes.update((folder / name, size) for known in found for name, size in known.sizes.items())
            products[collection, release] = Product.read_all(folder)
        by_file = {place: {product.file: product for product in found} for place, found in products.items()}
        return Holdings(tables, products, sizes, by_file)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def read_index(root: Path) -> list[tuple[str, str]]:
    """Return the releases that the index names; none where there is no index."""
    try:
        return [(collection, release) for collection, release in sidecar.read_json(root / INDEX)["releases"]]
    except (ValueError, KeyError, TypeError):
        return []


def write_index(root: Path, releases: list[tuple[str, str]]) -> None:
    """Tell all who read that something changed."""
    sidecar.replace_json(root / INDEX, {"releases": sorted(releases)})
