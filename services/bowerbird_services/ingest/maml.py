"""MAML, the metadata YAML of surveys: what a file beside a table says of its columns."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from bowerbird_services.ingest.source import BadSource
from bowerbird_services.tables import TimeFrame


@dataclass(frozen=True, slots=True)
class Told:
    """What one place says of a column; None where it says nothing. `missing` are values that stand for none."""

    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str | None = None
    missing: tuple[float | int | str, ...] = ()
    time: TimeFrame | None = None


@dataclass(frozen=True, slots=True)
class Maml:
    """What the file says of the table and, by name without case, of its columns."""

    description: str = ""
    columns: dict[str, Told] = field(default_factory=dict)


def read(text: bytes, name: str) -> Maml:
    """Read what the file of that name holds; BadSource where it is no MAML. Keys may be written in any case."""
    try:
        content = yaml.safe_load(text.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSource(f"has the metadata file {name}, which is no YAML") from error
    fields = _lower(content).get("fields")
    if not isinstance(fields, list):
        raise BadSource(f"has the metadata file {name}, in which 'fields' is no list")
    known = [_lower(entry) for entry in fields]
    return Maml(
        _text(_lower(content).get("description")) or "", {str(entry["name"]).lower(): _told(entry) for entry in known if entry.get("name")}
    )


def _lower(raw: Any) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in raw.items()} if isinstance(raw, dict) else {}


def _told(entry: dict[str, Any]) -> Told:
    missing = _lower(entry.get("qc")).get("miss")
    values = missing if isinstance(missing, list) else [missing]
    ucd = entry.get("ucd")
    return Told(
        unit=_text(entry.get("unit")),
        # A list is the words of one UCD.
        ucd=";".join(map(str, ucd)) if isinstance(ucd, list) else _text(ucd),
        description=_text(entry.get("info") or entry.get("description")),
        missing=tuple(value for value in values if isinstance(value, float | int | str) and str(value).lower() not in {"null", "na", ""}),
    )


def _text(raw: Any) -> str | None:
    return str(raw).strip() or None if raw is not None else None
