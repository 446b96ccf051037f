"""Which release's images lie behind sources: that of the image that is shown, or of the tables that they were asked of."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bowerbird.manifest import Manifest, manifest
from bowerbird.vo.addresses import PLATFORM

_TEXT = re.compile(r"'[^']*'|--[^\n]*")
_BEFORE_DOT = re.compile(r"\b([a-z][a-z0-9_]*)\"?\s*\.", re.IGNORECASE)


def survey_of(table: Any, image: Any, environment: Mapping[str, str] = os.environ) -> str:
    """Return the one release of your view that sources or image are of, such as "a370/dr1"; "" where it is none, or one of several."""
    try:
        known = manifest()
    except OSError:
        return ""
    if isinstance(image, str | os.PathLike):
        entry = known.release_of(Path(os.path.normpath(image)))
        if entry is not None:
            return _name(entry)
    meta = getattr(table, "meta", None) or {}
    if not environment.get(PLATFORM) or meta.get("service") != environment[PLATFORM]:
        return ""
    return _asked_of(str(meta.get("query", "")), known)


def _asked_of(query: str, known: Manifest) -> str:
    schemas = {schema(entry): _name(entry) for entry in known.releases}
    words = {word.lower() for word in _BEFORE_DOT.findall(_TEXT.sub("", query))}
    found = words & schemas.keys()
    return schemas[found.pop()] if len(found) == 1 else ""


def schema(entry: Mapping[str, Any]) -> str:
    """Return the schema that the tables of a release have on the platform."""
    return f"{entry['collection']}_{entry['release']}".replace("-", "_")


def _name(entry: Mapping[str, Any]) -> str:
    return f"{entry['collection']}/{entry['release']}"
