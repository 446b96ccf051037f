"""What is known of an ingested table, beside its Parquet file as JSON: the `Table`, and from what it was made."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bowerbird.votable.field import Datatype

from bowerbird_services.tables import Column, Position, Table, TimeFrame

SUFFIX = ".table.json"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A table with the fingerprint of what it was made from, and the sizes of its files by name."""

    table: Table
    fingerprint: str
    sizes: dict[str, int]


def write(path: Path, sidecar: Sidecar) -> None:
    """Write it whole or not at all; the files that it names are there before."""
    table = asdict(sidecar.table) | {"files": [file.name for file in sidecar.table.files]}
    replace_json(path, {"table": table, "fingerprint": sidecar.fingerprint, "sizes": sidecar.sizes})


def replace_json(path: Path, content: Any) -> None:
    """Write JSON to a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """Return what a file holds; None where there is none, or none that is whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read(path: Path) -> Sidecar | None:
    """Return what a file says; None where there is none, or none that is whole."""
    try:
        content = read_json(path)
        return Sidecar(_table(content["table"], path.parent), content["fingerprint"], content["sizes"])
    except (ValueError, KeyError, TypeError):
        return None


def _column(raw: dict[str, Any]) -> Column:
    time = raw.get("time")
    return Column(**(raw | {"datatype": Datatype(raw["datatype"]), "time": TimeFrame(**time) if time else None}))


def _table(raw: dict[str, Any], folder: Path) -> Table:
    columns = tuple(map(_column, raw["columns"]))
    changed = {
        "columns": columns,
        "release": tuple(raw["release"]) if raw["release"] else None,
        "position": Position(**raw["position"]) if raw["position"] else None,
        "files": tuple(folder / name for name in raw["files"]),
    }
    return Table(**(raw | changed))
