"""What my `/data` says of itself: the manifest that the platform writes into every view."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird.errors import NotThere, Refused

NAME = ".view.json"
_DEFAULT = "/data"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The releases and teams of one view; each release is the manifest's own entry."""

    root: Path
    user: str
    releases: tuple[dict[str, Any], ...]
    teams: tuple[dict[str, Any], ...]

    def opened(self, name: str) -> list[dict[str, Any]]:
        """Return the open releases that a name means: a collection's, or the one of that name; Refused says why all of them are closed."""
        entries = [one for one in self.releases if name in (one["collection"], f"{one['collection']}/{one['release']}")]
        found = [one for one in entries if one.get("path")]
        if entries and not found:
            raise Refused(entries[0]["sentence"])
        return found

    def release_of(self, path: Path) -> dict[str, Any] | None:
        """Return the release that a path lies in, by its place or by one of the two sorted links."""
        try:
            parts = path.relative_to(self.root).parts
        except ValueError:
            return None
        for entry in self.releases:
            collection, release = entry["collection"], entry["release"]
            if parts[:3] == ("releases", collection, release):
                return entry
            if parts[:1] in (("public",), ("private",)) and parts[1:2] == (f"{collection}-{release}",):
                return entry
        return None


def data_root() -> Path:
    """Return where the view is: `BOWERBIRD_DATA`, or /data."""
    return Path(os.environ.get("BOWERBIRD_DATA") or _DEFAULT)


def manifest() -> Manifest:
    """Return the manifest as it is now; FileNotFoundError says what to do when there is no view."""
    root = data_root()
    try:
        # Read anew each time: it is small, and what it says changes while a notebook is open.
        content = json.loads((root / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotThere(
            error.errno,
            "your view of the data is not here; in Bowerbird's lab it comes back by itself or with a new start of your server, "
            "elsewhere the environment variable BOWERBIRD_DATA says where it is",
            str(root),
        ) from error
    return Manifest(root, content.get("user", ""), tuple(content["releases"]), tuple(content.get("teams", ())))
