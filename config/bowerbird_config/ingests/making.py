"""What is made of the releases of a platform: tables, and HiPS of their images."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bowerbird_config.ingests.traces import Stamp, stamp, trace
from bowerbird_config.table_order import TableOrder

LOOK_SECONDS = 5.0
# Images are drawn for long, and nobody waits for a picture of what has changed just now.
_GENTLY = 6
_PRODUCTS = "products.json"


@dataclass(frozen=True, slots=True)
class Making:
    """One thing that is made of releases, in `place`; its row and its log are called by its name.

    `program` is the module that makes it. Every so many seconds is looked whether `traces` or `made` changed: what is there
    to be read, and what has been made of it.
    """

    name: str
    program: str
    place: Path
    seconds: float
    traces: Callable[[TableOrder], str]
    made: Callable[[], object]


def tables(place: Path, seconds: float = LOOK_SECONDS) -> Making:
    """Return the making of tables: rows that are lost are noticed."""
    return Making("tables", "bowerbird_services.ingest.run", place, seconds, table_traces, partial(_stamps, place, "*/*/*.parquet"))


def surveys(place: Path, known: Path, seconds: float = LOOK_SECONDS) -> Making:
    """Return the making of surveys, `known` being where the tables are: a single tile is not watched."""
    return Making(
        "surveys",
        "bowerbird_services.ingest.run_hips",
        place,
        _GENTLY * seconds,
        partial(_image_traces, known),
        partial(_stamps, place, "*/*/*"),
    )


def table_traces(order: TableOrder) -> str:
    """Return what changes with the order, with a file of a table or with what lies in a release."""
    told = [order.model_dump_json()]
    for release in order.releases:
        told += trace(release.directory)
        files = [release.directory / table.file for table in release.tables.values()]
        files += [release.directory / table.metadata for table in release.tables.values() if table.metadata]
        told += [f"{path} {stamp(path)}" for path in files]
    return "\n".join(told)


def _image_traces(tables: Path, order: TableOrder) -> str:
    """Return what changes when an image does: where each release lies, and the files that the ingest of tables found in it."""
    told = []
    for release in order.releases:
        known = _products(tables / release.collection / release.release / _PRODUCTS)
        files = [release.directory / str(product.get("file")) for product in known]
        told += [f"{release.name} {path} {stamp(path)}" for path in (release.directory, *files)]
    return "\n".join(told)


def _products(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["products"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _stamps(place: Path, pattern: str) -> dict[Path, Stamp | None]:
    return {path: stamp(path) for path in place.glob(pattern)}
